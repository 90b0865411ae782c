"""The figures: what each one counts, and how."""

from __future__ import annotations

import ast
import builtins
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .graph import circles, floors, reachable
from .tree import PACKAGE, Function, Tree
from .wording import Wording, reads_text

ROOT = "(root)"  # stands for the modules beside the rooms
LONG_FUNCTION, LONG_MODULE = 65, 300  # lines; more is counted
# What importing a module loads. A module has several names where it was renamed: the first that a
# tree holds is measured.
WALKS = {
    "read run.yaml": ("rundir.document", "engine.rundir"),
    "open a run": ("building.open_run", "build.open_run", "engine.rundir"),
    "read a part file": ("rundir.part_files", "rundir.parts", "shards"),
    "read the run file": ("config.run_file", "config"),
    "base of a metric": ("metrics.base",),
    "base of a rule": ("pairing.base",),
    "errors": ("errors",),
}
# Words that end like a participle and are none, and participles that do not end in -ed or -en.
# Forms that are also a present tense or a noun (read, run, cut, set, split, left) are not counted.
NOT_PARTICIPLES = frozenset(
    ("embed", "feed", "golden", "listen", "need", "often", "open", "seed", "speed", "token")
)
IRREGULAR = frozenset(
    ("begun", "brought", "built", "caught", "done", "drawn", "felt", "found", "gone", "grown",
     "heard", "held", "kept", "known", "laid", "led", "lent", "lost", "made", "meant", "met",
     "paid", "rebuilt", "said", "sent", "shown", "sold", "sought", "spent", "struck", "taught",
     "thought", "told", "torn", "understood", "unknown", "won", "worn")
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes:
        key: name in the JSON and for ``--list``.
        label: words for the table.
        value: number, or text where there is none.
        whole: number of which ``value`` is a part.
        entries: names of the things that ``value`` counts.
    """

    key: str
    label: str
    value: int | float | str
    whole: int | None = None
    entries: list[str] = field(default_factory=list)


def measure(tree: Tree) -> list[Figure]:
    """Return the figures of a checkout."""
    return [
        *_sizes(tree),
        *_import_figures(tree),
        *(_walk(tree, title, names) for title, names in WALKS.items()),
        *_names(tree),
        *_types(tree),
        *_lengths(tree),
        *_tests(tree),
    ]


def rooms(tree: Tree) -> list[dict[str, int | float | str]]:
    """Return one row per room, and one for the modules beside them, the largest first.

    ``share`` is the room's part of all lines, ``floors`` the length of the longest chain of imports
    between its own files, ``modules`` its files other than ``__init__.py``, and ``tested`` the
    number of modules that have a test file of their own name.
    """
    names: dict[str, list[str]] = defaultdict(list)
    for name in tree.modules:
        names[_room(tree, name)].append(name)
    total = sum(module.lines for module in tree.modules.values())
    rows: list[dict[str, int | float | str]] = []
    for room, members in names.items():
        lines = sum(tree.modules[name].lines for name in members)
        plain = [name for name in members if not _is_package(tree, name)]
        rows.append(
            {
                "room": room,
                "files": len(members),
                "lines": lines,
                "share": round(lines / total, 3),
                "floors": len(
                    floors({name: tree.imports[name] & set(members) for name in members})
                ),
                "modules": len(plain),
                "tested": sum(_own_test(tree, name).exists() for name in plain),
            }
        )
    return sorted(rows, key=lambda row: -int(row["lines"]))


def _sizes(tree: Tree) -> Iterator[Figure]:
    lines = sum(module.lines for module in tree.modules.values())
    yield Figure("files", "files", len(tree.modules))
    yield Figure("lines", "lines", lines)
    beside = [
        name for name in tree.modules if _room(tree, name) == ROOT and not _is_package(tree, name)
    ]
    yield Figure("root_modules", "root modules", len(beside), entries=beside)
    largest = next(row for row in rooms(tree) if row["room"] != ROOT)
    label = f"lines of the largest room, {largest['room']}"
    yield Figure("largest_room", label, int(largest["lines"]), lines)


def _import_figures(tree: Tree) -> Iterator[Figure]:
    boxes: dict[str, set[str]] = defaultdict(set)
    for name, targets in tree.imports.items():
        boxes[_box(name)] |= {_box(target) for target in targets} - {_box(name)}
    levels = [" ".join(level) for level in floors(boxes)]
    yield Figure("boxes", "boxes at the top", len(boxes), entries=sorted(boxes))
    yield Figure("floors", "floors of the boxes", len(levels), entries=levels)
    for key, label, graph in (
        ("box_circles", "import circles of boxes", boxes),
        ("file_circles", "import circles of files", tree.imports),
    ):
        groups = [" ".join(group) for group in circles(graph)]
        yield Figure(key, label, len(groups), entries=groups)
    importers = Counter(target for targets in tree.imports.values() for target in targets)
    single = [name for name in tree.modules if importers[name] == 1]
    label = "modules with exactly one importer"
    yield Figure("single_importer", label, len(single), len(tree.modules), single)


def _walk(tree: Tree, title: str, names: tuple[str, ...]) -> Figure:
    """Return the modules of the package that an import loads, itself and its parents included."""
    key = "walk_" + re.sub(r"\W+", "_", title)
    for name in (f"{PACKAGE}.{name}" for name in names):
        if name in tree.modules:
            loaded = sorted(reachable(tree.loads, name))
            height = len(floors({one: tree.loads[one] for one in loaded}))
            label = f"walk: {title} ({name.partition('.')[2]}), on {height} floors, loads"
            return Figure(key, label, len(loaded), len(tree.modules), loaded)
    return Figure(key, f"walk: {title}", "no such module")


def _names(tree: Tree) -> Iterator[Figure]:
    places: dict[str, list[str]] = defaultdict(list)
    for name, module in tree.modules.items():
        for public in {
            node.name
            for node in module.syntax.body
            if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_")
        }:
            places[public].append(name)
    several = {name: where for name, where in places.items() if len(where) > 1}
    ordered = sorted(several.items(), key=lambda item: (-len(item[1]), item[0]))
    entries = [f"{name}: {' '.join(where)}" for name, where in ordered]
    label = "public names defined in several modules"
    yield Figure("duplicate_names", label, len(several), entries=entries)
    bare = [f"{module}.{node.name}" for module, node in tree.functions if is_participle(node.name)]
    label = "functions named by a bare participle"
    yield Figure("participles", label, len(bare), len(tree.functions), bare)
    common = [f"{name} {count}" for name, count in _identifiers(tree).most_common(20)]
    yield Figure("identifiers", "most frequent identifiers", ", ".join(common[:3]), entries=common)


def is_participle(name: str) -> bool:
    """Return whether a function is named by a participle alone, such as ``opened`` or ``_told``.

    A heuristic: one word that ends in -ed or -en, or one of `IRREGULAR`.
    """
    word = name.strip("_")
    if "_" in word or word in NOT_PARTICIPLES:
        return False
    return word in IRREGULAR or bool(re.fullmatch(r"[a-z]+(ed|en)", word))


def _identifiers(tree: Tree) -> Counter[str]:
    """Count the uses of each variable, without builtins, imported names and ``self``."""
    other = {*dir(builtins), "self", "cls"}
    used: Counter[str] = Counter()
    for module in tree.modules.values():
        for node in ast.walk(module.syntax):
            if isinstance(node, ast.Name):
                used[node.id] += 1
            elif isinstance(node, ast.Import | ast.ImportFrom):
                other |= {alias.asname or alias.name for alias in node.names}
    return Counter({name: count for name, count in used.items() if name not in other})


def _types(tree: Tree) -> Iterator[Figure]:
    returns = [
        (f"{module}.{node.name} -> {ast.unparse(node.returns)}", ast.unparse(node.returns))
        for module, node in tree.functions
        if node.returns
    ]
    for key, label, pattern in (
        ("returns_any", "returns that contain Any", r"\bAny\b"),
        ("returns_dict_any", "returns that contain dict[str, Any]", r"\bdict\[str, Any\]"),
    ):
        entries = [entry for entry, annotation in returns if re.search(pattern, annotation)]
        yield Figure(key, label, len(entries), len(tree.functions), entries)
    missing = [f"{module}.{node.name}" for module, node in tree.functions if not node.returns]
    label = "functions without annotated return"
    yield Figure("returns_unannotated", label, len(missing), len(tree.functions), missing)


def _lengths(tree: Tree) -> Iterator[Figure]:
    lengths = {
        f"{module}.{node.name}:{node.lineno}": (node.end_lineno or node.lineno) - node.lineno + 1
        for module, node in tree.functions
    }
    ordered = sorted(lengths.values()) or [0]
    yield Figure("function_median", "median lines of a function", statistics.median(ordered))
    percentile = ordered[int(0.9 * len(ordered))]
    yield Figure("function_p90", "90th percentile of the lines of a function", percentile)
    for key, label, sizes, bound in (
        ("long_functions", "functions", lengths, LONG_FUNCTION),
        ("long_modules", "modules", {n: m.lines for n, m in tree.modules.items()}, LONG_MODULE),
    ):
        entries = [f"{name}: {lines}" for name, lines in sizes.items() if lines > bound]
        yield Figure(key, f"{label} over {bound} lines", len(entries), len(sizes), entries)


def _tests(tree: Tree) -> Iterator[Figure]:
    tests = [
        (f"{path.relative_to(tree.root)}::{node.name}", module, node)
        for path, module in tree.tests.items()
        for node in module.functions
        if node.name.startswith("test")
    ]
    yield Figure("tests", "test functions", len(tests))
    text = [name for name, _, node in tests if reads_text(node)]
    label = "tests that look at message text: match=, str() in an assertion, stdout, stderr"
    yield Figure("text_tests", label, len(text), len(tests), text)
    prose = [name for name, module, node in tests if Wording(module, node).is_compared()]
    label = "tests that compare message text with two words or more"
    yield Figure("prose_tests", label, len(prose), len(tests), prose)
    plain = [name for name in tree.modules if not _is_package(tree, name)]
    tested = [name for name in plain if _own_test(tree, name).exists()]
    label = "modules with a test file of their own name"
    yield Figure("tested_modules", label, len(tested), len(plain), tested)
    missing = [
        name for name in plain if name not in tested and not _is_tested_elsewhere(tree, name)
    ]
    label = "modules without, whose package names no test file for them"
    yield Figure("untested_modules", label, len(missing), len(plain), missing)


def _own_test(tree: Tree, name: str) -> Path:
    """Return the path of a module's test file: ``tests/x/test_y.py`` for ``gensr_pref/x/y.py``."""
    *folders, last = name.split(".")[1:]
    return tree.root.joinpath("tests", *folders, f"test_{last}.py")


def _is_tested_elsewhere(tree: Tree, name: str) -> bool:
    """Return whether the docstring of a module's package has a line with it and its test file."""
    package, _, module = name.rpartition(".")
    docstring = ast.get_docstring(tree.modules[package].syntax) if package in tree.modules else ""
    return any(
        (tree.root / path).is_file()
        for line in (docstring or "").splitlines()
        if f"``{module}``" in line
        for path in re.findall(r"tests/[\w/]+\.py", line)
    )


def _box(name: str) -> str:
    return ".".join(name.split(".")[:2])


def _is_package(tree: Tree, name: str) -> bool:
    return tree.modules[name].path.name == "__init__.py"


def _room(tree: Tree, name: str) -> str:
    box = _box(name)
    return box.partition(".")[2] if box != PACKAGE and _is_package(tree, box) else ROOT
