"""How many clips a rule finds a pair for, and how many by luck."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gensr_pref.config.run_file import Pairing
from gensr_pref.pairing.base import PairRule
from gensr_pref.pairing.columns import ScoreColumns
from gensr_pref.pairing.pairs import pair_clips

SHUFFLED_CLIPS = 40_000  # so many are shuffled in all; more change the third digit
_ROUNDS = (2, 20)


def clips_with_pair(found: ScoreColumns, rule: PairRule, pairing: Pairing) -> int:
    """How many clips have at least one pair."""
    return len(np.unique(found.clip[pair_clips(found, rule, pairing).chosen]))


def chance_level(found: ScoreColumns, rule: PairRule, pairing: Pairing) -> float:
    """The same if the scores knew nothing of each other.

    Every score is shuffled among a clip's candidates of one generator that have all votes, apart
    from the others. The mean over 20 seeded shuffles, fewer (2 at
    least) beyond 2000 clips.
    """
    least, most = _ROUNDS
    rounds = min(most, max(least, SHUFFLED_CLIPS // max(len(found.clip_ids), 1)))
    return float(
        np.mean(
            [clips_with_pair(permute_scores(found, turn), rule, pairing) for turn in range(rounds)]
        )
    )


def permute_scores(found: ScoreColumns, seed: int) -> ScoreColumns:
    """Every score permuted within each clip and generator, among those with all votes."""
    rng = np.random.default_rng(seed)
    _, label = np.unique(found.generators, return_inverse=True)
    group = found.clip * (int(label.max(initial=0)) + 1) + label
    rows = np.flatnonzero(found.known())
    rows = rows[np.argsort(group[rows], kind="stable")]
    mixed = found.scores.copy()
    for place, column in enumerate(found.scores[rows].T):
        mixed[rows, place] = column[np.argsort(group[rows] + rng.random(len(rows)))]
    return replace(found, scores=mixed)
