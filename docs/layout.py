"""Blocks of README.md and CONTRIBUTING.md that show the packages, made from the source.

The tree comes from the first line of each docstring, the floors also from the layers of the import
contract in pyproject.toml. The source is parsed and never imported.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

PACKAGE = "gensr_pref"
# What the folders beside the package hold.
FOLDERS = {
    "docs": "One page per subject",
    "examples": "Plugins and Python code",
    "pipelines": "Run files and scripts to start from",
    "tests": "Tests, in the same tree as gensr_pref",
}


class LayoutError(Exception):
    """The source or a page lacks what a block is made of; one problem per line."""


def page_with_block(root: Path, page: str) -> str:
    """Return the text of a page of `BLOCKS` with its block made again.

    The block is what lies between the lines ``<!-- begin NAME: ... -->`` and ``<!-- end NAME -->``.

    Raises:
        LayoutError: the page lacks these lines, or what the block is made of is missing.
    """
    name, make = BLOCKS[page]
    text = (root / page).read_text(encoding="utf-8")
    block = re.compile(rf"(<!-- begin {name}\b[^\n]*-->\n).*?(<!-- end {name} -->\n)", re.DOTALL)
    if len(block.findall(text)) != 1:
        raise LayoutError(
            f"{page}: needs one block of <!-- begin {name} --> and <!-- end {name} -->"
        )
    return block.sub(lambda match: match[1] + make(root) + match[2], text)


def tree(root: Path) -> str:
    """Return the block of README.md: one line per package, module beside them, and other folder."""
    missing = [folder for folder in FOLDERS if not (root / folder).is_dir()]
    if missing:
        raise LayoutError(
            "\n".join(f"{folder}/: in docs/layout.py, but no folder" for folder in missing)
        )
    inside = {f"  {_file_name(root, name)}": text for name, text in summaries(root).items()}
    beside = {f"{folder}/": text for folder, text in FOLDERS.items()}
    width = max(map(len, [*inside, *beside])) + 2
    lines = [f"{name:<{width}}{text}" for name, text in (inside | beside).items()]
    lines.insert(0, f"{PACKAGE}/")
    return "\n".join(["```", *(line.replace("``", "") for line in lines), "```", ""])


def floors(root: Path) -> str:
    """Return the block of CONTRIBUTING.md: the layers of the import contract, top to bottom."""
    purposes = summaries(root)
    layers = import_layers(root)
    rows, shared = [], []
    for floor, (names, independent) in zip(range(len(layers), 0, -1), layers, strict=True):
        absent = [name for name in names if name not in purposes]
        if absent:
            raise LayoutError(
                f"pyproject.toml: the contract names {', '.join(absent)}: no such module"
            )
        if not independent:
            shared.append(str(floor))
        for place, name in enumerate(names):
            purpose = purposes[name].replace("``", "`").replace("|", "\\|")
            rows.append(f"| {'' if place else floor} | `{_file_name(root, name)}` | {purpose} |")
    note = "Modules of one floor do not import each other"
    if shared:
        note += f", except on floor{'s' * (len(shared) > 1)} {' and '.join(shared)}"
    return "\n".join(["", "| floor | | |", "|---|---|---|", *rows, "", f"{note}.", "", ""])


BLOCKS: dict[str, tuple[str, Callable[[Path], str]]] = {
    "README.md": ("tree", tree),
    "CONTRIBUTING.md": ("floors", floors),
}


def summaries(root: Path) -> dict[str, str]:
    """Return the first line of each docstring, without its full stop: packages first, by name.

    Raises:
        LayoutError: a package or module has no docstring, or its first line is no whole sentence.
    """
    inside = root / PACKAGE
    packages = [path for path in inside.iterdir() if path.is_dir() and any(path.rglob("*.py"))]
    modules = [path for path in inside.glob("*.py") if path.name != "__init__.py"]
    lines, problems = {}, []
    for path in [*sorted(packages), *sorted(modules)]:
        source = path / "__init__.py" if path.is_dir() else path
        line = _first_line(source)
        if not line:
            problems.append(f"{source.relative_to(root)}: no docstring. Write what it is for.")
        elif not line.endswith("."):
            problems.append(
                f"{source.relative_to(root)}: first line of the docstring must end with a full stop"
            )
        lines[path.stem] = line.removesuffix(".")
    if problems:
        raise LayoutError("\n".join(problems))
    return lines


def import_layers(root: Path) -> list[tuple[list[str], bool]]:
    """Return the layers of the import contract, top to bottom: names, and whether independent.

    Names of an independent layer may not import each other.

    Raises:
        LayoutError: pyproject.toml has no contract of layers.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project.get("tool", {}).get("importlinter", {}).get("contracts", [])
    layers = next((one["layers"] for one in contracts if one["type"] == "layers"), None)
    if layers is None:
        raise LayoutError("pyproject.toml: no contract of layers in [tool.importlinter]")
    return [
        (
            [name.strip(" ()").removeprefix(f"{PACKAGE}.") for name in re.split("[|:]", layer)],
            ":" not in layer,
        )
        for layer in layers
    ]


def _first_line(source: Path) -> str:
    if not source.exists():
        return ""
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
    return (docstring or "").partition("\n")[0].strip()


def _file_name(root: Path, name: str) -> str:
    return f"{name}/" if (root / PACKAGE / name).is_dir() else f"{name}.py"
