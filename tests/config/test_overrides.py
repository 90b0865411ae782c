"""Tests of ``key=value`` assignments to nested data."""

import pytest

from gensr_pref.config.overrides import override
from gensr_pref.errors import ConfigError
from tests.refusals import raises

DATA = {"corpus": {"source": {"path": "speech"}}, "panel": [{"metric": "dnsmos"}]}


def test_an_override_reaches_lists_and_adds_sections():
    changed = override(DATA, ["panel.0.vote=false", "corpus.degrade.reverb.probability=1"])
    assert changed["panel"][0]["vote"] is False
    assert changed["corpus"]["degrade"]["reverb"]["probability"] == 1
    assert "vote" not in DATA["panel"][0]
    assert "degrade" not in DATA["corpus"]


@pytest.mark.parametrize(
    ("assignment", "problem"),
    [
        ("corpus.limit", "missing"),
        ("panel.7.vote=true", "unknown"),
        ("seed.x=[", "unreadable"),
        ("corpus.source.path.deeper=1", "conflict"),
    ],
)
def test_a_bad_override_is_refused(assignment, problem):
    with raises(ConfigError, field="overrides", value=assignment, problem=problem):
        override(DATA, [assignment])


def test_one_text_is_no_list_of_overrides():
    with raises(ConfigError, field="overrides", value="seed=1", problem="invalid"):
        override(DATA, "seed=1")
