"""What the controller is told by its environment."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from tenyson.controller.calls import WRITE

WRITE_SECONDS: Final = WRITE.seconds
_POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


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
    progress_advertise_port: int = 0
    """Port under which they reach it, such as a Service's; 0: the one that it listens on."""
    progress_bind: str = "0.0.0.0"
    """Address that the progress endpoint listens on."""
    progress_port: int = 8443
    """Its port; 0 takes a free one, which a restart changes under running pods."""
    progress_cert_secret: str = ""
    """Secret in the controller's own namespace for the endpoint's certificate: made and renewed by
    the leader, read by all replicas. Without it and without a folder the certificate is kept in
    memory, and then pods that outlive the controller can no longer report."""
    progress_cert_dir: str = ""
    """Folder with tls.crt, tls.key and ca.crt instead, read again when they change (cert-manager's
    Secret, mounted); made there if all are missing."""
    metrics_port: int = 8080
    """Port of /metrics, /livez and /readyz; 0 serves none of them."""
    metrics_bind: str = "0.0.0.0"
    """Address that they are served on."""
    leader_election: bool = True
    """Whether replicas elect one of them. Without it there must never be two."""
    lease_namespace: str = ""
    """Namespace of the leader's Lease; empty: the controller's own pod's, or `default`."""
    lease_name: str = "tenyson-controller"
    """Name of that Lease."""
    lease_seconds: float = 15.0
    """How long a standby waits after the lease's last change before it takes over."""
    lease_renew_seconds: float = 10.0
    """How long a leader goes on without renewing its lease."""
    lease_retry_seconds: float = 2.0
    """Time between two tries to get or to renew the lease."""

    def __post_init__(self) -> None:
        if self.lease_seconds - self.lease_renew_seconds < WRITE_SECONDS:
            raise ValueError(
                f"TENYSON_LEASE_SECONDS is {self.lease_seconds:g} and TENYSON_LEASE_RENEW_SECONDS "
                f"{self.lease_renew_seconds:g}; the first must be {WRITE_SECONDS:g} more at least, "
                f"so that an old leader's last write has ended before another leads."
            )
        if self.lease_retry_seconds >= self.lease_renew_seconds:
            raise ValueError(
                f"TENYSON_LEASE_RETRY_SECONDS is {self.lease_retry_seconds:g}; it must be less "
                f"than TENYSON_LEASE_RENEW_SECONDS, {self.lease_renew_seconds:g}."
            )

        if self.progress_cert_secret and self.progress_cert_dir:
            raise ValueError(
                f"TENYSON_PROGRESS_CERT_SECRET is {self.progress_cert_secret} and "
                f"TENYSON_PROGRESS_CERT_DIR {self.progress_cert_dir}; set one of them only."
            )
        if self.progress_cert_secret and not self.progress_advertise:
            raise ValueError(
                f"TENYSON_PROGRESS_CERT_SECRET is {self.progress_cert_secret} and "
                f"TENYSON_PROGRESS_ADVERTISE empty; set it to the DNS name of the Service, "
                f"<service>.<namespace>.svc, for which all replicas share the certificate."
            )

    @property
    def watched(self) -> tuple[str | None, ...]:
        """Namespaces to watch; None stands for all."""
        named = tuple(part.strip() for part in self.namespaces.split(",") if part.strip())
        return named or (None,)


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Returns the settings that the environment holds.

    Raises:
        ValueError: A variable cannot be read, or does not go with another.
    """
    values: dict[str, object] = {}
    for field in fields(Settings):
        name = f"TENYSON_{field.name.upper()}"
        if (text := environment.get(name, "")) == "":
            continue
        try:
            values[field.name] = _converted(text, field.default)
        except ValueError as error:
            wanted = "true or false" if isinstance(field.default, bool) else "a number"
            raise ValueError(f"{name} is {text!r}; it must be {wanted}.") from error
    return Settings(**values)  # type: ignore[arg-type]


def _converted(text: str, like: object) -> object:
    if isinstance(like, bool):
        return _boolean(text)
    if isinstance(like, int):
        return int(text)
    return float(text) if isinstance(like, float) else text


def _boolean(text: str) -> bool:
    truths = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in truths:
        raise ValueError(text)
    return truths[text.lower()]


def own_namespace(environment: Mapping[str, str] = os.environ) -> str:
    """Returns the namespace that the controller's own pod lies in; `default` outside of one."""
    if named := environment.get("POD_NAMESPACE"):
        return named
    if _POD_NAMESPACE.exists():
        return _POD_NAMESPACE.read_text(encoding="utf-8").strip()
    return "default"


def own_address(server: str) -> str:
    """Returns the address of this host as seen on the way to `server` (no packet is sent)."""
    if address := os.environ.get("POD_IP"):
        return address
    host = server.split("://")[-1].split("/")[0].rsplit(":", 1)[0].strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        return str(probe.getsockname()[0])
