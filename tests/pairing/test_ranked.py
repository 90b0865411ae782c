"""Tests of `top_bottom`, `weighted` and `golden`, by hand and against per-clip loops."""

import numpy as np
import pytest

from gensr_pref.config.run_file import Pairing
from gensr_pref.errors import ConfigError
from gensr_pref.identity import clean_id, is_clean
from gensr_pref.pairing.base import Ballot, NoPairReason, Pairwise, Vote
from gensr_pref.pairing.columns import add_clean_targets, columns
from gensr_pref.pairing.golden import golden
from gensr_pref.pairing.pairs import make_pairs, pair_clips
from gensr_pref.pairing.ranked import top_bottom, weighted
from gensr_pref.pairing.unanimous import unanimous
from gensr_pref.pairing.votes import apply_pairing_settings
from tests.pairing.test_pairs import PANEL, table
from tests.refusals import raises

RULES = {"unanimous": unanimous, "top_bottom": top_bottom, "weighted": weighted}
TOP = {"rule": "top_bottom", "score": "ovrl"}
SUM = {"rule": "weighted", "weights": {"ovrl": 1.0, "sim": 2.0, "wer": 0.5}}


def one_vote(values, **kwargs):
    scores = np.array(values, dtype=float)[:, None]
    return Ballot(scores, ["g"] * len(values), [Vote("q", True, True, **kwargs)], np.ones(1))


def rows_of(pairs):
    return [(pair.chosen, pair.rejected) for pair in pairs]


def test_best_is_paired_with_worst():
    assert rows_of(top_bottom(one_vote([2, 9, 1, 5]), Pairing(rule="top_bottom"))) == [(1, 2)]


def test_each_of_the_best_is_paired_with_each_of_the_worst():
    pairing = Pairing(rule="top_bottom", extremes=2, pairs_per_clip=9)
    pairs = rows_of(top_bottom(one_vote([2, 9, 1, 5, 4]), pairing))
    assert pairs == [(1, 2), (1, 0), (3, 2), (3, 0)]


def test_small_clips_never_pair_a_candidate_with_itself_or_upwards():
    pairing = Pairing(rule="top_bottom", extremes=3, pairs_per_clip=9)
    pairs = rows_of(top_bottom(one_vote([1, 2, 2]), pairing))
    assert set(pairs) == {(1, 0), (2, 0)}


def test_top_bottom_keeps_margin_and_floor():
    assert top_bottom(one_vote([1, 1.5], margin=0.5), Pairing(rule="top_bottom")) == []
    assert top_bottom(one_vote([1, 2], floor=3), Pairing(rule="top_bottom")) == []
    assert top_bottom(one_vote([1, 1]), Pairing(rule="top_bottom")) == []


def test_weighted_sum_in_raw_units_is_the_composite_reward():
    votes = [Vote("ovrl", True, True), Vote("wer", False, True), Vote("utmos", True, True)]
    scores = np.array([[3.0, 0.2, 2.0], [2.5, 0.0, 2.4], [2.0, 0.1, 2.0]])
    reward = scores[:, 0] + (1 - scores[:, 1]) + scores[:, 2]
    here = Ballot(scores, ["g"] * 3, votes, np.array([0.1, 5.0, 2.0]))
    (pair,) = weighted(here, Pairing(rule="weighted", units="raw"))
    assert (pair.chosen, pair.rejected) == (reward.argmax(), reward.argmin())
    assert pair.strength == pytest.approx(np.ptp(reward))


def test_units_of_spread_remove_the_scale_of_a_score():
    votes = [Vote("small", True, True), Vote("large", True, True)]
    here = Ballot(np.array([[1.0, 0.0], [0.0, 50.0]]), ["g"] * 2, votes, np.array([0.1, 100.0]))
    assert rows_of(weighted(here, Pairing(rule="weighted", units="raw"))) == [(1, 0)]
    assert rows_of(weighted(here, Pairing(rule="weighted"))) == [(0, 1)]


def test_gap_is_exclusive():
    assert weighted(one_vote([1.0, 3.0]), Pairing(rule="weighted", gap=2.0)) == []
    assert weighted(one_vote([1.0, 3.0]), Pairing(rule="weighted", gap=1.9))


def per_clip(scores, generators, votes, rule, pairing):
    """The rule called clip by clip, as one of a user's own would be."""
    return make_pairs(scores, generators, votes, lambda ballot, p: rule(ballot, p), pairing)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"pairs_per_clip": 3, "across_generators": True},
        {"margin": {"ovrl": 0.25}, "max": {"wer": 1.0}},
        {**TOP},
        {**TOP, "extremes": 2, "pairs_per_clip": 4, "across_generators": True},
        {**SUM, "pairs_per_clip": 2},
        {**SUM, "units": "raw", "gap": 1.0, "across_generators": True},
    ],
)
def test_whole_tables_equal_clip_by_clip(seed, settings):
    scores, generators = table(seed)
    pairing = Pairing(**settings)
    votes, rule = apply_pairing_settings(PANEL, pairing), RULES[pairing.rule]
    rows = make_pairs(scores, generators, votes, rule, pairing)
    assert rows
    assert rows == per_clip(scores, generators, votes, rule, pairing)


@pytest.mark.parametrize("seed", range(3))
def test_top_bottom_is_a_sort(seed):
    scores, generators = table(seed)
    pairing = Pairing(**TOP, across_generators=True)
    rows = make_pairs(
        scores, generators, apply_pairing_settings(PANEL, pairing), top_bottom, pairing
    )
    frame = scores.to_pandas()
    frame = frame[frame.candidate_id.isin(generators) & frame.ovrl.notna()]
    for row in rows:
        clip = frame[frame.clip_id == row["clip_id"]].set_index("candidate_id").ovrl
        assert clip[row["chosen_id"]] == clip.max()
        assert clip[row["rejected_id"]] == clip.min()
    ranged = frame.groupby("clip_id").ovrl.agg(lambda s: s.max() > s.min())
    assert {row["clip_id"] for row in rows} == set(ranged.index[ranged])


