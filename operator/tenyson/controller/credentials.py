"""How to reach the API server: in a pod by its service account, elsewhere by the kubeconfig."""

import base64
import os
import ssl
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Credentials:
    """An API server, and how it knows us."""

    server: str
    ca_data: bytes = b""
    certificate: bytes = b""
    private_key: bytes = b""
    token: str = ""
    insecure: bool = False

    def tls(self) -> ssl.SSLContext:
        """Returns the TLS settings for connections to the server."""
        context = ssl.create_default_context(cadata=self.ca_data.decode() or None)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            load_pair(context, self.certificate, self.private_key)
        return context


def load_pair(context: ssl.SSLContext, certificate: bytes, private_key: bytes) -> None:
    """Loads a certificate and its key, which the ssl module only takes from files.

    On Linux that file lies in memory: a read-only root has no place for it, and a private key
    belongs on no disk.
    """
    content = certificate + b"\n" + private_key
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("pair"), "wb") as file:
            file.write(content)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pair.pem")
        path.touch(mode=0o600)
        path.write_bytes(content)
        context.load_cert_chain(path)


def load(environment: Mapping[str, str] = os.environ) -> Credentials:
    """Returns the credentials, read anew: tokens are rotated under us.

    Raises:
        FileNotFoundError: There is neither a service account nor a kubeconfig.
    """
    if not environment.get("KUBECONFIG") and (_ACCOUNT / "token").exists():
        return _service_account(environment)
    # Unlike Path.home, expanduser lives with a user that has neither HOME nor an entry anywhere.
    shown = environment.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")
    paths = [Path(os.path.expanduser(part)) for part in shown.split(os.pathsep) if part]
    if not any(path.exists() for path in paths):
        raise FileNotFoundError(
            f"No cluster to work in: {shown} does not exist and this is no pod. Set KUBECONFIG."
        )
    if len(paths) > 1:
        return _by_official_client(shown)
    return _kubeconfig(paths[0])


def _service_account(environment: Mapping[str, str]) -> Credentials:
    host = environment.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    shown = f"[{host}]" if ":" in host else host
    return Credentials(
        server=f"https://{shown}:{port}",
        ca_data=(_ACCOUNT / "ca.crt").read_bytes(),
        token=(_ACCOUNT / "token").read_text(encoding="utf-8").strip(),
    )


def _kubeconfig(path: Path) -> Credentials:
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    context = _named(config, "contexts", "context", config["current-context"])
    cluster = _named(config, "clusters", "cluster", context["cluster"])
    user = _named(config, "users", "user", context["user"]) if context.get("user") else {}
    if "exec" in user or "auth-provider" in user or "username" in user:
        return _by_official_client(str(path))
    return Credentials(
        server=cluster["server"].rstrip("/"),
        ca_data=_data(cluster, "certificate-authority", path),
        certificate=_data(user, "client-certificate", path),
        private_key=_data(user, "client-key", path),
        token=_token(user, path),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
    )


def _named(config: dict[str, Any], section: str, kind: str, name: str) -> dict[str, Any]:
    for entry in config.get(section) or ():
        if entry["name"] == name:
            return entry.get(kind) or {}
    raise KeyError(f"The kubeconfig has no entry {name!r} under {section}.")


def _data(section: dict[str, Any], name: str, path: Path) -> bytes:
    if inline := section.get(f"{name}-data"):
        return base64.b64decode(inline)
    return (path.parent / section[name]).read_bytes() if name in section else b""


def _token(user: dict[str, Any], path: Path) -> str:
    if "tokenFile" in user:
        file: Path = path.parent / user["tokenFile"]
        return file.read_text(encoding="utf-8").strip()
    return str(user.get("token", ""))


def _by_official_client(path: str) -> Credentials:
    """Reads what needs more than a file: exec plug-ins, merged kubeconfigs.

    The client is imported only here, since it costs the controller half its memory.
    """
    if sys.modules.get("kubernetes", sys) is None:
        del sys.modules["kubernetes"]  # `python -m tenyson.controller` keeps kopf from it.
    from kubernetes import client, config

    loaded = client.Configuration()
    config.load_kube_config(config_file=path, client_configuration=loaded)
    token = loaded.get_api_key_with_prefix("authorization") or ""
    return Credentials(
        server=loaded.host.rstrip("/"),
        ca_data=Path(loaded.ssl_ca_cert).read_bytes() if loaded.ssl_ca_cert else b"",
        certificate=Path(loaded.cert_file).read_bytes() if loaded.cert_file else b"",
        private_key=Path(loaded.key_file).read_bytes() if loaded.key_file else b"",
        token=token.removeprefix("Bearer "),
        insecure=not loaded.verify_ssl,
    )
