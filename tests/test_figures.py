"""Tests of `tests.figures` on a small tree, counted by hand."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from .figures.__main__ import main
from .figures.graph import circles, floors, reachable
from .figures.measures import Figure, is_participle, measure, rooms
from .figures.tree import Module, Tree
from .figures.wording import Wording, reads_text

ROOT = Path(__file__).resolve().parent.parent
TOY = {
    "gensr_pref/__init__.py": """\
if TYPE_CHECKING:
    from gensr_pref.build.run import opened
""",
    "gensr_pref/errors.py": """\
class Failure(Exception):
    pass
""",
    "gensr_pref/schema.py": "from gensr_pref import errors\n",
    "gensr_pref/metrics/__init__.py": "",
    "gensr_pref/metrics/base.py": """\
from gensr_pref.errors import Failure as Base

class Failure(Base): ...
""",
    "gensr_pref/metrics/pesq.py": """\
import gensr_pref.metrics.base

def score(found: int) -> dict[str, Any]:
    from .stoi import score
    return found
""",
    "gensr_pref/metrics/stoi.py": """\
from . import pesq

def score() -> list[Any]: ...
""",
    "gensr_pref/build/__init__.py": """\
'''Tests: ``run`` in tests/test_errors.py.

Tests: ``nothing`` in tests/test_nothing.py.
'''
""",
    "gensr_pref/build/run.py": """\
from gensr_pref.metrics.stoi import score

if TYPE_CHECKING:
    from gensr_pref import schema

def opened() -> None: ...

def _told(): ...

def long() -> int:
"""
    + "    x = 1\n" * 70,
    "gensr_pref/build/nothing.py": "",
    "tests/test_errors.py": """\
def test_words() -> None:
    with raises(Failure, match='no such run'):
        pass

def test_field() -> None:
    with raises(Failure, match='panel'):
        pass

def test_value() -> None:
    assert 1 == 1
""",
    "tests/metrics/test_pesq.py": "",
}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    for name, text in TOY.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def figures(toy: Path) -> dict[str, Figure]:
    return {figure.key: figure for figure in measure(Tree.read(toy))}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("files", 10),
        ("lines", sum(text.count("\n") for name, text in TOY.items() if name[0] == "g")),
        ("root_modules", 2),
        ("boxes", 5),
        ("floors", 3),
        ("box_circles", 0),
        ("file_circles", 1),
        ("duplicate_names", 2),
        ("participles", 2),
        ("returns_any", 2),
        ("returns_dict_any", 1),
        ("returns_unannotated", 1),
        ("long_functions", 1),
        ("long_modules", 0),
        ("tests", 3),
        ("text_tests", 2),
        ("prose_tests", 1),
        ("tested_modules", 2),
        ("untested_modules", 4),
    ],
)
def test_figures_of_the_toy_tree(figures: dict[str, Figure], key: str, value: int) -> None:
    assert figures[key].value == value


def test_entries_name_what_is_counted(figures: dict[str, Figure]) -> None:
    metrics = "gensr_pref.metrics"
    assert figures["duplicate_names"].entries == [
        "Failure: gensr_pref.errors gensr_pref.metrics.base",
        "score: gensr_pref.metrics.pesq gensr_pref.metrics.stoi",
    ]
    assert figures["file_circles"].entries == [f"{metrics}.pesq {metrics}.stoi"]
    assert figures["floors"].entries == [
        "gensr_pref gensr_pref.errors",
        f"{metrics} gensr_pref.schema",
        "gensr_pref.build",
    ]
    assert figures["single_importer"].entries == [
        f"{metrics}.base",
        f"{metrics}.pesq",
        "gensr_pref.schema",
    ]
    assert figures["prose_tests"].entries == ["tests/test_errors.py::test_words"]


def test_a_walk_loads_parents_but_not_what_functions_or_type_checkers_import(
    figures: dict[str, Figure],
) -> None:
    assert figures["walk_base_of_a_metric"].entries == [
        "gensr_pref", "gensr_pref.errors", "gensr_pref.metrics", "gensr_pref.metrics.base",
    ]  # fmt: skip
    assert figures["walk_errors"].value == 2
    assert figures["walk_read_run_yaml"].entries == []


def test_rooms(toy: Path) -> None:
    rows = {row["room"]: row for row in rooms(Tree.read(toy))}
    assert list(rows) == ["build", "metrics", "(root)"]
    assert (rows["metrics"]["files"], rows["metrics"]["floors"]) == (4, 2)
    assert (rows["metrics"]["modules"], rows["metrics"]["tested"]) == (3, 1)
    assert sum(float(row["share"]) for row in rows.values()) == pytest.approx(1, abs=0.002)


def test_graph() -> None:
    graph = {
        "top": {"left", "right"},
        "left": {"right"},
        "right": {"left", "low"},
        "low": set[str](),
    }
    assert reachable(graph, "left") == {"left", "right", "low"}
    assert circles(graph) == [["left", "right"]]
    assert floors(graph) == [["low"], ["left", "right"], ["top"]]


@pytest.mark.parametrize("name", ["opened", "_told", "written", "kept", "unwritten"])
def test_bare_participles(name: str) -> None:
    assert is_participle(name)


@pytest.mark.parametrize("name", ["open_run", "read", "seed", "is_held", "held_out", "token", "x"])
def test_other_names(name: str) -> None:
    assert not is_participle(name)


def both(source: str) -> tuple[bool, bool]:
    """Both judgements of the function ``test`` of a file."""
    module = Module(Path("test_x.py"), 0, ast.parse(source))
    [test] = [function for function in module.functions if function.name == "test"]
    return reads_text(test), Wording(module, test).is_compared()


CONSTANT = """
TEXT = "no run here"
def test():
    raises(E, match=TEXT)
