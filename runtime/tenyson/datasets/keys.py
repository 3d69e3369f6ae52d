"""`hcd_baseline-v1`: the key of a data set, made of its name and its version."""

import re
from dataclasses import dataclass

from tenyson.datasets.errors import DatasetRequestError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._]{0,39}")
_RULES = (
    "A name has up to 100 letters, digits, '.', '_' and '-'; a version up to 40 of them without "
    "'-'; both begin with a letter or a digit: hcd_baseline and v1."
)


@dataclass(frozen=True)
class DatasetKey:
    """Names one version of a data set; the version follows the last hyphen."""

    name: str
    version: str

    def __post_init__(self) -> None:
        for what, value, allowed in (
            ("name", self.name, _NAME),
            ("version", self.version, _VERSION),
        ):
            if not allowed.fullmatch(value):
                raise DatasetRequestError(f"{value!r} cannot be a data set's {what}.", hint=_RULES)

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"

    @classmethod
    def parse(cls, text: str) -> "DatasetKey":
        """Returns the key that a text spells.

        Raises:
            DatasetRequestError: It spells none.
        """
        name, hyphen, version = text.rpartition("-")
        if not hyphen:
            raise DatasetRequestError(
                f"{text!r} is no key of a data set; expected NAME-VERSION.",
                hint="tenyson dataset list shows those that there are.",
            )
        return cls(name, version)
