"""Tests of docs/pairing.md: its settings are valid, its rules run, its reasons are complete."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from gensr_pref.config import plugins
from gensr_pref.config.run_file import Pairing
from gensr_pref.pairing.base import NO_PAIR_REASONS, Ballot, NoPairReason, Pair, Vote
from gensr_pref.pairing.votes import apply_pairing_settings

PAGE = (Path(__file__).parents[2] / "docs" / "pairing.md").read_text(encoding="utf-8")
PANEL = [
    Vote("dnsmos_ovrl", True, True),
    Vote("speaker_similarity", True, True),
    Vote("wer", False, True, ties=True),
    Vote("utmos", True, True),
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_settings_are_allowed(text):
    pairing = Pairing(**yaml.safe_load(text)["pairing"])
    assert apply_pairing_settings(PANEL, pairing)
    assert plugins.find("rule", pairing.rule)


def test_example_rules_run():
    known: dict = {}
    for text in blocks("python"):
        exec(text, known)
    two = [Vote("a", True, True), Vote("b", True, True)]
    ballot = Ballot(np.array([[1.0, 2.0], [3.0, 4.0]]), ["g", "g"], two, np.ones(2))
    for rule in ("best_against_worst", "by_mean"):
        assert known[rule](ballot, Pairing()) == [Pair(1, 0, 2.0)]


def test_every_reason_is_explained():
    for stop in NoPairReason:
        assert f"`{stop}`" in PAGE
    assert list(NO_PAIR_REASONS) == list(NoPairReason)
