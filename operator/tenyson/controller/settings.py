"""What the controller is told by its environment."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Settings:
    """One field per environment variable `TENYSON_<FIELD>`."""

    runner_image: str = ""
    """Image of runners whose job names none."""
    namespaces: str = ""
    """Namespaces to serve, separated by commas; the same ones as kopf's `-n`. Empty: all (`-A`)."""
    workers: int = 16
    """Jobs that are worked on at the same time."""
    relist_seconds: float = 600.0
    """Time between two full lists that find what a watch has missed."""
    api_qps: float = 500.0
    """Requests a second to the API server, sustained."""
    api_burst: int = 1000
    """Requests that may go at once."""
    progress_interval: float = 15.0
    """Seconds between two writes of a job's progress."""
    progress_advertise: str = ""
    """Host name or address under which pods reach the controller; empty: found out."""
    progress_bind: str = "0.0.0.0"
    """Address that the progress endpoint listens on."""
    progress_port: int = 8443
    """Its port; 0 takes a free one, which a restart changes under running pods."""
    progress_cert_dir: str = ""
    """Folder with tls.crt, tls.key and ca.crt, made there if missing; empty keeps them in memory,
    and then pods that outlive the controller can no longer report."""
    metrics_port: int = 0
    """Port of the Prometheus metrics; 0 serves none."""

    @property
    def watched(self) -> tuple[str | None, ...]:
        """Namespaces to watch; None stands for all."""
        named = tuple(part.strip() for part in self.namespaces.split(",") if part.strip())
        return named or (None,)


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Returns the settings that the environment holds.

    Raises:
        ValueError: A variable is no number where one is needed.
    """
    values: dict[str, object] = {}
    for field in fields(Settings):
        name = f"TENYSON_{field.name.upper()}"
        if (text := environment.get(name, "")) == "":
            continue
        try:
            values[field.name] = _converted(text, field.default)
        except ValueError as error:
            raise ValueError(f"{name} is {text!r}; it must be a number.") from error
    return Settings(**values)  # type: ignore[arg-type]


def _converted(text: str, like: object) -> object:
    if isinstance(like, int):
        return int(text)
    return float(text) if isinstance(like, float) else text


def own_address(server: str) -> str:
    """Returns the address of this host as seen on the way to `server` (no packet is sent)."""
    if address := os.environ.get("POD_IP"):
        return address
    host = server.split("://")[-1].split("/")[0].rsplit(":", 1)[0].strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        return str(probe.getsockname()[0])
