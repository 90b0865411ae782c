"""Two systems that the tests of `score` compare."""

import shutil
from pathlib import Path

import pytest

from tests.apply.folders import write_tone

TESTS = Path(__file__).parents[1]


@pytest.fixture
def two_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two systems of three clips each, in two formats, and clean clips."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(TESTS)
    shutil.copy(TESTS / "cheap.py", tmp_path)  # where worker processes look for it
    for index, name in enumerate(("a", "sub/b", "sub/c")):
        write_tone(tmp_path / "one" / f"{name}.wav", peak=0.1 * (index + 1))
        write_tone(tmp_path / "two" / f"{name}.flac", peak=0.2 * (index + 1))
        write_tone(tmp_path / "clean" / f"{name}.wav", peak=0.9)
    return tmp_path
