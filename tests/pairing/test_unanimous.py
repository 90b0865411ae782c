"""Tests of the unanimous rule on hand-made score tables."""

import numpy as np
import pytest

from gensr_pref.config.run_file import Pairing
from gensr_pref.pairing.base import Ballot, Pair, Vote, margins, spread
from gensr_pref.pairing.unanimous import compare_on_vote, unanimous

NAN = float("nan")


def ballot(scores, votes=None, generators=None, spreads=None):
    values = np.array(scores, dtype=float)
    votes = votes or [Vote(f"s{k}", True, True) for k in range(values.shape[1])]
    return Ballot(
        values,
        generators or ["g"] * len(values),
        votes,
        np.ones(values.shape[1]) if spreads is None else np.array(spreads, dtype=float),
    )


def pairs_of(scores, pairing=None, **kwargs):
    pairs = unanimous(ballot(scores, **kwargs), pairing or Pairing())
    return [(pair.chosen, pair.rejected) for pair in pairs]


def test_winner_on_every_score():
    assert pairs_of([[1, 1], [2, 2]]) == [(1, 0)]


def test_split_vote_gives_no_pair():
    assert pairs_of([[1, 2], [2, 1]]) == []


def test_lower_is_better_turns_the_vote():
    votes = [Vote("quality", True, True), Vote("wer", False, True)]
    assert pairs_of([[1, 0.1], [2, 0.5]], votes=votes) == []
    assert pairs_of([[2, 0.1], [1, 0.5]], votes=votes) == [(0, 1)]


def test_tie_prevents_a_pair_unless_allowed():
    scores = [[2, 0.5], [1, 0.5]]
    strict = [Vote("quality", True, True), Vote("wer", False, True)]
    lenient = [Vote("quality", True, True), Vote("wer", False, True, ties=True)]
    assert pairs_of(scores, votes=strict) == []
    assert pairs_of(scores, votes=lenient) == [(0, 1)]


def test_ties_alone_make_no_pair():
    votes = [Vote("wer", False, True, ties=True)]
    assert pairs_of([[0.5], [0.5]], votes=votes) == []


def test_allowed_tie_never_excuses_a_loss():
    votes = [Vote("quality", True, True), Vote("wer", False, True, ties=True)]
    assert pairs_of([[2, 0.6], [1, 0.5]], votes=votes) == []


def test_margin_is_exclusive():
    votes = [Vote("quality", True, True, margin=0.5)]
    assert pairs_of([[1.5], [1.0]], votes=votes) == []
    assert pairs_of([[1.5625], [1.0]], votes=votes) == [(0, 1)]


def test_difference_within_the_margin_is_a_tie():
    votes = [Vote("quality", True, True), Vote("wer", False, True, margin=0.25, ties=True)]
    assert pairs_of([[2, 0.75], [1, 0.5]], votes=votes) == [(0, 1)]
    assert pairs_of([[2, 1.0], [1, 0.5]], votes=votes) == []


def test_null_on_a_voting_score_forms_no_pair():
    assert pairs_of([[2, NAN], [1, 1]]) == []
    assert pairs_of([[2, 2], [1, NAN]]) == []
    assert pairs_of([[3, 3], [2, NAN], [1, 1]]) == [(0, 2)]


def test_null_on_a_score_that_does_not_vote_does_not_matter():
    votes = [Vote("quality", True, True), Vote("pesq", True, False)]
    assert pairs_of([[2, NAN], [1, 1]], votes=votes) == [(0, 1)]


def test_score_that_does_not_vote_does_not_prevent_a_pair():
    votes = [Vote("quality", True, True), Vote("pesq", True, False)]
    assert pairs_of([[2, 1], [1, 2]], votes=votes) == [(0, 1)]


def test_floor_and_ceiling_apply_to_chosen_only():
    floor = [Vote("sim", True, True, floor=0.5)]
    assert pairs_of([[0.6], [0.1]], votes=floor) == [(0, 1)]
    assert pairs_of([[0.4], [0.1]], votes=floor) == []
    ceiling = [Vote("wer", False, True, ceiling=0.2)]
    assert pairs_of([[0.2], [0.9]], votes=ceiling) == [(0, 1)]
    assert pairs_of([[0.3], [0.9]], votes=ceiling) == []


def test_null_does_not_satisfy_a_bound():
    votes = [Vote("quality", True, True), Vote("sim", True, False, floor=0.5)]
    assert pairs_of([[2, NAN], [1, 0.9]], votes=votes) == []


def test_pair_with_the_largest_smallest_margin_is_first():
    scores = [[0, 0], [5, 1], [2, 2]]
    assert pairs_of(scores)[0] == (2, 0)


def test_margins_are_compared_in_spreads():
    scores = [[0, 0], [5, 1], [2, 2]]
    assert pairs_of(scores, spreads=[10, 0.1])[0] == (1, 0)


def test_tied_score_does_not_weaken_a_pair():
    votes = [Vote("quality", True, True), Vote("wer", False, True, ties=True)]
    pairs = unanimous(ballot([[3, 0.5], [1, 0.5]], votes=votes), Pairing())
    assert pairs == [Pair(0, 1, 2.0)]


def test_pairs_per_clip_and_order_of_equal_pairs():
    scores = [[2, 2], [1, 1], [0, 0]]
    assert pairs_of(scores, Pairing(pairs_per_clip=9)) == [(0, 2), (0, 1), (1, 2)]


def test_generators_are_paired_only_if_allowed():
    scores = [[2, 2], [1, 1]]
    assert pairs_of(scores, generators=["a", "b"]) == []
    assert pairs_of(scores, Pairing(across_generators=True), generators=["a", "b"]) == [(0, 1)]


def test_margins_are_signed_towards_better_and_null_where_unknown():
    votes = [Vote("q", True, True), Vote("wer", False, False), Vote("pesq", True, False)]
    here = ballot([[2, 0.1, NAN], [1, 0.5, 1]], votes=votes)
    assert margins(here, Pair(0, 1, 1.0)) == [1.0, pytest.approx(0.4), None]


def test_one_candidate_and_none():
    assert pairs_of([[1, 1]]) == []
    assert unanimous(ballot(np.zeros((0, 2))), Pairing()) == []


def test_order_of_candidates_changes_names_only():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(8, 3))
    order = rng.permutation(8)
    plain = pairs_of(scores, Pairing(pairs_per_clip=99))
    shuffled = pairs_of(scores[order], Pairing(pairs_per_clip=99))
    assert {(order[a], order[b]) for a, b in shuffled} == set(plain)


def test_spread_is_within_groups():
    scores = np.array([[0.0, 1.0], [2.0, NAN], [10.0, 1.0], [14.0, 3.0]])
    groups = np.array([7, 7, 3, 3])
    expected_first = np.sqrt((1 + 4) / 2)  # variances 1 and 4
    expected_second = np.sqrt((0 + 1) / 2)
    assert spread(scores, groups) == pytest.approx([expected_first, expected_second])


@pytest.mark.parametrize(("ties", "preventing"), [(False, [0, 1, 2, 3, 4]), (True, [0])])
def test_a_vote_is_won_beyond_the_margin_and_prevents_a_pair_unless_won_or_tied(ties, preventing):
    outcome = compare_on_vote(np.array([-0.75, -0.5, 0.0, 0.25, 0.5, 0.75]), 0.5, ties)
    assert np.flatnonzero(outcome.won).tolist() == [5]
    assert np.flatnonzero(outcome.lost).tolist() == [0]
    assert np.flatnonzero(outcome.prevents).tolist() == preventing
