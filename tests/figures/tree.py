"""The parsed source files of a checkout, and their imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .graph import Graph

PACKAGE = "gensr_pref"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A source file: its path, its number of lines and its syntax tree."""

    path: Path
    lines: int
    syntax: ast.Module

    @classmethod
    def read(cls, path: Path) -> Module:
        """Read and parse a file."""
        text = path.read_text(encoding="utf-8")
        return cls(path, len(text.splitlines()), ast.parse(text, filename=str(path)))

    @cached_property
    def functions(self) -> list[Function]:
        """All functions of the file, methods and inner functions included."""
        return [node for node in ast.walk(self.syntax) if isinstance(node, Function)]


@dataclass(frozen=True)
class Tree:
    """The modules of the package and of the tests of a checkout."""

    root: Path
    modules: dict[str, Module]
    tests: dict[Path, Module]

    @classmethod
    def read(cls, root: Path) -> Tree:
        """Read a checkout.

        Raises:
            FileNotFoundError: ``root`` holds no package.
        """
        if not (root / PACKAGE / "__init__.py").is_file():
            raise FileNotFoundError(f"no package {PACKAGE} in {root}: name the root of a checkout")
        modules = {_dotted(path, root): path for path in (root / PACKAGE).rglob("*.py")}
        tests = (root / "tests").rglob("test_*.py")
        return cls(
            root,
            {name: Module.read(path) for name, path in sorted(modules.items())},
            {path: Module.read(path) for path in sorted(tests)},
        )

    @cached_property
    def imports(self) -> Graph:
        """Every import between modules, those in functions and for type checkers included.

        What `gensr_pref` itself imports is left out: it only re-exports.
        """
        graph = {name: self._imports(name, module.syntax) for name, module in self.modules.items()}
        return graph | {PACKAGE: set()}

    @cached_property
    def loads(self) -> Graph:
        """What importing a module loads: its parents and what it imports outside functions."""
        return {
            name: self._imports(name, module.syntax, loaded=True) | ({_parent(name)} - {""})
            for name, module in self.modules.items()
        }

    @cached_property
    def functions(self) -> list[tuple[str, Function]]:
        """All functions of the package with their modules."""
        return [(name, node) for name, module in self.modules.items() for node in module.functions]

    def _imports(self, name: str, syntax: ast.AST, loaded: bool = False) -> set[str]:
        nodes = _loaded(syntax) if loaded else ast.walk(syntax)
        return {target for node in nodes for target in self._targets(name, node)} - {name}

    def _targets(self, name: str, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in self.modules)
        elif isinstance(node, ast.ImportFrom):
            source = self._source(name, node)
            for alias in node.names:
                submodule = f"{source}.{alias.name}"
                if submodule in self.modules:
                    yield submodule
                elif source in self.modules:
                    yield source

    def _source(self, name: str, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        is_package = self.modules[name].path.name == "__init__.py"
        parts = name.split(".")
        parts = parts[: len(parts) - node.level + is_package]
        return ".".join([*parts, *([node.module] if node.module else [])])


def _dotted(path: Path, root: Path) -> str:
    name = ".".join(path.relative_to(root).with_suffix("").parts)
    return name.removesuffix(".__init__")


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _loaded(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that are executed when a module is imported."""
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        children = list(node.orelse)
    for child in children:
        if not isinstance(child, Function | ast.Lambda):
            yield child
            yield from _loaded(child)
