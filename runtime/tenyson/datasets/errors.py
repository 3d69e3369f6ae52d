"""What can be wrong with a data set, or with what is asked of it."""

from tenyson.contract import ExitCode
from tenyson.errors import TaskError, TenysonError


class DatasetError(TaskError):
    """Raised when rows, or a data set that was built, are not what they must be."""


class DatasetRequestError(TenysonError, ValueError):
    """Raised when what is asked for cannot be: a malformed key, filter or source."""

    exit_code = ExitCode.CONFIG


class DatasetNotFoundError(DatasetRequestError):
    """Raised when the store holds no data set of that key."""
