"""A finished run, and copies of it that tests may damage."""

import shutil
from pathlib import Path

import pytest

from gensr_pref.building.build import build
from gensr_pref.config import run_file


@pytest.fixture(scope="session")
def built(base, tmp_path_factory) -> Path:
    """A run directory of four shards, which no test changes."""
    out = tmp_path_factory.mktemp("built") / "run"
    build(run_file.load(base / "run.yaml"), out, base=base)
    return out


@pytest.fixture(scope="session")
def twin(base, tmp_path_factory) -> Path:
    """A run of the same settings whose seed alone is another."""
    out = tmp_path_factory.mktemp("twin") / "run"
    build(run_file.load(base / "run.yaml", ["seed=1"]), out, base=base)
    return out


@pytest.fixture
def out(built, tmp_path) -> Path:
    """A copy of the run directory that keeps the times of its files."""
    return Path(shutil.copytree(built, tmp_path / "copy"))
