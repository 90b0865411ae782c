"""Policies against a base: by SciPy's bootstrap, by plain loops, and by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import bootstrap

from gensr_pref.audit.policies import Measured, compared, resampled_means, unanimous

BASE, POLICY = 0, 1


def measured(value, higher=None, votes=None, ties=None, samples=None, speakers=None):
    """Of values [L, C, N, M]; everything votes unless told otherwise."""
    value = np.asarray(value, dtype=float)
    models, clips, count, scores = value.shape
    flags = [np.ones(scores, bool) if flag is None else np.array(flag) for flag in (higher, votes)]
    return Measured(
        value,
        samples or [count] * models,
        np.zeros((clips, scores)),
        ["base", *(f"policy@{k}" for k in range(1, models))],
        [f"s{k}" for k in range(scores)],
        *flags,
        np.zeros(scores, bool) if ties is None else np.array(ties),
        speakers or [None] * clips,
    )


def against_base(of, members=(POLICY,), score="s0", **options):
    found = compared(of, {"base": [BASE], "policy": list(members)}, "base", **options)
    return found["policies"]["policy"]["scores"][score]


def drawn(models=2, clips=60, samples=4, scores=1, seed=0):
    rng = np.random.default_rng(seed)
    of_clip = rng.normal(3, 0.5, (1, clips, 1, scores))
    better = np.arange(models)[:, None, None, None] * 0.05
    return of_clip + better + rng.normal(0, 0.2, (models, clips, samples, scores))


def test_the_interval_is_scipys_paired_bootstrap():
    value = drawn()
    told = against_base(measured(value))
    base, policy = value[..., 0].mean(axis=2)
    scipys = bootstrap(
        (policy, base), lambda a, b, axis: np.mean(a - b, axis=axis), paired=True,
        method="percentile", n_resamples=10_000, rng=np.random.default_rng(5),
    )  # fmt: skip
    difference, low, high = told["difference"]
    assert difference == pytest.approx((policy - base).mean())
    assert low == pytest.approx(scipys.confidence_interval.low, abs=0.002)
    assert high == pytest.approx(scipys.confidence_interval.high, abs=0.002)
    assert high - low > 0.03  # so that 0.002 means something
    assert told["mean"] == pytest.approx(policy.mean())


def test_pairing_takes_out_what_the_clips_have_in_common():
    """Clips that differ much and samples that hardly do: a narrow interval."""
    value = drawn() + np.random.default_rng(1).normal(0, 5, (1, 60, 1, 1))
    _, low, high = against_base(measured(value))["difference"]
    assert high - low < 0.15


def test_a_larger_run_than_there_are_bundles_has_scipys_interval_too():
    value = drawn(clips=2500, samples=1)
    _, low, high = against_base(measured(value), rounds=4000)["difference"]
    difference = value[1, :, 0, 0] - value[0, :, 0, 0]
    half = 1.96 * difference.std(ddof=1) / np.sqrt(2500)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_members_are_averaged_and_redrawn():
    """Three seeds of a policy: their mean, each one's difference, their spread, and loops."""
    value = drawn(models=4, clips=30)
    value[3] += 0.4  # one seed apart from the others
    told = against_base(measured(value), members=(1, 2, 3))
    per_clip = value[..., 0].mean(axis=2)
    each = (per_clip[1:] - per_clip[0]).mean(axis=1)
    assert told["seeds"] == pytest.approx(each)
    assert told["spread"] == pytest.approx(each.std(ddof=1))
    rng = np.random.default_rng(9)
    draws = []
    for _ in range(4000):
        clips = rng.integers(30, size=30)
        seeds = rng.integers(1, 4, size=3)
        draws.append(np.mean([(per_clip[s] - per_clip[0])[clips].mean() for s in seeds]))
    difference, low, high = told["difference"]
    assert difference == pytest.approx(each.mean())
    assert [low, high] == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.015)
    one = against_base(measured(value), members=(1,))["difference"]
    assert high - low > 1.5 * (one[2] - one[1])  # the seeds' spread is in it


def test_a_base_of_several_members_is_their_mean():
    value = drawn(models=3, clips=10)
    found = compared(measured(value), {"base": [0, 1], "policy": [2]}, "base")
    mean = value[..., 0].mean(axis=(1, 2))
    told = found["policies"]["policy"]["scores"]["s0"]
    assert told["difference"][0] == pytest.approx(mean[2] - (mean[0] + mean[1]) / 2)


