"""Digests of code and files that are not part of an installed package, to detect edits."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict

from gensr_pref.identity import digest, file_digest


class CodeIdentity(TypedDict, total=False):
    """Digests of what a plugin of the user's own consists of; a key without digests is absent.

    Keys:
        sources: of the code of the plugin, and of the options that name code.
        files: by option, of the files that the plugin is given. Plugins of this package describe
            the content of their files themselves.
    """

    sources: list[str]
    files: dict[str, str]


def digest_code(name: Any) -> str | None:
    """Return the SHA-256 of the code of ``module:Class``: its file and the files it imports.

    Only imports by statement, of files below the same root, are followed. Any other value than
    ``module:Class`` gives None.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[\w.]+:\w+", name):
        return None
    module = name.partition(":")[0]
    origin = _origin(module)
    if origin is None:
        return None
    root = origin.parents[module.count(".") + (origin.name == "__init__.py")]
    sha256 = hashlib.sha256()
    for path in sorted(_with_imports(origin, root)):
        sha256.update(path.relative_to(root).as_posix().encode())
        sha256.update(path.read_bytes())
    return sha256.hexdigest()


def identity_of(
    name: str, options: Mapping[str, Any], plugin: Any, base: Path | None = None
) -> CodeIdentity:
    """Return the digests that distinguish a plugin from an edited one of the same name and options.

    Args:
        name: name of the plugin in the run file.
        options: its options in the run file.
        plugin: the class or an instance; its attribute `paths` lists the options that name files.
        base: the folder to which these files are relative.
    """
    digests = [digest_code(value) for value in (name, *options.values())]
    sources = [source for source in digests if source is not None]
    listed = getattr(plugin, "paths", ()) if ":" in name else ()
    given = {option: options[option] for option in listed if isinstance(options.get(option), str)}
    paths = {option: (base or Path()) / value for option, value in given.items() if value}
    files = {option: _digest_path(path) for option, path in paths.items() if path.exists()}
    identity: CodeIdentity = {}
    if sources:
        identity["sources"] = sources
    if files:
        identity["files"] = files
    return identity


def _digest_path(path: Path) -> str:
    """Return the digest of a file, or of all files in a folder."""
    if path.is_file():
        return file_digest(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return digest([[file.relative_to(path).as_posix(), file_digest(file)] for file in files])


def _origin(module: str) -> Path | None:
    """Return the file of a module; None if it has none."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    path = Path(spec.origin) if spec is not None and spec.origin is not None else None
    return path if path is not None and path.is_file() else None


def _with_imports(path: Path, root: Path) -> set[Path]:
    """Return a file and all files below `root` that it imports, directly or indirectly."""
    files: set[Path] = set()
    pending = [path]
    while pending:
        current = pending.pop()
        if current not in files:
            files.add(current)
            pending += [file for stem in _import_paths(current, root) if (file := _file(stem))]
    return files


def _import_paths(path: Path, root: Path) -> Iterator[Path]:
    """Yield the paths, without suffix, that the imported modules of a file would have."""
    for level, module, names in _imports(path.read_bytes()):
        base = path.parents[level - 1] if level else root
        base = base.joinpath(*module.split("."))
        yield base
        yield from (base / name for name in names)


@lru_cache(maxsize=256)
def _imports(code: bytes) -> list[tuple[int, str, list[str]]]:
    """Return the level, module and imported names of each import; none if it is not Python."""
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError):
        return []
    modules = [alias for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    parts = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    return [(0, alias.name, []) for alias in modules] + [
        (node.level, node.module or "", [alias.name for alias in node.names]) for node in parts
    ]


def _file(stem: Path) -> Path | None:
    """Return the file of a module or package, from its path without suffix."""
    for path in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None
