"""Counts the clips with a pair, and estimates this number by chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gensr_pref.config.run_file import Pairing
from gensr_pref.pairing.base import PairRule
from gensr_pref.pairing.columns import ScoreColumns
from gensr_pref.pairing.pairs import pair_clips

SHUFFLED_CLIPS = 40_000  # clips shuffled in all rounds together; more change the third digit
_MIN_ROUNDS, _MAX_ROUNDS = 2, 20


def clips_with_pair(candidates: ScoreColumns, rule: PairRule, pairing: Pairing) -> int:
    """Return the number of clips with at least one pair."""
    return len(np.unique(candidates.clip[pair_clips(candidates, rule, pairing).chosen]))


def chance_level(candidates: ScoreColumns, rule: PairRule, pairing: Pairing) -> float:
    """Return the mean number of clips with a pair if the scores are independent.

    Every score is shuffled separately among a clip's candidates of one generator that have all
    votes. The mean is over 20 seeded shuffles; fewer, but at least 2, beyond 2000 clips.
    """
    rounds = SHUFFLED_CLIPS // max(len(candidates.clip_ids), 1)
    rounds = min(_MAX_ROUNDS, max(_MIN_ROUNDS, rounds))
    return float(
        np.mean(
            [
                clips_with_pair(permute_scores(candidates, seed), rule, pairing)
                for seed in range(rounds)
            ]
        )
    )


def permute_scores(candidates: ScoreColumns, seed: int) -> ScoreColumns:
    """Shuffle every score within each clip and generator, among candidates with all votes."""
    rng = np.random.default_rng(seed)
    _, label = np.unique(candidates.generators, return_inverse=True)
    group = candidates.clip * (int(label.max(initial=0)) + 1) + label
    rows = np.flatnonzero(candidates.has_all_votes())
    rows = rows[np.argsort(group[rows], kind="stable")]
    mixed = candidates.scores.copy()
    for index, column in enumerate(candidates.scores[rows].T):
        mixed[rows, index] = column[np.argsort(group[rows] + rng.random(len(rows)))]
    return replace(candidates, scores=mixed)
