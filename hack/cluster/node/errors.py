"""Why a container cannot start yet, in the words that a kubelet puts into the pod's status."""

from __future__ import annotations


class NotReadyError(Exception):
    """Raised when a container has to wait; starting it is tried again later.

    Args:
        reason: the waiting state's reason.
        message: what is missing.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class VolumeError(NotReadyError):
    """Raised when a volume cannot be made yet: an object it needs is not there."""

    def __init__(self, volume: str, message: str) -> None:
        text = f'MountVolume.SetUp failed for volume "{volume}" : {message}'
        super().__init__("ContainerCreating", text)


class ConfigError(NotReadyError):
    """Raised when an environment variable refers to something that is not there."""

    def __init__(self, message: str) -> None:
        super().__init__("CreateContainerConfigError", message)


class UnknownImageError(NotReadyError):
    """Raised when a container has no command and its image is not known to the node."""