"""
PARAMETER = """
@mark.parametrize(("number", "text"), [(1, "panel"), (2, "no run here")])
def test(number, text):
    raises(E, match=text)
"""
RAISED = """
def test():
    with raises(E) as error:
        f()
    assert "no run" in str(error.value)
"""
EXCEPT = """
def test():
    try:
        f()
    except E as error:
        assert str(error) == f"{1} no run"
"""
VARIABLE = """
def test(capsys):
    printed = capsys.readouterr().err
    assert "is gone" in printed
"""
LOOP = """
def test(capsys):
    assert any("is gone" in line for line in capsys.readouterr().out.splitlines())
"""
RETURNS_TEXT = """
def refusal():
    with raises(E) as error:
        f()
    assert str(error.value)
    return str(error.value)
def test():
    assert "no run" in refusal()
"""
TAKES_TEXT = """
def refuses(text):
    raises(E, match=text)
def test():
    refuses("no run")
"""


@pytest.mark.parametrize("source", [CONSTANT, PARAMETER, RAISED, EXCEPT, VARIABLE, LOOP])
def test_prose_is_seen(source: str) -> None:
    assert both(source) == (True, True)


@pytest.mark.parametrize("source", [RETURNS_TEXT, TAKES_TEXT])
def test_prose_is_seen_through_a_function_of_the_file(source: str) -> None:
    assert both(source) == (False, True)


@pytest.mark.parametrize(
    "source",
    [
        "def test():\n    raises(E, match='panel')",
        "def test():\n    raises(E, match=r'panel\\.0\\.metric')",
        "def test(capsys):\n    assert loads(capsys.readouterr().out) == {'pairs': 3}",
        "def test(path):\n    assert str(path) == 'two words'",
    ],
)
def test_text_without_prose(source: str) -> None:
    assert both(source) == (True, False)


def test_a_path_is_no_message() -> None:
    source = "def test(path):\n    spec = f(str(path))\n    assert spec.model == 'two words'"
    assert both(source) == (False, False)


def test_output(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(toy), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["figures"]["returns_any"] == {
        "label": "returns that contain Any",
        "value": 2,
        "of": 5,
    }
    assert [row["room"] for row in made["rooms"]] == ["build", "metrics", "(root)"]
    assert main(["--root", str(toy)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5 + len(made["figures"])
    assert main(["--root", str(toy), "--list", "duplicate_names"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_this_project() -> None:
    """The limits that CONTRIBUTING states, and those that no change should exceed by accident."""
    tree = Tree.read(ROOT)
    figures = {figure.key: figure for figure in measure(tree)}
    none = ("untested_modules", "file_circles", "box_circles", "returns_unannotated")
    assert [entry for key in none for entry in figures[key].entries] == []
    assert figures["root_modules"].value == 4
    assert max(float(row["share"]) for row in rooms(tree)) < 0.15


@pytest.mark.parametrize("arguments", [["--root", "nowhere"], ["--list", "nothing", "--root"]])
def test_bad_input(toy: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, str(toy)] if arguments[-1] == "--root" else arguments)
    assert stopped.value.code == 2
