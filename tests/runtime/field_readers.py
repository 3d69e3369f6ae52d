"""Which fields of the configuration some code reads, found in the code's syntax trees.

`seed` is a field of two sections and an attribute of many other things, so the name of a field
says nothing. What counts is an attribute of a section: of `config.training`, of a variable that
holds it, or of a parameter that is declared as its class.
"""

import ast
from collections.abc import Iterable, Mapping


def fields_read(sources: Iterable[str], sections: Mapping[str, str]) -> set[str]:
    """Returns paths, `training.seed`, that some source reads.

    Args:
        sources: Python modules, as text.
        sections: The class of each section, by its name.
    """
    found: set[str] = set()
    for source in sources:
        reader = _Reader(sections)
        reader.visit(ast.parse(source))
        found |= reader.found
    return found


class _Reader(ast.NodeVisitor):
    """Follows sections through one module, scope by scope."""

    def __init__(self, sections: Mapping[str, str]) -> None:
        self.found: set[str] = set()
        self._sections = sections
        self._of_class = {name: section for section, name in sections.items()}
        self._variables: dict[str, str] = {}
        self._attributes: dict[str, str] = {}
        """What `self` holds, by attribute."""

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outer_variables, outer_attributes = self._variables, self._attributes
        self._variables, self._attributes = dict(outer_variables), {}
        if node.name in self._of_class:
            self._variables["self"] = self._of_class[node.name]
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                self._hold(self._attributes, statement.target.id, self._declared(statement))
        self.generic_visit(node)
        self._variables, self._attributes = outer_variables, outer_attributes

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer, self._variables = self._variables, dict(self._variables)
        arguments = node.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            if argument.arg != "self":
                self._variables.pop(argument.arg, None)
                self._hold(self._variables, argument.arg, self._declared(argument))
        self.generic_visit(node)
        self._variables = outer

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=False))
            else:
                pairs = [(target, node.value)]
            for place, value in pairs:
                section = self._section_of(value)
                if isinstance(place, ast.Name):
                    self._variables.pop(place.id, None)
                    self._hold(self._variables, place.id, section)
                elif isinstance(place, ast.Attribute) and _name_of(place.value) == "self":
                    self._hold(self._attributes, place.attr, section)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if (section := self._section_of(node.value)) is not None:
            self.found.add(f"{section}.{node.attr}")
        self.generic_visit(node)

    def _section_of(self, value: ast.expr) -> str | None:
        if isinstance(value, ast.Name):
            return self._variables.get(value.id)
        if not isinstance(value, ast.Attribute):
            return None
        if value.attr in self._sections and (_name_of(value.value) or "").endswith("config"):
            return value.attr
        return self._attributes.get(value.attr) if _name_of(value.value) == "self" else None

    def _declared(self, node: ast.arg | ast.AnnAssign) -> str | None:
        return self._of_class.get(_name_of(node.annotation) or "")

    @staticmethod
    def _hold(names: dict[str, str], name: str, section: str | None) -> None:
        if section is not None:
            names[name] = section


def _name_of(node: ast.expr | None) -> str | None:
    """The last word of a name: `config` of `self.context.config`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None
