"""Tests of comparing policies with a base, against SciPy's intervals and by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from gensr_pref.auditing.policy_comparison import PolicyScores, compare_policies, unanimous_wins

BASE, POLICY = 0, 1


def measured(value, higher=None, votes=None, ties=None, samples=None, speakers=None):
    """Return the scores of values [L, C, N, M]; by default, every score votes."""
    value = np.asarray(value, dtype=float)
    models, clips, count, scores = value.shape
    flags = [np.ones(scores, bool) if flag is None else np.array(flag) for flag in (higher, votes)]
    return PolicyScores(
        value,
        samples or [count] * models,
        np.zeros((clips, scores)),
        ["base", *(f"policy@{k}" for k in range(1, models))],
        [f"s{k}" for k in range(scores)],
        *flags,
        np.zeros(scores, bool) if ties is None else np.array(ties),
        speakers or [None] * clips,
    )


def against_base(scores, members=(POLICY,), score="s0", **options):
    result = compare_policies(scores, {"base": [BASE], "policy": list(members)}, "base", **options)
    return result["policies"]["policy"]["scores"][score]


def drawn(models=2, clips=60, samples=4, scores=1, seed=0):
    rng = np.random.default_rng(seed)
    of_clip = rng.normal(3, 0.5, (1, clips, 1, scores))
    better = np.arange(models)[:, None, None, None] * 0.05
    return of_clip + better + rng.normal(0, 0.2, (models, clips, samples, scores))


def test_interval_is_students_of_paired_differences():
    value = drawn()
    result = against_base(measured(value))
    base, policy = value[..., 0].mean(axis=2)
    scipys = stats.ttest_rel(policy, base).confidence_interval()
    difference, low, high = result["difference"]
    assert difference == pytest.approx((policy - base).mean())
    assert [low, high] == pytest.approx([scipys.low, scipys.high], abs=0.002)
    assert high - low > 0.03  # so that 0.002 means something
    assert result["mean"] == pytest.approx(policy.mean())


def test_pairing_removes_the_variance_that_clips_share():
    """Clips that differ much and samples that hardly do: a narrow interval."""
    value = drawn() + np.random.default_rng(1).normal(0, 5, (1, 60, 1, 1))
    _, low, high = against_base(measured(value))["difference"]
    assert high - low < 0.15


def test_a_run_with_more_clips_than_bundles_has_scipys_interval():
    value = drawn(clips=2500, samples=1)
    _, low, high = against_base(measured(value))["difference"]
    difference = value[1, :, 0, 0] - value[0, :, 0, 0]
    half = 1.96 * difference.std(ddof=1) / np.sqrt(2500)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_members_are_averaged_and_their_variance_counts():
    """Three seeds of a policy: their mean, each one's difference, their spread."""
    value = drawn(models=4, clips=30)
    value[3] += 0.4  # one seed apart from the others
    result = against_base(measured(value), members=(1, 2, 3))
    per_clip = value[..., 0].mean(axis=2)
    each = (per_clip[1:] - per_clip[0]).mean(axis=1)
    assert result["seeds"] == pytest.approx(each)
    assert result["spread"] == pytest.approx(each.std(ddof=1))
    difference, low, high = result["difference"]
    assert difference == pytest.approx(each.mean())
    assert high - low > 2 * 1.96 * each.std(ddof=1) / np.sqrt(3)
    single = against_base(measured(value), members=(1,))["difference"]
    assert high - low > 1.5 * (single[2] - single[1])  # the seeds' spread is in it


def test_a_base_of_several_members_is_their_mean():
    value = drawn(models=3, clips=10)
    result = compare_policies(measured(value), {"base": [0, 1], "policy": [2]}, "base")
    mean = value[..., 0].mean(axis=(1, 2))
    result = result["policies"]["policy"]["scores"]["s0"]
    assert result["difference"][0] == pytest.approx(mean[2] - (mean[0] + mean[1]) / 2)


def of_speakers(speakers):
    """Return interval widths over clips and over speakers; the policy suits some speakers more."""
    rng = np.random.default_rng(2)
    value = drawn(clips=len(speakers), seed=3)
    effect = np.array([0 if name is None else ord(name) - ord("c") for name in speakers])
    value[1] += (effect + rng.normal(0, 0.1, len(speakers)))[:, None, None]
    scores = measured(value, speakers=speakers)
    clips, speakers = (against_base(scores, by_speaker=by)["difference"] for by in (False, True))
    return clips[2] - clips[1], None if speakers[1] is None else speakers[2] - speakers[1]


