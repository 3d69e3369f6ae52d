"""Files behind a URI (`s3://`, `gs://`, `file://`, …), by fsspec, and its errors in sentences."""

from typing import Any

from tenyson.errors import CredentialsError, DependencyError, TenysonError


def open_storage(uri: str) -> tuple[Any, str]:
    """Returns fsspec's file system and the path in it that a URI names.

    Raises:
        DependencyError: The URI is none, or its library is not installed.
        CredentialsError: The storage wants credentials that are missing.
    """
    try:
        import fsspec.core

        # Listings that it remembers know nothing of what others write.
        files, root = fsspec.core.url_to_fs(uri, use_listings_cache=False)
    except ImportError as error:
        raise DependencyError(
            f"{uri} needs a library that is not installed: {error}.",
            hint="s3:// needs tenyson[s3], gs:// needs gcsfs: install it in the runner's image.",
        ) from error
    except ValueError as error:
        raise DependencyError(f"{uri} is no URI that fsspec knows: {error}.") from error
    except Exception as error:  # some storages look for credentials here
        raise storage_trouble(uri, error) from error
    return files, str(root)


def is_refusal(error: Exception) -> bool:
    """Whether there are no credentials, or none that do; trying again would not help."""
    named = type(error).__name__.startswith(("NoCredentials", "PermissionError"))
    return isinstance(error, PermissionError) or named


def storage_trouble(uri: str, error: Exception) -> TenysonError:
    """Returns what a storage's error means: each library raises classes of its own."""
    if is_refusal(error):
        return CredentialsError(
            f"{uri} refused the credentials: {error}.",
            hint="Give the run a key that may read and write there.",
        )
    return DependencyError(
        f"{uri} cannot be used: {type(error).__name__}: {error}.",
        hint="Check the URI and that the storage can be reached.",
    )
