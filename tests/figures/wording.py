"""Which tests depend on the wording of messages."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from .tree import Function, Module


def reads_text(function: Function) -> bool:
    """Return whether a test looks at the text of an error or at what a program prints."""
    for node in ast.walk(function):
        if isinstance(node, ast.keyword) and node.arg == "match":
            return True
        if isinstance(node, ast.Attribute | ast.Name | ast.arg | ast.keyword) and _name(node) in (
            "readouterr", "stdout", "stderr",
        ):  # fmt: skip
            return True
        if isinstance(node, ast.Assert) and any(map(_is_str, ast.walk(node))):
            return True
    return False


def _name(node: ast.Attribute | ast.Name | ast.arg | ast.keyword) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else node.arg


def _is_str(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str"


class Wording:
    """Comparison of message text with the literals of a test.

    A literal counts that has two words or more. Message text is the text of a caught error, what a
    program prints, and what a function of the test's file returns that looks at either. Variables
    are followed through the assignments of the test, the constants of its file and ``parametrize``;
    what lies in other files is not followed.
    """

    _TEXT = frozenset(("readouterr", "stdout", "stderr", "err", "out", "message", "messages"))

    def __init__(self, module: Module, test: Function) -> None:
        self._test = test
        self._values: dict[str, list[ast.expr]] = defaultdict(list)
        for node in [*module.syntax.body, *ast.walk(test)]:
            self._note(node)
        self._errors = _caught(test)
        self._helpers = {
            function.name
            for function in module.functions
            if not function.name.startswith("test") and reads_text(function)
        }

    def is_compared(self) -> bool:
        """Return whether the test compares message text with a literal of two words or more."""
        return any(map(self._compares, ast.walk(self._test)))

    def _compares(self, node: ast.AST) -> bool:
        if isinstance(node, ast.keyword) and node.arg == "match":
            return self._has_prose(node.value)
        if isinstance(node, ast.Assert):
            return self._has_prose(node.test) and self._has_text(node.test)
        if isinstance(node, ast.Call) and _called(node) in self._helpers:
            return any(map(self._has_prose, [*node.args, *(key.value for key in node.keywords)]))
        return False

    def _has_prose(self, expression: ast.expr) -> bool:
        return any(_is_prose(node) for node in self._followed(expression))

    def _has_text(self, expression: ast.expr) -> bool:
        return any(
            (_is_str(node) and self._names_error(node))
            or (isinstance(node, ast.Attribute) and node.attr in self._TEXT)
            or (isinstance(node, ast.Call) and _called(node) in self._helpers)
            for node in self._followed(expression)
        )

    def _names_error(self, node: ast.AST) -> bool:
        return any(isinstance(n, ast.Name) and n.id in self._errors for n in ast.walk(node))

    def _followed(self, expression: ast.expr) -> Iterator[ast.AST]:
        """Yield the nodes of an expression and of the values of its variables."""
        pending, seen = [expression], set()
        while pending:
            for node in ast.walk(pending.pop()):
                yield node
                if isinstance(node, ast.Name) and node.id not in seen:
                    seen.add(node.id)
                    pending += self._values[node.id]

    def _note(self, node: ast.AST) -> None:
        """Note which values a statement or a decorator gives to variables."""
        if isinstance(node, ast.Assign):
            self._give(node.targets, node.value)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value:
            self._give([node.target], node.value)
        elif isinstance(node, ast.For | ast.comprehension):
            self._give([node.target], node.iter)
        elif isinstance(node, ast.Call) and _called(node) == "parametrize" and len(node.args) > 1:
            for name in _parameters(node.args[0]):
                self._values[name].append(node.args[1])

    def _give(self, targets: Iterable[ast.AST], value: ast.expr) -> None:
        for target in targets:
            for node in ast.walk(target):
                if isinstance(node, ast.Name):
                    self._values[node.id].append(value)


def _caught(test: Function) -> set[str]:
    """Return the names that ``except ... as NAME`` and ``with raises(...) as NAME`` bind."""
    names: set[str] = set()
    for node in ast.walk(test):
        if isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            names.add(node.optional_vars.id)
    return names


def _called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _parameters(names: ast.expr) -> list[str]:
    literals = [node.value for node in ast.walk(names) if isinstance(node, ast.Constant)]
    return [name for literal in literals for name in re.findall(r"\w+", str(literal))]


def _is_prose(node: ast.AST) -> bool:
    """Return whether a literal or an f-string has two words or more."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    literals = [part.value for part in parts if isinstance(part, ast.Constant)]
    text = "0".join(literal for literal in literals if isinstance(literal, str))
    return sum(bool(re.search(r"[^\W\d_]{2}", word)) for word in text.split()) > 1
