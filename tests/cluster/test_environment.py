"""Variables, quantities and images, without a cluster."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hack.cluster.node.downward import Allocatable
from hack.cluster.node.environment import Reference, build_environment, expand, references
from hack.cluster.node.errors import ConfigError, UnknownImageError
from hack.cluster.node.images import Images, without_tag
from hack.cluster.node.quantities import divided, parse_quantity

POD: dict[str, Any] = {"metadata": {"name": "p", "namespace": "n"}, "spec": {}}
ALLOCATABLE = Allocatable({"cpu": "2", "memory": "1Gi"})


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("$(A)$(B)", "1$(B)"),
        ("$$(A)", "$(A)"),
        ("$A $( )", "$A $( )"),
        ("100$$", "100$"),
    ],
)
def test_references_between_variables(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1"}) == expanded


def test_a_missing_key_is_named_unless_it_is_optional() -> None:
    selector = {"name": "s", "key": "k"}
    value = {"metadata": {"name": "s", "namespace": "n"}, "data": {}}
    container = {"env": [{"name": "K", "valueFrom": {"secretKeyRef": selector}}]}
    sources = {Reference("secret", "s"): value}
    with pytest.raises(ConfigError, match="couldn't find key k in secret n/s"):
        build_environment(POD, container, sources, {}, ALLOCATABLE)
    selector["optional"] = True  # type: ignore[assignment]
    assert "K" not in build_environment(POD, container, sources, {}, ALLOCATABLE)


def test_every_object_that_a_container_names_is_asked_for() -> None:
    container = {
        "envFrom": [{"secretRef": {"name": "a"}}, {"configMapRef": {"name": "b"}}],
        "env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}],
    }
    wanted = {Reference("secret", "a"), Reference("configmap", "b"), Reference("configmap", "c")}
    assert set(references(container)) == wanted


def test_a_containers_own_variable_hides_the_images() -> None:
    container = {"env": [{"name": "HOME", "value": "/here"}]}
    values = build_environment(POD, container, {}, {"HOME": "/image", "LANG": "C"}, ALLOCATABLE)
    assert (values["HOME"], values["LANG"]) == ("/here", "C")


@pytest.mark.parametrize(
    ("text", "number"), [("500m", 0.5), ("2", 2), ("1Gi", 2**30), ("1e3", 1000), ("1.5k", 1500)]
)
def test_quantities(text: str, number: float) -> None:
    assert float(parse_quantity(text)) == number


def test_a_wrong_quantity_is_shown() -> None:
    with pytest.raises(ValueError, match="'1 apple' is no Kubernetes quantity"):
        parse_quantity("1 apple")


def test_a_resource_is_divided_and_rounded_up() -> None:
    assert divided("1500m", "0") == "2"
    assert divided("1Gi", "1Mi") == "1024"


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("tenyson/runner:0.1", "tenyson/runner"),
        ("host:5000/a/b", "host:5000/a/b"),
        ("host:5000/a/b:1@sha256:0", "host:5000/a/b"),
    ],
)
def test_an_image_is_known_without_its_tag(image: str, name: str) -> None:
    assert without_tag(image) == name


def test_the_command_is_the_containers_or_the_images() -> None:
    images = Images.parse(["tenyson/runner=/py -m 'a b'"])
    assert images.argv({"image": "tenyson/runner:1", "args": ["x"]}) == ["/py", "-m", "a b", "x"]
    assert images.argv({"image": "?", "command": ["c"], "args": ["x"]}) == ["c", "x"]
    with pytest.raises(UnknownImageError, match=re.escape("known: tenyson/runner")):
        images.argv({"image": "other"})
