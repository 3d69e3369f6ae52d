"""Kubernetes' quantities: `500m`, `2`, `1Gi`."""

from __future__ import annotations

import math
import re
from decimal import Decimal

_FACTORS = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
}


def parse_quantity(text: str) -> Decimal:
    """The number that a quantity stands for.

    Raises:
        ValueError: the text is no quantity.
    """
    match = re.fullmatch(r"([+-]?[\d.]+(?:[eE][+-]?\d+)?)([a-zA-Z]{0,2})", text.strip())
    if match is None or match.group(2) not in _FACTORS:
        raise ValueError(f"{text!r} is no Kubernetes quantity such as 500m, 2 or 1Gi")
    return Decimal(match.group(1)) * _FACTORS[match.group(2)]


def divided(quantity: str, divisor: str) -> str:
    """The quantity in units of the divisor, rounded up, as `resourceFieldRef` gives it."""
    unit = parse_quantity(divisor) or Decimal(1)  # an absent divisor is stored as "0"
    return str(math.ceil(parse_quantity(quantity) / unit))
