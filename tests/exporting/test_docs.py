"""Tests of docs/export.md and of a dataset card: their snippets run as pasted."""

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import datasets
import pytest

from gensr_pref.cli.main import parser

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    found = re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL)
    return [inside for named, inside in found if named == language]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
@pytest.mark.parametrize("text", blocks(PAGE, "python"))
def test_python_of_the_page_runs_as_pasted(text, run_folder, exported, server, tmp_path) -> None:
    if "with torchcodec" in text and not importlib.util.find_spec("torchcodec"):
        pytest.skip("torchcodec is not installed, which these lines say they need")
    server.members.add("ORG")
    out = shutil.copytree(exported, tmp_path / "OUT")
    pasted = text.replace('"DIR', f'"{run_folder}')
    pasted = pasted.replace('"OUT', f'"{out}').replace("'OUT", f"'{out}")
    pasted = pasted.replace("dnsmos_ovrl", "roughness")  # the score of this run
    exec(compile(pasted, "docs/export.md", "exec"), {})


def test_python_of_the_card_runs_as_pasted(exported) -> None:
    card = (exported / "README.md").read_text(encoding="utf-8")
    found = blocks(card, "python")
    assert found
    for text in found:
        exec(compile(text.replace("us/small", str(exported)), "README.md", "exec"), {})


def test_commands_of_the_page_are_valid() -> None:
    lines = [line for text in blocks(PAGE, "") for line in text.splitlines()]
    commands = [re.split(r"\s{2,}", line)[0] for line in lines if line.startswith("gensr-pref")]
    assert len(commands) > 3
    for line in commands:
        words = shlex.split(re.split(r" and |;", line)[0])[1:]
        assert parser().parse_args(words).out == Path("OUT")
