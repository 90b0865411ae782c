"""Tests for a user without a passwd entry and home folder, as in a container."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import gensr_pref
from gensr_pref.errors import InputError
from gensr_pref.storage import location
from tests.commands import finish
from tests.refusals import raises

ROOT = Path(gensr_pref.__file__).parents[1]
SAMPLE = ROOT / "gensr_pref" / "sample"
UNKNOWN = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]


def as_nobody(words: list[str], folder: Path, home: str | None = None) -> dict[str, Any]:
    """Return how to run Python under a number that no user has, in an almost empty environment."""
    if (
        shutil.which("unshare") is None
        or subprocess.run([*UNKNOWN, "true"], check=False).returncode
    ):
        pytest.skip("needs `unshare --user`, which this machine does not allow")
    named = {} if home is None else {"HOME": home}
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), **named}
    return {"words": [*UNKNOWN, sys.executable, *words], "cwd": folder, "env": environment}


def run_as_nobody(
    words: list[str], folder: Path, home: str | None = None
) -> subprocess.CompletedProcess[str]:
    how = as_nobody(words, folder, home)
    return subprocess.run(how.pop("words"), **how, capture_output=True, text=True, check=False)


TELLS = """
import getpass, os
from pathlib import Path
from gensr_pref.storage.location import home
found = home()
print(found, os.path.expanduser("~"), Path.home(), getpass.getuser(), sep="\\n")
(found / "x").touch()
"""


@pytest.mark.parametrize("home", [None, "", "/nonexistent", "/proc"])
def test_an_unknown_user_has_a_home_among_the_temporary_files(tmp_path, home) -> None:
    done = run_as_nobody(["-c", TELLS], tmp_path, home)
    assert done.returncode == 0, done.stderr
    made, expanded, of_pathlib, name = done.stdout.split()
    assert made == expanded == of_pathlib
    assert Path(made).parent == tmp_path
    assert Path(made).stat().st_mode & 0o777 == 0o700
    assert name == "uid54321"
    assert "Set HOME" in done.stderr
    again = run_as_nobody(["-c", TELLS], tmp_path, home)
    assert again.stdout == done.stdout


def test_an_unknown_user_keeps_the_home_that_is_named(tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    done = run_as_nobody(["-c", TELLS], tmp_path, str(tmp_path / "mine"))
    assert done.stdout.split() == [str(tmp_path / "mine")] * 3 + ["uid54321"]
    assert done.stderr == ""


def test_a_known_user_is_at_home(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert location.home() == tmp_path
    assert Path(os.environ["HOME"]) == tmp_path
    assert location.expand_user("~/x") == tmp_path / "x"
    with raises(InputError, path="~nobody-of-that-name/x", problem="missing"):
        location.expand_user("~nobody-of-that-name/x")


def test_a_folder_that_another_made_is_no_home(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(location.tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"gensr_pref-uid{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    assert location._temporary_home().resolve() != tmp_path / "elsewhere"


TRAIN = {
    "recipe": "pretrain", "rooms": 0, "seconds": 1.0, "pool": 2, "batch": 2, "steps": 1,
    "speech": [{"source": {"kind": "folder", "path": str(SAMPLE / "speech")}}],
    "degrade": {"noise": {"source": {"kind": "folder", "path": str(SAMPLE / "noise")}}},
    "model": {"paradigm": "fm", "encoder_width": 8, "encoder_dilations": [1],
              "velocity_width": 8, "velocity_dilations": [1]},
}  # fmt: skip


@pytest.mark.slow
def test_an_unknown_user_trains_restores_and_exports(tmp_path) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(TRAIN), encoding="utf-8")
    (tmp_path / "run.yaml").write_text(
        yaml.safe_dump({
            "corpus": {"source": TRAIN["speech"][0]["source"], "limit": 2,
                       "degrade": TRAIN["degrade"]},
            "generators": [{"use": "fm-tiny", "options": {"checkpoint": "out"}, "candidates": 3}],
            "panel": [{"metric": "si_sdr"}, {"metric": "stoi"}],
            "pairing": {"rule": "golden"},
            "engine": {"kind": "serial"},
        }),
        encoding="utf-8",
    )  # fmt: skip
    for words in (
        ["train", "recipe.yaml", "--out", "out"],
        ["build", "run.yaml", "--out", "run"],
        ["audit", "run"],
        ["export", "run", "exported"],
        ["fetch"],
    ):
        finish(**as_nobody(["-m", "gensr_pref.cli", *words], tmp_path))
    assert not (tmp_path / "~").exists()
