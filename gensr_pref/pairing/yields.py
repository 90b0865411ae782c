"""How many clips have a pair: under the rule, under one vote alone, and by luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gensr_pref.config import Pairing
from gensr_pref.identity import rng_for
from gensr_pref.pairing.base import Ballot, PairRule, Scores, Vote
from gensr_pref.pairing.pairs import judged


def joint(ballots: Sequence[Ballot], rule: PairRule, pairing: Pairing) -> int:
    """How many clips have at least one pair."""
    return sum(bool(judged(ballot, rule, pairing)) for ballot in ballots)


def alone(ballots: Sequence[Ballot], rule: PairRule, pairing: Pairing, score: str) -> int:
    """The same if only one score voted."""
    return joint([_only(ballot, score) for ballot in ballots], rule, pairing)


def by_chance(
    ballots: Sequence[Ballot], rule: PairRule, pairing: Pairing, rounds: int = 20
) -> float:
    """The same if the scores knew nothing of each other.

    Every score is shuffled among a clip's candidates, apart from the others; nulls move along.
    The mean over `rounds` shuffles, each seeded by its number and the clip's.
    """
    shuffled = (
        [_shuffled(ballot, turn, place) for place, ballot in enumerate(ballots)]
        for turn in range(rounds)
    )
    return float(np.mean([joint(one, rule, pairing) for one in shuffled]))


def _only(ballot: Ballot, score: str) -> Ballot:
    votes: list[Vote] = [replace(vote, votes=vote.score == score) for vote in ballot.votes]
    return replace(ballot, votes=votes)


def _shuffled(ballot: Ballot, turn: int, place: int) -> Ballot:
    rng = rng_for(turn, "chance", place)
    mixed: Scores = ballot.scores.copy()
    label = np.array(ballot.generators)
    for name in np.unique(label):
        rows = np.flatnonzero(label == name)
        mixed[rows] = rng.permuted(mixed[rows], axis=0)
    return replace(ballot, scores=mixed)