def test_intervals_over_speakers_include_their_variance():
    clips, speakers = of_speakers(list("abcde" * 6))
    assert speakers > 1.8 * clips


def test_each_unknown_speaker_is_a_separate_cluster():
    clips, speakers = of_speakers([None] * 30)
    assert speakers == pytest.approx(clips)


def test_one_speaker_has_no_interval_over_speakers():
    assert of_speakers(["a"] * 30)[1] is None


def test_number_of_clusters_is_reported():
    scores = measured(drawn(clips=6), speakers=["a", "b", "b", None, None, "a"])
    for by_speaker, clusters in ((False, 6), (True, 4)):
        result = compare_policies(scores, {"base": [0], "policy": [1]}, "base", by_speaker)
        assert result["scores"][0]["clusters"] == clusters


def test_win_rates_by_hand():
    #                clip 0      clip 1
    base = [[[3.0], [2.0]], [[1.0], [4.0]]]
    policy = [[[3.5], [2.0]], [[0.5], [5.0]]]  # win, tie; loss, win
    result = against_base(measured([base, policy]))
    assert (result["wins"], result["ties"], result["losses"]) == (0.5, 0.25, 0.25)
    assert result["win_rate"][0] == 0.625
    lower = against_base(measured([base, policy], higher=[False]))
    assert (lower["wins"], lower["losses"]) == (0.25, 0.5)
    assert lower["difference"] == result["difference"]  # in the score's unit, whatever is better


def test_unanimous_win_rates_by_hand():
    base = [[[1.0, 1.0, 1.0]] * 5]
    policy = [[[2.0, 2.0, 0.0], [2.0, 1.0, 9.0], [1.0, 1.0, 9.0], [0.0, 1.0, 9.0], [2.0, 0.0, 9.0]]]
    scores = measured([base, policy], votes=[True, True, False], ties=[False, True, True])
    # two wins; a win and an allowed tie; two ties; a loss and a tie; a win and a loss
    assert unanimous_wins(scores, [1], [0]) == {"wins": 0.4, "losses": 0.2, "comparisons": 5}
    strict = replace(scores, ties=np.array([False, False, False]))
    assert unanimous_wins(strict, [1], [0]) == {"wins": 0.2, "losses": 0.0, "comparisons": 5}
    nothing = replace(scores, votes=np.array([False, False, False]))
    assert unanimous_wins(nothing, [1], [0])["wins"] is None


def test_a_clip_on_which_one_model_fails_is_left_out_for_all():
    value = drawn(models=3, clips=8, scores=2)
    value[2, 5, 1, 0] = np.nan  # one sample, of the policy that is not looked at
    scores = measured(value)
    result = compare_policies(scores, {"base": [0], "policy": [1], "other": [2]}, "base")
    assert [(row["clips"], row["left_out"]) for row in result["scores"]] == [(7, 1), (8, 0)]
    kept = np.delete(value[..., 0], 5, axis=1).mean(axis=(1, 2))
    for index, name in enumerate(("base", "policy", "other")):
        assert result["policies"][name]["scores"]["s0"]["mean"] == pytest.approx(kept[index])
    assert result["policies"]["policy"]["unanimous"]["comparisons"] == 7 * 4


def test_samples_beyond_the_requested_number_are_not_failures():
    value = drawn(models=2, clips=6)
    value[1, :, 1:] = np.nan
    result = against_base(measured(value, samples=[4, 1]))
    assert result["mean"] == pytest.approx(value[1, :, 0].mean())
    assert result["wins"] == pytest.approx((value[1, :, 0] > value[0, :, 0]).mean())


def test_the_same_model_has_no_difference():
    value = drawn(models=1)
    result = against_base(measured(np.concatenate([value, value])))
    assert result["difference"] == [0, None, None]
    assert result["ties"] == 1
    rate, low, high = result["win_rate"]
    assert low < rate == 0.5 < high


@pytest.mark.parametrize("clips", [0, 1, 2])
def test_fewer_than_three_clips_have_no_interval(clips):
    value = drawn(clips=3)
    value[0, clips:] = np.nan
    result = against_base(measured(value))
    assert (result["mean"] is None) == (clips == 0)
    if clips:
        assert result["difference"][0] is not None
        assert result["difference"][1:] == result["win_rate"][1:] == [None, None]
