"""Tests of docs/generators.md: its snippets run as pasted."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from gensr_pref import sample
from gensr_pref.building.build import build
from gensr_pref.config import run_file
from gensr_pref.config.plugins import options_of
from gensr_pref.generators import command, file_patterns
from gensr_pref.schema import Reason
from tests.small_run import rows

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "generators.md").read_text(encoding="utf-8")
CHEAP = Path(__file__).parents[1] / "cheap.py"


def test_the_example_class_builds_a_run(own_modules):
    [source] = re.findall(r"runs this -->\n```python\n(.*?)```", PAGE, re.S)
    use = yaml.safe_load(re.search(r"# mine\.py, beside the run file: (\{.*\})", source)[1])
    (own_modules / "mine.py").write_text(source, encoding="utf-8")
    shutil.copy(CHEAP, own_modules)
    data = {
        "corpus": {"source": {"kind": "folder", "path": str(sample.FOLDER / "speech")}, "limit": 1},
        "generators": [use],
        "panel": [{"metric": "cheap:Roughness"}],
        "engine": {"kind": "serial"},
    }
    summary = build(
        run_file.parse(data, run_file.Run, "docs"), own_modules / "run", base=own_modules
    )
    assert summary["failures"] == {}
    assert summary["notices"] == []
    made = rows(own_modules / "run", "candidates")
    assert len(made) == use["candidates"]
    assert {row["sample_rate"] for row in made} == {44100}


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_explained(reason):
    assert f"`{reason}`" in (DOCS / "run-directory.md").read_text(encoding="utf-8")


def test_every_option_and_field_is_on_the_page():
    for name in (*options_of(command.Command), *options_of(_folder())):
        assert f"| `{name}` |" in PAGE
    for field in (*file_patterns.FIELDS, *command.FIELDS):
        assert f"`{{{field}}}`" in PAGE


def _folder():
    from gensr_pref.generators.folder import Folder

    return Folder


def test_the_snippets_are_parts_of_run_files():
    snippets = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    assert len(snippets) == 3
    for snippet in snippets:
        for use in yaml.safe_load(snippet)["generators"]:
            run_file.parse(use, run_file.GeneratorUse, "docs")
