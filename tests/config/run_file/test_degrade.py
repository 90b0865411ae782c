"""Tests of the section of degradations: the probability of a step that is the only one."""

import pytest

from gensr_pref.config import run_file
from gensr_pref.errors import ConfigError
from tests.refusals import raises

NOISE = {"source": {"kind": "folder", "path": "noise"}}


@pytest.mark.parametrize(
    ("steps", "probability"),
    [
        ({"noise": NOISE}, 1.0),
        ({"noise": NOISE, "codec": None}, 1.0),
        ({"noise": {**NOISE, "probability": 0.5}}, 0.5),
        ({"noise": NOISE, "codec": {}}, 0.9),
    ],
)
def test_an_only_step_is_always_applied_unless_its_probability_is_set(steps, probability):
    degrade = run_file.parse(steps, run_file.Degrade, "test")
    assert degrade.noise.probability == probability
    written = degrade.model_dump(mode="json")
    assert run_file.parse(written, run_file.Degrade, "test") == degrade


def test_an_only_step_that_is_unknown_is_named():
    with raises(ConfigError, field="nois", value="nois", problem="unknown"):
        run_file.parse({"nois": NOISE}, run_file.Degrade, "test")
