"""Tests of the lock file: it matches pyproject.toml and contains no addresses."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = [
    line
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
PINNED = {
    canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in map(Requirement, LOCK)
}
WANTED = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]


@pytest.mark.parametrize("wanted", WANTED)
def test_the_lock_holds_what_the_project_asks_for(wanted: str) -> None:
    requirement = Requirement(wanted)
    name = canonicalize_name(requirement.name)
    assert name in PINNED, "run `make lock`"
    assert requirement.specifier.contains(PINNED[name]), "run `make lock`"


def test_the_lock_is_pins_and_nothing_else() -> None:
    pin = re.compile(r"[a-z0-9][a-z0-9-]*==[\w.!+]+( ; [^/@]+)?")
    assert [line for line in LOCK if not pin.fullmatch(line)] == []


def test_torch_and_torchaudio_are_of_one_release() -> None:
    assert PINNED["torch"] == PINNED["torchaudio"]


def test_the_typing_backport_stays_out() -> None:
    assert "typing" not in PINNED
