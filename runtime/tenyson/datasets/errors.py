"""What can be wrong with a data set, or with what is asked of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tenyson.contract import ExitCode
from tenyson.errors import DependencyError, TaskError, TenysonError


class DatasetError(TaskError):
    """Raised when rows, or a data set that was built, are not what they must be."""


class DatasetRequestError(TenysonError, ValueError):
    """Raised when what is asked for cannot be: a malformed key, filter or source."""

    exit_code = ExitCode.CONFIG


class DatasetNotFoundError(DatasetRequestError):
    """Raised when the store holds no data set of that key."""


@contextmanager
def saying_where(place: str) -> Iterator[None]:
    """Turns an error of the disk into a sentence that names the place.

    Raises:
        DependencyError: It cannot be read or written.
    """
    try:
        yield
    except OSError as error:
        raise DependencyError(
            f"{place} cannot be used: {error.strerror or error}.",
            hint="Look at the free space and the rights there.",
        ) from error