def test_speakers_are_drawn_and_then_their_clips():
    rng = np.random.default_rng(2)
    speakers = np.repeat(["a", "b", "c", "d", "e"], [3, 9, 4, 6, 8])
    value = rng.normal(size=(30, 1)) + 2 * (speakers == "b")[:, None]
    draws = []
    for _ in range(4000):
        clips = []
        for one in rng.choice(list("abcde"), size=5):
            own = np.flatnonzero(speakers == one)
            clips += list(rng.choice(own, size=len(own)))
        draws.append(value[clips].mean())
    found = resampled_means(value, list(speakers), 4000)[:, 0]
    at = [0.025, 0.25, 0.5, 0.75, 0.975]
    assert np.quantile(found, at) == pytest.approx(np.quantile(draws, at), abs=0.12)
    alone = resampled_means(value, None, 4000)[:, 0]
    assert found.std() > 1.3 * alone.std()


def test_clips_of_unknown_speakers_are_speakers_of_their_own():
    value = np.random.default_rng(3).normal(size=(40, 1))
    unknown = resampled_means(value, [None] * 40, 4000)[:, 0]
    apart = resampled_means(value, [f"{k}" for k in range(40)], 4000)[:, 0]
    together = resampled_means(value, ["one"] * 40, 4000)[:, 0]
    assert unknown.std() == pytest.approx(apart.std(), rel=0.1)
    assert together.std() == pytest.approx(value.std() / np.sqrt(40), rel=0.1)


def test_win_rates_by_hand():
    #                clip 0      clip 1
    base = [[[3.0], [2.0]], [[1.0], [4.0]]]
    policy = [[[3.5], [2.0]], [[0.5], [5.0]]]  # win, tie; loss, win
    told = against_base(measured([base, policy]))
    assert (told["wins"], told["ties"], told["losses"]) == (0.5, 0.25, 0.25)
    assert told["win_rate"][0] == 0.625
    lower = against_base(measured([base, policy], higher=[False]))
    assert (lower["wins"], lower["losses"]) == (0.25, 0.5)
    assert lower["difference"] == told["difference"]  # in the score's unit, whatever is better


def test_unanimous_win_rates_by_hand():
    base = [[[1.0, 1.0, 1.0]] * 5]
    policy = [[[2.0, 2.0, 0.0], [2.0, 1.0, 9.0], [1.0, 1.0, 9.0], [0.0, 1.0, 9.0], [2.0, 0.0, 9.0]]]
    of = measured([base, policy], votes=[True, True, False], ties=[False, True, True])
    # better and better; better and a tie that is allowed; equal; worse and a tie; split
    assert unanimous(of, [1], [0]) == {"wins": 0.4, "losses": 0.2, "comparisons": 5}
    strict = replace(of, ties=np.array([False, False, False]))
    assert unanimous(strict, [1], [0]) == {"wins": 0.2, "losses": 0.0, "comparisons": 5}
    nothing = replace(of, votes=np.array([False, False, False]))
    assert unanimous(nothing, [1], [0])["wins"] is None


def test_a_clip_on_which_one_fails_leaves_for_all():
    value = drawn(models=3, clips=8, scores=2)
    value[2, 5, 1, 0] = np.nan  # one sample, of the policy that is not looked at
    of = measured(value)
    found = compared(of, {"base": [0], "policy": [1], "other": [2]}, "base")
    assert [(one["clips"], one["left_out"]) for one in found["scores"]] == [(7, 1), (8, 0)]
    kept = np.delete(value[..., 0], 5, axis=1).mean(axis=(1, 2))
    for place, name in enumerate(("base", "policy", "other")):
        assert found["policies"][name]["scores"]["s0"]["mean"] == pytest.approx(kept[place])
    assert found["policies"]["policy"]["unanimous"]["comparisons"] == 7 * 4


def test_samples_that_were_not_asked_for_are_no_failures():
    value = drawn(models=2, clips=6)
    value[1, :, 1:] = np.nan
    told = against_base(measured(value, samples=[4, 1]))
    assert told["mean"] == pytest.approx(value[1, :, 0].mean())
    assert told["wins"] == pytest.approx((value[1, :, 0] > value[0, :, 0]).mean())


def test_the_same_model_differs_in_nothing():
    value = drawn(models=1)
    told = against_base(measured(np.concatenate([value, value])))
    assert told["difference"] == [0, 0, 0]
    assert told["ties"] == 1
    assert told["win_rate"] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("clips", [0, 1])
def test_fewer_than_two_clips_have_no_interval(clips):
    value = drawn(clips=3)
    value[0, clips:] = np.nan
    told = against_base(measured(value))
    assert told.get("difference") is None
    assert (told["mean"] is None) == (clips == 0)


def test_the_seed_repeats_and_matters_little():
    of = measured(drawn())
    assert against_base(of, seed=1) == against_base(of, seed=1)
    a, b = (against_base(of, seed=seed)["difference"] for seed in (1, 2))
    assert a != b
    assert a == pytest.approx(b, abs=0.003)
