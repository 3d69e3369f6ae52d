"""The tables of docs/operator.md that are made from the code: settings, reasons and rights."""

import ast
import inspect
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import yaml

from tenyson.controller import settings
from tenyson.controller.reasons import Reason

ROLE: Final = Path(__file__).resolve().parents[2] / "tests/controller/rbac/role.yaml"


def tables() -> dict[str, str]:
    """Returns every table, by the name in its marker."""
    return {"settings": settings_table(), "reasons": reasons_table(), "rights": rights_table()}


def settings_table() -> str:
    """Returns the environment variables of the controller."""
    described = _described(settings.Settings)
    rows = (
        (f"`TENYSON_{field.name.upper()}`", _default(field.default), described[field.name])
        for field in fields(settings.Settings)
    )
    return _table(("variable", "default", "meaning"), rows)


def reasons_table() -> str:
    """Returns the reasons of conditions, attempts and Events, and what each says."""
    rows = ((f"`{reason.word}`", _escaped(reason.sentence)) for reason in Reason)
    return _table(("reason", "says"), rows)


def rights_table() -> str:
    """Returns what the controller may do."""
    served, cluster, own = yaml.safe_load_all(ROLE.read_text(encoding="utf-8"))
    places = (
        (served, "every namespace that it serves"),
        (cluster, "the cluster; not with `TENYSON_NAMESPACES`"),
        (own, f"its own, `{own['metadata']['namespace']}`"),
    )
    rows = (
        (_resources(rule), ", ".join(rule["verbs"]), where)
        for role, where in places
        for rule in role["rules"]
    )
    return _table(("resources", "verbs", "where"), rows)


def _resources(rule: dict[str, Any]) -> str:
    named = "".join(f" named `{name}`" for name in rule.get("resourceNames", ()))
    return _kinds(rule) + named


def _kinds(rule: dict[str, Any]) -> str:
    group = rule["apiGroups"][0]
    suffix = f".{group}" if group else ""
    parts = [name.partition("/") for name in rule["resources"]]
    return ", ".join(f"`{kind}{suffix}{slash}{part}`" for kind, slash, part in parts)


def _described(model: type) -> dict[str, str]:
    """Returns the string under each field of a class."""
    (body,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
            assert isinstance(field.target, ast.Name)
            assert isinstance(below.value, ast.Constant)
            found[field.target.id] = _escaped(" ".join(str(below.value.value).split()))
    return found


def _default(value: object) -> str:
    if value == "":
        return ""
    shown = str(value).lower() if isinstance(value, bool) else value
    return f"`{shown:g}`" if isinstance(shown, float) else f"`{shown}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
