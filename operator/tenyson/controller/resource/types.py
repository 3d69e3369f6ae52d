"""What the models of the API share: names, quantities, references, and how a model is written."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
QUANTITY_PATTERN = r"^[0-9]+(\.[0-9]{1,9})?([EPTGMk]i?|Ki|m)?$"

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=NAME_PATTERN)]
JobName = Annotated[str, Field(min_length=1, max_length=52, pattern=NAME_PATTERN)]
DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
LabelKey = Annotated[str, Field(max_length=317)]
LabelValue = Annotated[str, Field(max_length=63)]
Quantity = Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=QUANTITY_PATTERN)]
Count = Annotated[int, Field(ge=0, le=2_147_483_647)]
Seconds = Annotated[int, Field(ge=1, le=31_536_000)]
Text = Annotated[str, Field(max_length=1024)]
Message = Annotated[str, Field(max_length=8192)]
Time = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]


class ApiModel(BaseModel):
    """A part of the resource: camelCase outside, unknown fields refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        # Pydantic copies each default that is a model, and every pass reads a whole spec: nothing
        # of it is ever changed, so that all specs can share one default.
        return self


class KeyRef(ApiModel):
    """A key of a Secret or a ConfigMap of the job's namespace."""

    name: ObjectName
    """Name of the Secret or ConfigMap."""
    key: DataKey
    """Key in its data."""


class NameRef(ApiModel):
    """An object of the job's namespace."""

    name: ObjectName
    """Its name."""
