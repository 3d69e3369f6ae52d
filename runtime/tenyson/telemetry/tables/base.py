"""What all tables share: column types that lose nothing, and the columns of a row of a run."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Double,
    Text,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from tenyson.telemetry.text import escape, json_ready, json_restored, unescape


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, UTC in the database and aware in Python; SQLite alone would lose the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Returns the moment in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Returns the moment with its zone."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class AnyText(TypeDecorator[str]):
    """Text of any code units; NUL and lone surrogates are stored escaped, see `telemetry.text`."""

    impl = Text()
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Returns the text as it is stored."""
        return None if value is None else escape(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Returns the text as it was."""
        return None if value is None else unescape(value)


class AnyJson(TypeDecorator[Any]):
    """JSON, JSONB on PostgreSQL; its texts are stored as those of `AnyText`."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Returns the database's own type."""
        is_postgresql = dialect.name == "postgresql"
        return dialect.type_descriptor(JSONB(none_as_null=True) if is_postgresql else self.impl)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Returns the type of what a JSON path is compared with."""
        return self.impl.coerce_compared_value(op, value)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Returns the value as it is stored."""
        return None if value is None else json_ready(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Returns the value as it was."""
        return json_restored(value)


class Base(DeclarativeBase):
    """Base of the telemetry models."""

    type_annotation_map = {  # noqa: RUF012
        str: AnyText(),
        int: BigInteger(),
        float: Double(),
        bool: Boolean(),
        datetime: UtcDateTime(),
        dict[str, Any]: AnyJson(),
        list[Any]: AnyJson(),
    }


class RowOfAnAttempt:
    """The columns of every row that one attempt at a run leaves."""

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    run_id: Mapped[str]
    attempt: Mapped[int]
    created_at: Mapped[datetime]
    """When the row was made; of two versions of a row the newer one stays."""


class RowOfAStep(RowOfAnAttempt):
    """The columns of a row that belongs to a step."""

    step: Mapped[int]
    """Optimiser steps done when the row was made, over all attempts of the run."""
