"""Tests of the recipes in pipelines/; one runs from recordings to an evaluation."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gensr_pref.config import run_file
from gensr_pref.generators.tiny.pretrained import from_pretrained
from gensr_pref.rundir.part_files import read_json_lines
from tests.commands import finish

PIPELINES = Path(__file__).parents[2] / "pipelines"
RECIPES = (
    "unanimous",
    "objectives",
    "single_metric",
    "cross_paradigm",
    "gsepf",
    "speechalign",
    "rounds",
)
TINY = [
    "corpus.limit=6",
    "corpus.segment_seconds=[1, 1.5]",
    "corpus.validation.share=0.5",
    "generators.0.candidates=2",
    "generators.1.candidates=2",
    "generators.2.candidates=2",
    "panel=[{metric: stoi, vote: true}, {metric: si_sdr, vote: false}]",
    "engine.kind=serial",
]


def test_the_run_of_the_recipes_is_valid() -> None:
    run = run_file.load(PIPELINES / "laptop.yaml")
    assert [use.use for use in run.generators] == ["ar-tiny", "mgm-tiny", "fm-tiny"]
    assert (PIPELINES / run.corpus.source.path).exists()
    assert (PIPELINES / run.corpus.degrade.noise.source.path).is_dir()


@pytest.mark.parametrize("name", RECIPES)
def test_a_script_without_arguments_prints_its_usage(name: str) -> None:
    done = called(name)
    assert done.returncode == 2
    assert f"pipelines/{name}.sh RUN.yaml" in done.stderr
    assert done.stderr.endswith(".\n")
    assert f"({name}.sh)" in (PIPELINES / "README.md").read_text(encoding="utf-8")


def test_an_existing_run_is_not_changed(tmp_path) -> None:
    done = called("unanimous", str(tmp_path), str(tmp_path / "out"), "corpus.limit=3")
    assert done.returncode == 2
    assert f"{tmp_path} is an existing run" in done.stderr


@pytest.mark.parametrize("name", ["unanimous", "objectives", "single_metric", "cross_paradigm"])
def test_a_folder_that_is_no_run_is_refused_before_anything_is_copied(tmp_path, name) -> None:
    done = called(name, str(PIPELINES), str(tmp_path / "out"), "stoi")
    assert done.returncode == 2
    assert f"{PIPELINES} is not a run with a finished build" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("MODELS", "ar arr", "arr is none of ar, mgm, fm"),
        ("CLIPS", "missing", "missing does not exist"),
    ],
)
def test_a_wrong_variable_is_refused_before_anything_is_built(
    tmp_path, variable, value, message
) -> None:
    words = [str(PIPELINES / "laptop.yaml"), str(tmp_path / "out")]
    done = called("unanimous", *words, **{variable: value})
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def command(name: str, *words: str) -> list[str]:
    return ["sh", str(PIPELINES / f"{name}.sh"), *words]


def environment(variables: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **variables}


def called(name: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(name, *words),
        env=environment(variables),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def commands(tmp_path) -> str:
    """A PATH on which `gensr-pref` is this package, whatever is installed."""
    program = tmp_path / "bin" / "gensr-pref"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gensr_pref.cli "$@"\n', "utf-8")
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_unanimous_runs_from_recordings_to_an_evaluation(tmp_path, commands) -> None:
    out = tmp_path / "a folder"
    words = [str(PIPELINES / "laptop.yaml"), str(out), *TINY]
    settings = {
        "PATH": commands,
        "PYTHONPATH": str(PIPELINES.parent),
        "TRAIN": "steps=2 batch=2",
        "EVALUATE": "--samples 2 --limit 2 --workers 1",
        "MODELS": "fm",
    }
    finish(command("unanimous", *words), env=environment(settings))
    assert (out / "pairs" / "audit" / "report.html").exists()
    assert from_pretrained(out / "fm-1").paradigm == "fm"
    labels = [
        json.loads((out / name / "recipe.json").read_text(encoding="utf-8"))["pairs"]["labels"]
        for name in ("fm-1", "fm-random-1")
    ]
    assert labels == ["given", "random"]
    found = json.loads((out / "evaluation-fm" / "evaluation.json").read_text(encoding="utf-8"))
    assert set(found["policies"]) >= {"base", "dpo", "random", "tuned", "placebo"}
    finish(command("unanimous", *words), env=environment(settings))
    steps = [row["step"] for row in read_json_lines(out / "fm-1" / "log.jsonl") if "loss" in row]
    assert steps == [2]