def test_clips_of_a_table_in_any_order():
    scores, generators = table(0)
    votes = apply_pairing_settings(PANEL, Pairing())
    order = np.random.default_rng(0).permutation(scores.num_rows)
    plain = make_pairs(scores, generators, votes, unanimous, Pairing())
    mixed = make_pairs(scores.take(order), generators, votes, unanimous, Pairing())
    assert sorted(row["pair_id"] for row in mixed) == sorted(row["pair_id"] for row in plain)


def test_golden_pairs_the_clean_target_with_candidates_in_order():
    scores, generators = table(0, clips=3, candidates=2)
    pairing = Pairing(rule="golden", pairs_per_clip=2)
    votes = apply_pairing_settings(PANEL, pairing)
    rows = make_pairs(scores, generators, votes, golden, pairing, ["c0", "c2"])
    assert [row["clip_id"] for row in rows] == ["c0", "c0", "c2", "c2"]
    assert [row["chosen_id"] for row in rows[:2]] == [clean_id("c0")] * 2
    assert all(is_clean(row["chosen_id"]) for row in rows)
    assert [row["rejected_id"] for row in rows[:2]] == ["c0/a/0", "c0/b/1"]
    assert all(margin is None for margin in rows[0]["margins"].values())
    made = pair_clips(
        add_clean_targets(columns(scores, generators, votes), ["c0", "c2"]), golden, pairing
    )
    assert made.reasons == {NoPairReason.NO_CLEAN: 1}


def test_a_user_pairwise_rule_is_callable_per_clip():
    mine = Pairwise(unanimous.judge)
    assert rows_of(mine(one_vote([1, 3]), Pairing())) == [(1, 0)]


NULL = float("nan")
REASONS = [
    (NoPairReason.VETO, [[1, 2], [2, 1]], {}),
    (NoPairReason.TIE, [[2, 1], [1, 1]], {}),
    (NoPairReason.TIE, [[1, 1], [1, 1]], {}),
    (NoPairReason.MARGIN, [[2, 1.5], [1, 1]], {"margin": {"sim": 0.5}}),
    (NoPairReason.BOUND, [[2, 2], [1, 1]], {"min": {"sim": 3}}),
    (NoPairReason.NULL, [[2, NULL], [1, 1]], {}),
    (NoPairReason.ONE_CANDIDATE, [[2, 2]], {}),
]


@pytest.mark.parametrize(("reason", "values", "settings"), REASONS)
def test_every_clip_without_a_pair_has_its_reason(reason, values, settings):
    made = stops(values, ["a"] * len(values), Pairing(**settings))
    assert made == {reason: 1}


def test_the_nearest_miss_is_the_reason():
    assert stops([[1, 2], [2, 1], [2, 1]], ["a"] * 3, Pairing()) == {NoPairReason.TIE: 1}


def test_candidates_of_different_generators():
    assert stops([[2, 2], [1, 1]], ["a", "b"], Pairing()) == {NoPairReason.GENERATORS: 1}


def test_a_user_rule_that_gives_no_pair():
    def never(ballot, pairing):
        return []

    assert stops([[2, 2], [1, 1]], ["a", "a"], Pairing(), never) == {NoPairReason.RULE: 1}


def stops(values, labels, pairing, rule=unanimous):
    import pyarrow as pa

    panel = [Vote("ovrl", True, True), Vote("sim", True, True)]
    rows = [
        {"candidate_id": f"c/{label}/{k}", "clip_id": "c", "ovrl": one, "sim": two}
        for k, (label, (one, two)) in enumerate(zip(labels, values, strict=True))
    ]
    scores = pa.Table.from_pylist(rows)
    generators = {row["candidate_id"]: label for row, label in zip(rows, labels, strict=True)}
    candidates = columns(scores, generators, apply_pairing_settings(panel, pairing))
    return dict(pair_clips(candidates, rule, pairing).reasons)


@pytest.mark.parametrize(
    ("settings", "field", "value", "problem"),
    [
        ({"rule": "top_bottom"}, "score", ["ovrl", "sim", "wer"], "conflict"),
        ({"rule": "top_bottom", "score": "ovlr"}, "score", "ovlr", "unknown"),
        ({"rule": "weighted", "weights": {"ovlr": 1}}, "weights.ovlr", "ovlr", "unknown"),
        ({"rule": "weighted", "margin": {"ovrl": 1}}, "margin", {"ovrl": 1}, "unsupported"),
        ({"score": "ovrl"}, "score", "ovrl", "unsupported"),
        ({"rule": "golden", "votes": ["ovrl"]}, "votes", ["ovrl"], "unsupported"),
        ({"extremes": 2}, "extremes", 2, "unsupported"),
        (
            {"rule": "top_bottom", "score": "ovrl", "margin": {"sim": 1}},
            "margin.sim", "sim", "conflict",
        ),
    ],
)  # fmt: skip
def test_settings_without_effect_are_refused(settings, field, value, problem):
    with raises(ConfigError, field=f"pairing.{field}", value=value, problem=problem):
        apply_pairing_settings(PANEL, Pairing(**settings))


def test_a_user_rule_may_read_any_setting():
    assert apply_pairing_settings(PANEL, Pairing(rule="mine:rule", extremes=3, gap=1.0))
