"""The error of building images: it says what was found and what to do next."""


class ImageError(RuntimeError):
    """Raised when an image cannot be built, exported or read."""
