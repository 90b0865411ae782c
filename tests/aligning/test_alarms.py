"""Tests of the alarms about known failures of preference training."""

import pytest

from gensr_pref.aligning.alarms import Alarms

HEALTHY = {"accuracy": 0.6, "reward_chosen": 0.1, "margin": 0.3}


def test_healthy_means_raise_no_alarm() -> None:
    alarms = Alarms()
    assert alarms.check_training(HEALTHY, 0.1) == []
    assert alarms.raised == {}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"accuracy": 0.97}, "saturated"),
        ({"reward_chosen": -2}, "chosen_falls"),
        ({"margin": 11}, "exploded"),
    ],
)
def test_each_failure_raises_its_alarm_once(change, name) -> None:
    alarms = Alarms()
    [text] = alarms.check_training(HEALTHY | change, 0.1)
    assert alarms.raised == {name: text}
    assert alarms.check_training(HEALTHY | change, 0.15) == []


def test_a_high_accuracy_late_in_training_is_no_alarm() -> None:
    assert Alarms().check_training(HEALTHY | {"accuracy": 0.97}, 0.9) == []


def test_chance_on_held_out_pairs_raises_an_alarm_if_training_pairs_were_learnt() -> None:
    alarms = Alarms()
    [text] = alarms.check_held_out(0.55, 200, 0.9)
    assert alarms.raised == {"chance": text}


@pytest.mark.parametrize(
    ("accuracy", "clips", "training"),
    [
        (0.55, 200, 0.6),  # the training pairs were not memorised either
        (0.60, 200, 0.9),  # above chance
        (0.55, 40, 0.9),  # too few clips to exclude a useful accuracy
        (0.55, 0, 0.9),
    ],
)
def test_no_chance_alarm_without_evidence(accuracy, clips, training) -> None:
    assert Alarms().check_held_out(accuracy, clips, training) == []
