"""Digests of code and files that are not part of a package: nothing else tells of an edit."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from gensr_pref.identity import digest, file_digest


def digest_of(name: Any) -> str | None:
    """SHA-256 of the code of ``module:Class``: its file and those that it imports from beside it.

    None for what is no such name. What is imported by other means than a statement is not seen.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[\w.]+:\w+", name):
        return None
    module = name.partition(":")[0]
    origin = _origin(module)
    if origin is None:
        return None
    root = origin.parents[module.count(".") + (origin.name == "__init__.py")]
    contents = hashlib.sha256()
    for path in sorted(_with_imports(origin, root)):
        contents.update(path.relative_to(root).as_posix().encode())
        contents.update(path.read_bytes())
    return contents.hexdigest()


def identity_of(
    name: str, options: Mapping[str, Any], plugin: Any, base: Path | None = None
) -> dict[str, Any]:
    """What tells that a plugin is another than before, beside its name, options and revision.

    Args:
        name, options: as the run file has them.
        plugin: the class or what it made; those of its options that it lists in `paths` are files.
        base: the folder that these are relative to.

    Returns:
        ``sources``, digests of the code of `name` and of options that name code; and ``files``, by
        option, digests of the files that a plugin of ``module:Class`` is given, as those of this
        package name their files' content themselves. Neither where there is none.
    """
    written = [digest_of(value) for value in (name, *options.values())]
    sources = [one for one in written if one is not None]
    listed = getattr(plugin, "paths", ()) if ":" in name else ()
    named = {one: options[one] for one in listed if isinstance(options.get(one), str)}
    places = {one: (base or Path()) / value for one, value in named.items() if value}
    files = {one: _content(path) for one, path in places.items() if path.exists()}
    return {**({"sources": sources} if sources else {}), **({"files": files} if files else {})}


def _content(path: Path) -> str:
    """Of a file, or of all that is in a folder."""
    if path.is_file():
        return file_digest(path)
    inside = sorted(one for one in path.rglob("*") if one.is_file())
    return digest([[one.relative_to(path).as_posix(), file_digest(one)] for one in inside])


def _origin(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    path = Path(spec.origin) if spec is not None and spec.origin is not None else None
    return path if path is not None and path.is_file() else None


def _with_imports(path: Path, root: Path) -> set[Path]:
    """A file below `root` and, through all of them, the files below it that it imports."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += [there for name in _imported(one, root) if (there := _file(name))]
    return found


def _imported(path: Path, root: Path) -> Iterator[Path]:
    """Where the modules that a file imports would lie, without suffix."""
    for level, module, names in _imports(path.read_bytes()):
        base = path.parents[level - 1] if level else root
        base = base.joinpath(*module.split("."))
        yield base
        yield from (base / name for name in names)


@lru_cache(maxsize=256)
def _imports(code: bytes) -> list[tuple[int, str, list[str]]]:
    """The level, module and imported names of each import; none where the code is no Python."""
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError):
        return []
    whole = [one for node in nodes if isinstance(node, ast.Import) for one in node.names]
    parts = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    return [(0, alias.name, []) for alias in whole] + [
        (node.level, node.module or "", [alias.name for alias in node.names]) for node in parts
    ]


def _file(place: Path) -> Path | None:
    for path in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None
