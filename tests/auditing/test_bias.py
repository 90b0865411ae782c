"""Tests of effect sizes against plain counting."""

import numpy as np
import pytest

from gensr_pref.auditing.bias import (
    cliffs_delta,
    cohens_d,
    property_differences,
    wins_across_generators,
)


def test_a_shift_of_half_a_deviation():
    rng = np.random.default_rng(0)
    chosen, rejected = rng.normal(0.5, 1, 4000), rng.normal(0, 1, 4000)
    (row,) = property_differences({"level": (chosen, rejected)}, np.arange(4000))
    assert row["cohens_d"] == pytest.approx(0.5, abs=0.06)
    assert row["cliffs_delta"] == pytest.approx(0.276, abs=0.05)  # 2 Phi(.5 / sqrt 2) - 1
    assert row["low"] < row["difference"] < row["high"]
    assert row["warns"]


def test_equal_distributions_do_not_warn():
    rng = np.random.default_rng(1)
    sides = {"level": (rng.normal(size=500), rng.normal(size=500))}
    assert not property_differences(sides, np.arange(500))[0]["warns"]


@pytest.mark.parametrize("spread", [0.0, 1.0])
@pytest.mark.parametrize(("clips", "harmless"), [(7, False), (60, False), (3000, True)])
def test_harmless_needs_evidence_of_a_small_difference(clips, harmless, spread):
    """Absence of evidence is not evidence of absence, whether the values vary or never do."""
    rng = np.random.default_rng(5)
    rejected = rng.normal(size=clips)
    chosen = rejected + spread * rng.normal(size=clips)
    (row,) = property_differences({"level": (chosen, rejected)}, np.arange(clips))
    assert (row["warns"], row["harmless"]) == (False, harmless)


def test_pairs_of_one_clip_count_as_one_cluster():
    chosen, rejected = np.ones(60), np.zeros(60)
    (row,) = property_differences({"level": (chosen, rejected)}, np.repeat(np.arange(6), 10))
    assert (row["pairs"], row["clips"], row["warns"]) == (60, 6, False)


def test_a_large_effect_on_few_pairs_does_not_warn():
    sides = {"level": (np.array([1.0, 4.0, 0.0]), np.array([0.0, 0.0, 2.0]))}
    (row,) = property_differences(sides, np.arange(3))
    assert row["cohens_d"] > 0.2
    assert not row["warns"]


def test_a_clear_effect_that_is_tiny_does_not_warn():
    rng = np.random.default_rng(2)
    rejected = rng.normal(size=4000)
    gap = np.where(rng.random(4000) < 0.55, 0.1, -0.02)
    (row,) = property_differences({"level": (rejected + gap, rejected)}, np.arange(4000))
    assert row["low"] > 0
    assert row["cohens_d"] < 0.2
    assert row["cliffs_delta"] < 0.147
    assert not row["warns"]


def test_constant_and_unknown_properties():
    same, gone = np.ones(5), np.full(5, np.nan)
    row, none = property_differences({"rate": (same, same), "steps": (gone, same)}, np.arange(5))
    assert (row["cohens_d"], row["cliffs_delta"], row["warns"]) == (0, 0, False)
    assert not row["harmless"]  # five pairs are too few for a verdict
    assert (none["pairs"], none["cohens_d"], none["warns"]) == (0, None, False)
    assert cohens_d(same + 1, same) is None
    assert cohens_d(same[:1], same[:1]) is None


def test_delta_counts_signs():
    assert cliffs_delta(np.array([2.0, 1, 1, 0]), np.array([1.0, 1, 0, 1])) == pytest.approx(0.25)


def test_wins_are_counted_in_pairs_of_two_generators():
    chosen, rejected = np.array(["a", "a", "b", "a"]), np.array(["b", "b", "a", "a"])
    assert wins_across_generators(chosen, rejected) == [
        {"generator": "a", "pairs": 3, "chosen": pytest.approx(2 / 3)},
        {"generator": "b", "pairs": 3, "chosen": pytest.approx(1 / 3)},
    ]
