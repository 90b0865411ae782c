"""The blocks of README.md and CONTRIBUTING.md, made for a small tree."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
layout = SimpleNamespace(**runpy.run_path(str(DOCS / "layout.py")))

TOY = {
    "gensr_pref/__init__.py": '"""A toy."""\n',
    "gensr_pref/cli.py": '"""The commands."""\n',
    "gensr_pref/errors.py": '"""Exceptions: ``A | B``.\n\nMore.\n"""\n',
    "gensr_pref/metrics/__init__.py": '"""Candidates to numbers."""\n',
    "gensr_pref/weights/model.bin": "",
    "gensr_pref/sample/demo.yaml": "",
    "README.md": "# Toy\n\n<!-- begin tree: made -->\nold\n<!-- end tree -->\n\nEnd.\n",
    "CONTRIBUTING.md": "<!-- begin floors -->\n<!-- end floors -->\n",
    "pyproject.toml": """\
[[tool.importlinter.contracts]]
type = "forbidden"

[[tool.importlinter.contracts]]
type = "layers"
layers = ["gensr_pref.cli", "metrics : (errors)"]
""",
    **{f"{folder}/a.md": "" for folder in layout.FOLDERS},
}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    for name, text in TOY.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_tree(toy: Path) -> None:
    before, after = TOY["README.md"].split("old\n")
    made = layout.page_with_block(toy, "README.md")
    assert made.startswith(before)
    assert made.endswith(after)
    assert made[len(before) :].splitlines()[:5] == [
        "```",
        "gensr_pref/",
        "  metrics/   Candidates to numbers",
        "  cli.py     The commands",
        "  errors.py  Exceptions: A | B",
    ]
    assert "\ntests/     " in made


def test_floors(toy: Path) -> None:
    rows = layout.page_with_block(toy, "CONTRIBUTING.md").splitlines()
    assert rows[4:7] == [
        "| 2 | `cli.py` | The commands |",
        "| 1 | `metrics/` | Candidates to numbers |",
        "|  | `errors.py` | Exceptions: `A \\| B` |",
    ]
    assert layout.import_layers(toy) == [(["cli"], True), (["metrics", "errors"], False)]


def test_a_block_that_is_made_again_is_the_same(toy: Path) -> None:
    for page in layout.BLOCKS:
        made = layout.page_with_block(toy, page)
        (toy / page).write_text(made, encoding="utf-8")
        assert layout.page_with_block(toy, page) == made


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gensr_pref/metrics/__init__.py", ""),
        ("gensr_pref/metrics/__init__.py", None),
        ("gensr_pref/cli.py", "import os\n"),
        ("gensr_pref/cli.py", '"""The commands, in a sentence that\ngoes on."""\n'),
        ("README.md", "# Toy\n"),
        ("README.md", TOY["README.md"] * 2),
        ("pyproject.toml", ""),
        ("pyproject.toml", TOY["pyproject.toml"].replace("metrics", "missing")),
        ("docs", None),
    ],
)
def test_what_is_missing_is_named(toy: Path, name: str, text: str | None) -> None:
    path = toy / name
    if text is not None:
        path.write_text(text, encoding="utf-8")
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.rename(path.with_name("stoi.py"))
    with pytest.raises(layout.LayoutError) as error:
        [layout.page_with_block(toy, page) for page in layout.BLOCKS]
    assert str(error.value).startswith(name)


def test_all_packages_without_docstring_are_named_at_once(toy: Path) -> None:
    for name in ("cli.py", "metrics/__init__.py"):
        (toy / "gensr_pref" / name).write_text("", encoding="utf-8")
    with pytest.raises(layout.LayoutError) as error:
        layout.summaries(toy)
    named = [line.partition(":")[0] for line in str(error.value).splitlines()]
    assert named == ["gensr_pref/metrics/__init__.py", "gensr_pref/cli.py"]


def test_check_fails_where_a_block_drifted_or_a_docstring_is_missing(toy: Path) -> None:
    for script in DOCS.glob("*.py"):
        shutil.copy(script, toy / "docs")

    def reference(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "docs/reference.py", *arguments]
        done = subprocess.run(command, cwd=toy, capture_output=True, text=True)
        return done.returncode, done.stderr

    assert reference() == (0, "")
    assert reference("--check") == (0, "")
    (toy / "gensr_pref" / "metrics" / "__init__.py").write_text('"""Scores."""\n', encoding="utf-8")
    status, printed = reference("--check")
    assert status == 1
    assert [line.partition(":")[0] for line in printed.splitlines()] == [*layout.BLOCKS]
    (toy / "gensr_pref" / "metrics" / "__init__.py").write_text("", encoding="utf-8")
    before = (toy / "README.md").read_bytes()
    for arguments in ((), ("--check",)):
        status, printed = reference(*arguments)
        assert (status, printed.count("gensr_pref/metrics/__init__.py")) == (1, 1)
    assert (toy / "README.md").read_bytes() == before
