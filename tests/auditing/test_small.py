"""Tests of leakage, audio statistics, means and the comparison of two audits."""

import numpy as np
import pytest

from gensr_pref.auditing.compare import compare_audits, flatten
from gensr_pref.auditing.means import improvement, mean_by_role
from gensr_pref.auditing.sound_properties import sound_properties
from gensr_pref.corpus.leakage import leakage

RATE = 16000


def test_leakage_names_who_is_on_both_sides():
    found = leakage(
        ["train", "train", "validation"],
        {"clip": ["a", "b", "c"], "speaker": ["x", None, "x"], "source": [None, None, None]},
    )
    assert found["clips"] == {"train": 2, "validation": 1}
    assert found["clip"] == {"shared": 0, "examples": []}
    assert found["speaker"] == {"shared": 1, "examples": ["x"]}
    assert found["source"]["shared"] == 0


def test_properties_of_a_tone_between_silences():
    time = np.arange(RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    wave = np.concatenate([np.zeros(RATE, dtype=np.float32), tone])
    found = sound_properties(wave, RATE)
    assert found["seconds"] == 2
    assert found["silence"] == pytest.approx(0.5)
    assert found["level_db"] == pytest.approx(20 * np.log10(0.5) - 3.01, abs=0.01)
    assert found["bandwidth_hz"] == pytest.approx(1000, abs=20)


@pytest.mark.parametrize("wave", [np.zeros(3200), np.zeros(5), np.ones(1)])
def test_properties_of_next_to_nothing_are_numbers(wave):
    found = sound_properties(wave.astype(np.float32), RATE)
    assert all(np.isfinite(value) for value in found.values())


def test_white_noise_fills_the_band():
    wave = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert sound_properties(wave, RATE)["bandwidth_hz"] == pytest.approx(0.99 * RATE / 2, rel=0.01)


def test_means_by_role():
    value = np.array([[1.0, np.nan], [3.0, 4.0]])
    found = mean_by_role({"noisy": value[:1], "chosen": value}, ["a", "b"])
    assert found == {"a": {"noisy": 1, "chosen": 2}, "b": {"noisy": None, "chosen": 4}}


def test_improvement_is_per_clip():
    value = np.array([[1.0], [2.0], [4.0], [0.0], [1.0]])
    clip, noisy = np.array([0, 0, 0, 1, 1]), np.array([True, False, False, True, False])
    found = improvement(value, clip, 3, noisy, ["a"])["a"]
    assert found.value == pytest.approx((2 + 1) / 2)
    assert (found.clusters, found.bounds) == (2, None)  # two clips have no interval
    value, clip = np.r_[value, [[0.0], [3.0]]], np.r_[clip, 2, 2]
    found = improvement(value, clip, 3, np.r_[noisy, True, False], ["a"])["a"]
    assert found.low < found.value == 2 < found.high


def test_numbers_of_an_audit_by_path():
    audit = {
        "a": {"b": 1, "c": None, "d": True, "e": "text"},
        "rows": [{"score": "x", "rate": 0.5}, {"scores": ["x", "y"], "tau": 1}],
        "bounds": [0.1, 0.2],
    }
    assert flatten(audit) == {
        "a.b": 1,
        "rows.x.rate": 0.5,
        "rows.x/y.tau": 1,
        "bounds.0": 0.1,
        "bounds.1": 0.2,
    }


def test_two_audits_side_by_side():
    def one(rate, low, high, joint):
        rows = [{"score": "pesq", "rate": rate, "low": low, "high": high}]
        of = {"joint": joint, "joint_interval": [joint - 0.1, joint + 0.1]}
        return {"run": "r", "rule": "unanimous", "hold_out": rows, "yield": of}

    told = compare_audits(one(0.6, 0.55, 0.65, 0.5), one(0.4, 0.3, 0.5, 0.55))
    assert told["numbers"]["hold_out.pesq.rate"]["difference"] == pytest.approx(-0.2)
    assert told["apart"] == ["hold_out.pesq.rate"]
    only = compare_audits({"x": 1}, {"y": 2})["numbers"]
    assert only["x"] == {"a": 1, "b": None, "difference": None}
    assert only["y"] == {"a": None, "b": 2, "difference": None}
