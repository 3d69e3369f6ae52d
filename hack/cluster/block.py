"""What every cluster of a `with` block shares: it runs whole within it, and not at all after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from hack.cluster.guardian import start_guardian


class ClusterOfBlock(ABC):
    """A cluster in a state folder, which ends with its block, or with its process."""

    state_dir: Path
    folder_mode: ClassVar[int] = 0o700
    """Of the state folder."""
    guardian: ClassVar[str] = "hack.cluster.guardian"
    """The module that stops what is left when this process is gone."""

    @property
    def kubeconfig(self) -> Path:
        """The admin's kubeconfig."""
        return self.state_dir / "kubeconfig"

    @abstractmethod
    def start(self) -> None:
        """Start what does not run yet."""

    @abstractmethod
    def stop(self) -> None:
        """Stop everything."""

    def __enter__(self) -> Self:
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=self.folder_mode)
        start_guardian(self.state_dir, self.guardian)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
