"""What a run may use up."""

from typing import Annotated

from pydantic import Field

from tenyson.config.section import Section


class BudgetConfig(Section):
    """What a run may use up over all its attempts; then it ends on an edge with a valid result.

    It ends where the next step would go beyond a limit, with exit code 73.
    """

    max_hours: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Hours that the attempts have run, loading included; None has no limit."""
    max_cost: Annotated[float, Field(gt=0, le=1e9)] | None = None
    """Money, at `price_per_hour`; None has no limit."""
    max_tokens: Annotated[int, Field(ge=1, le=2**53 - 1)] | None = None
    """Tokens of the steps done, SFT: of the examples, RL: of prompts and completions; None has no
    limit."""
    price_per_hour: Annotated[float, Field(ge=0, le=1e6)] | None = None
    """What the machines of the run cost together; None knows no cost."""
    currency: Annotated[str, Field(min_length=3, max_length=3)] = "USD"
    """ISO 4217 code of the currency."""
