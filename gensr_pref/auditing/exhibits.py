"""Selects the pairs that are worth listening to."""

from __future__ import annotations

import numpy as np

from gensr_pref.auditing.base import Array, Pairs, Rows, ScoredCandidates

KINDS = {
    "largest margin": "The chosen candidate wins clearly on every vote. You should hear why.",
    "smallest margin": "A near tie on some vote. If you hear no difference, set larger margins.",
    "random": "Typical pairs of this run.",
    "most contested": "The scores that did not vote prefer the rejected candidate. Who is right?",
}


def smallest_margins(judged: ScoredCandidates, pairs: Pairs) -> Array:
    """Return [P] the smallest margin over the votes, in spreads; NaN if a vote is unknown.

    If no score votes, it is the smallest over all known scores.
    """
    spreads = pairs.margins / judged.unit
    if judged.votes.any():
        return np.asarray(spreads[:, judged.votes].min(axis=1))
    smallest = np.where(np.isfinite(spreads), spreads, np.inf).min(axis=1, initial=np.inf)
    return np.asarray(np.where(np.isfinite(smallest), smallest, np.nan))


def preference_for_rejected(judged: ScoredCandidates, pairs: Pairs) -> Array:
    """Return [P] the mean preference for the rejected, over the scores that did not vote.

    In spreads; NaN if no such score is known.
    """
    spreads = (pairs.margins / judged.unit)[:, ~judged.votes]
    known = np.isfinite(spreads)
    total = np.where(known, spreads, 0.0).sum(axis=1)
    return np.asarray(
        np.where(known.any(axis=1), -total / np.maximum(known.sum(axis=1), 1), np.nan)
    )


def select_pairs(
    judged: ScoredCandidates, pairs: Pairs, each: int, seed: int = 0
) -> list[tuple[str, int]]:
    """Return at most `each` pairs of every kind in `KINDS`, without repetition.

    Returns:
        (kind, index of the pair), in the order of the kinds.
    """
    strength, against = smallest_margins(judged, pairs), preference_for_rejected(judged, pairs)
    drawn = np.random.default_rng(seed).permutation(len(pairs.clip))
    contested = _descending(against)
    order = {
        "largest margin": _descending(strength),
        "smallest margin": _descending(-strength),
        "random": drawn,
        "most contested": contested[against[contested] > 0],
    }
    taken: set[int] = set()
    selected = []
    for kind in ("largest margin", "smallest margin", "most contested", "random"):
        fresh = [int(index) for index in order[kind] if int(index) not in taken][:each]
        taken.update(fresh)
        selected += [(kind, index) for index in fresh]
    return sorted(selected, key=lambda pair: list(KINDS).index(pair[0]))


def _descending(values: Array) -> Rows:
    known = np.flatnonzero(np.isfinite(values))
    return np.asarray(known[np.argsort(-values[known], kind="stable")])
