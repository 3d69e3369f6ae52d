"""JSON schemas for kubeconform, strict: of Kubernetes' own kinds and of CustomResourceDefinitions.

No project publishes them in a form that can be had without its website, so they are made here from
what the projects do ship: Kubernetes' OpenAPI document and the CRDs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from hack.charttools.modules import CERT_MANAGER, KUBERNETES, PROMETHEUS_OPERATOR
from hack.cluster.binaries import cache_folder
from hack.cluster.files import make_once
from hack.cluster.progress import Report, silent, step

LOCATION = "{{ .Group }}/{{ .ResourceKind }}-{{ .ResourceAPIVersion }}.json"
"""Where kubeconform finds a kind's schema below the folder."""
_CORE = "v1"  # what kubeconform takes for the group of an apiVersion without one
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"

# kubeconform takes a schema that names none as draft 4, which has other bounds and no const; and
# one that it cannot compile as missing.
_DRAFT = "http://json-schema.org/draft-07/schema#"

Schema = dict[str, Any]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads `=`, which YAML 1.1 gave a meaning that nobody uses, as the text that it is."""


_Loader.add_constructor("tag:yaml.org,2002:value", _Loader.construct_yaml_str)


def schemas_folder(crds: Path, report: Report = silent) -> Path:
    """The folder with the schemas of all kinds, made once into the cache.

    Args:
        crds: the folder of our own CustomResourceDefinitions.
        report: is told what takes long.

    Raises:
        ClusterError: a module that they come from cannot be fetched.
    """
    own = sorted(crds.glob("*.yaml"))
    folder = cache_folder().parent / "schemas" / _fingerprint(own)

    def fill(aside: Path) -> None:
        with step(report, "making the JSON schemas of Kubernetes' kinds (20 s, once)"):
            _fill(aside, own, report)

    return make_once(folder, fill)


def _fingerprint(own: Iterable[Path]) -> str:
    parts = [Path(__file__).read_bytes(), *(path.read_bytes() for path in own)]
    modules = repr((KUBERNETES, PROMETHEUS_OPERATOR, CERT_MANAGER)).encode()
    return hashlib.sha256(b"\0".join([modules, *parts])).hexdigest()[:12]


def _fill(folder: Path, own: Iterable[Path], report: Report) -> None:
    swagger = KUBERNETES.folder(report) / "api" / "openapi-spec" / "swagger.json"
    for location, schema in kinds_of_openapi(json.loads(swagger.read_text())):
        _write(folder / location, schema)
    shipped = (
        PROMETHEUS_OPERATOR.folder(report) / "example/prometheus-operator-crd",
        CERT_MANAGER.folder(report) / "deploy/crds",
    )
    for path in [*(path for crds in shipped for path in sorted(crds.glob("*.yaml"))), *own]:
        for location, schema in kinds_of_crds(path.read_text(encoding="utf-8")):
            _write(folder / location, schema)


def _write(path: Path, schema: Schema) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(schema))


def kinds_of_openapi(document: Mapping[str, Any]) -> Iterator[tuple[str, Schema]]:
    """Where the schema of each kind of an OpenAPI v2 document belongs, and the schema."""
    definitions = {name: strict(schema) for name, schema in document["definitions"].items()}
    definitions[_QUANTITY] = {"type": ["string", "number"]}  # the document knows only the string
    for name, schema in document["definitions"].items():
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            used = _used_by(name, definitions)
            root = _with_type(definitions[name], kind["group"], kind["version"], kind["kind"])
            yield (
                _location(kind["group"], kind["version"], kind["kind"]),
                {**root, "definitions": {other: definitions[other] for other in sorted(used)}},
            )


def kinds_of_crds(text: str) -> Iterator[tuple[str, Schema]]:
    """Where the schema of each version of the CRDs in the text belongs, and the schema."""
    for crd in yaml.load_all(text, _Loader):
        if not crd or crd.get("kind") != "CustomResourceDefinition":
            continue
        group, kind = crd["spec"]["group"], crd["spec"]["names"]["kind"]
        for version in crd["spec"]["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            yield (
                _location(group, version["name"], kind),
                _with_type(schema, group, version["name"], kind),
            )


def strict(schema: Any) -> Any:
    """The OpenAPI schema as JSON schema that allows no key which the API server would drop."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    result = {key: value for key, value in schema.items() if not key.startswith("x-")}
    for key in ("items", "additionalProperties", "allOf", "anyOf", "oneOf", "not"):
        if key in result:
            result[key] = strict(result[key])
    for bound in ("minimum", "maximum"):  # OpenAPI says with true what JSON schema says by a number
        exclusive = f"exclusive{bound.title()}"
        if result.get(exclusive) is True:
            result[exclusive] = result.pop(bound)
    if "properties" in result:
        result["properties"] = {name: strict(value) for name, value in schema["properties"].items()}
        is_open = schema.get("x-kubernetes-preserve-unknown-fields")
        if result.get("type") == "object" and "additionalProperties" not in result and not is_open:
            result["additionalProperties"] = False
    if result.pop("nullable", False) and "type" in result:
        result["type"] = [result["type"], "null"]
    return result


def _with_type(schema: Schema, group: str, version: str, kind: str) -> Schema:
    """The schema of an object, which must name its kind."""
    api_version = f"{group}/{version}" if group else version
    properties = {
        **schema.get("properties", {}),
        "apiVersion": {"const": api_version},
        "kind": {"const": kind},
    }
    required = sorted({*schema.get("required", []), "apiVersion", "kind"})
    return {"$schema": _DRAFT, **schema, "properties": properties, "required": required}


def _location(group: str, version: str, kind: str) -> str:
    return f"{group or _CORE}/{kind.lower()}-{version}.json"


def _used_by(name: str, definitions: Mapping[str, Schema]) -> set[str]:
    """The definitions that one refers to, directly or not; itself only where it is recursive."""
    used: set[str] = set()
    waiting = [name]
    while waiting:
        for other in _references(definitions[waiting.pop()]):
            if other not in used:
                used.add(other)
                waiting.append(other)
    return used


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _references(item)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):  # JSONSchemaProps has a property `$ref`
                yield value.removeprefix("#/definitions/")
            else:
                yield from _references(value)
