"""A pod's volumes as folders of the machine: what each holds, and where its content comes from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster.files import write_atomically
from hack.cluster.node.downward import Allocatable, field_value, resource_value
from hack.cluster.node.environment import object_data, pod_key
from hack.cluster.node.errors import ConfigError, VolumeError

_MODE = 0o644


@dataclass(frozen=True)
class File:
    """A file of a volume."""

    content: bytes
    mode: int = _MODE


Files = dict[str, File]
"""By path within the volume."""


@dataclass(frozen=True)
class Folder:
    """Where a volume lies on the machine."""

    path: Path
    read_only: bool = False


Find = Callable[[str, str], Awaitable[Mapping[str, Any] | None]]
"""The object of a kind (`secrets`, `configmaps`, …) and name in the pod's namespace, or None."""
IssueToken = Callable[[Mapping[str, Any]], Awaitable[str]]
"""A token of the pod's service account for a `serviceAccountToken` source."""


@dataclass(frozen=True)
class Sources:
    """What volumes are made of."""

    pod: Mapping[str, Any]
    find: Find
    issue_token: IssueToken
    allocatable: Allocatable


async def make_volume(volume: Mapping[str, Any], folder: Path, sources: Sources) -> Folder:
    """The volume's folder, filled.

    Raises:
        VolumeError: an object that it needs is not there, or its kind is not known here.
    """
    name = str(volume["name"])
    if "emptyDir" in volume:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
        return Folder(folder)
    if "hostPath" in volume:
        return Folder(_host_path(name, volume["hostPath"]))
    if "persistentVolumeClaim" in volume:
        return await _claimed(name, volume["persistentVolumeClaim"], sources)
    try:
        write_files(folder, await content(volume, sources))
    except ConfigError as error:
        raise VolumeError(name, error.message) from error
    return Folder(folder, read_only=True)


async def content(volume: Mapping[str, Any], sources: Sources) -> Files:
    """The files of a volume that Kubernetes' objects fill."""
    if "projected" in volume:
        mode = volume["projected"].get("defaultMode", _MODE)
        files: Files = {}
        for source in volume["projected"].get("sources") or []:
            files |= await _projected(source, mode, sources)
        return files
    for kind in ("configMap", "secret", "downwardAPI"):
        if kind in volume:
            mode = volume[kind].get("defaultMode", _MODE)
            return await _projected({kind: volume[kind]}, mode, sources)
    raise ConfigError(f"volume kind {_kind(volume)!r} is not known to this node")


def token_lifetimes(volumes: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The shortest lifetime in seconds of the tokens in each volume that has some."""
    lifetimes: dict[str, int] = {}
    for volume in volumes:
        for source in volume.get("projected", {}).get("sources") or []:
            if token := source.get("serviceAccountToken"):
                seconds = int(token.get("expirationSeconds") or 3600)
                lifetimes[volume["name"]] = min(seconds, lifetimes.get(volume["name"], seconds))
    return lifetimes


def write_files(folder: Path, files: Files) -> None:
    """Make the folder hold these files; each is replaced whole, for those who read meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, file.content, file.mode)


def selected_files(
    kind: str, value: Mapping[str, Any], items: Sequence[Mapping[str, Any]] | None, mode: int
) -> Files:
    """The entries of a ConfigMap or Secret as files: all of them, or the items asked for.

    Raises:
        ConfigError: an item names a key that is not there.
    """
    entries = object_data(kind, value)
    if not items:
        return {name: File(data, mode) for name, data in entries.items()}
    missing = [item["key"] for item in items if item["key"] not in entries]
    if missing:
        raise ConfigError(f"{kind} {pod_key(value)} has no key {', '.join(missing)}")
    return {item["path"]: File(entries[item["key"]], item.get("mode", mode)) for item in items}


def downward_files(
    items: Sequence[Mapping[str, Any]],
    mode: int,
    pod: Mapping[str, Any],
    allocatable: Allocatable,
) -> Files:
    """The files of a downward API volume."""
    files: Files = {}
    for item in items:
        if "fieldRef" in item:
            text = field_value(pod, item["fieldRef"]["fieldPath"])
        else:
            reference = item["resourceFieldRef"]
            containers = {c["name"]: c for c in pod["spec"]["containers"]}
            text = resource_value(containers[reference["containerName"]], reference, allocatable)
        files[item["path"]] = File(text.encode(), item.get("mode", mode))
    return files


async def _projected(source: Mapping[str, Any], mode: int, sources: Sources) -> Files:
    if "configMap" in source:
        return await _object_files("configmap", source["configMap"], mode, sources)
    if "secret" in source:
        return await _object_files("secret", source["secret"], mode, sources)
    if "downwardAPI" in source:
        items = source["downwardAPI"].get("items") or []
        return downward_files(items, mode, sources.pod, sources.allocatable)
    if "serviceAccountToken" in source:
        token = source["serviceAccountToken"]
        return {token["path"]: File((await sources.issue_token(token)).encode(), mode)}
    raise ConfigError(f"projected source {', '.join(source)} is not known to this node")


async def _object_files(kind: str, source: Mapping[str, Any], mode: int, sources: Sources) -> Files:
    name = source.get("secretName") or source.get("name") or ""
    value = await sources.find(f"{kind}s", name)
    optional = bool(source.get("optional"))
    if value is None and not optional:
        raise ConfigError(f'{kind} "{name}" not found')
    if value is None:
        return {}
    items = source.get("items")
    if optional and items:
        present = object_data(kind, value)
        items = [item for item in items if item["key"] in present]
        if not items:
            return {}
    return selected_files(kind, value, items, mode)


def _host_path(volume: str, host_path: Mapping[str, Any]) -> Path:
    path, kind = Path(host_path["path"]), host_path.get("type") or ""
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True, mode=0o755)
    elif kind == "FileOrCreate":
        path.touch()
    wrong = (kind == "Directory" and not path.is_dir()) or (kind == "File" and not path.is_file())
    if wrong or not path.exists():
        raise VolumeError(volume, f"hostPath {path} is not a {kind or 'file or folder'} here")
    return path


async def _claimed(name: str, source: Mapping[str, Any], sources: Sources) -> Folder:
    claim = await sources.find("persistentvolumeclaims", source["claimName"])
    if claim is None or claim.get("status", {}).get("phase") != "Bound":
        raise VolumeError(name, f"claim {source['claimName']!r} is not bound")
    volume = await sources.find("persistentvolumes", claim["spec"]["volumeName"])
    spec = (volume or {}).get("spec", {})
    host_path = spec.get("hostPath") or spec.get("local")
    if not host_path:
        raise VolumeError(name, "this node mounts hostPath and local persistent volumes only")
    if "hostPath" in spec and not host_path.get("type"):
        # Static volumes of a laptop often name a folder that nobody has made yet.
        host_path = {**host_path, "type": "DirectoryOrCreate"}
    return Folder(_host_path(name, host_path), bool(source.get("readOnly")))


def _kind(volume: Mapping[str, Any]) -> str:
    return next((key for key in volume if key != "name"), "none")
