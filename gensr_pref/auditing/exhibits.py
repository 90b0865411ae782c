"""Which pairs are worth hearing."""

from __future__ import annotations

import numpy as np

from gensr_pref.auditing.base import Array, Judged, Pairs, Rows

KINDS = {
    "largest margin": "Chosen wins clearly on every vote. You should hear why.",
    "smallest margin": "A near tie on some vote. If you hear nothing, ask for margins.",
    "random": "As the pairs are on average.",
    "most contested": "Scores that took no part prefer the rejected. Who is right?",
}


def smallest_margins(judged: Judged, pairs: Pairs) -> Array:
    """[P] the smallest margin over the votes, in spreads; NaN where a vote is unknown.

    Where no score votes, over all scores that are known.
    """
    spreads = pairs.margins / judged.unit
    if judged.votes.any():
        return np.asarray(spreads[:, judged.votes].min(axis=1))
    found = np.where(np.isfinite(spreads), spreads, np.inf).min(axis=1, initial=np.inf)
    return np.asarray(np.where(np.isfinite(found), found, np.nan))


def objections(judged: Judged, pairs: Pairs) -> Array:
    """[P] by how many spreads the scores that took no part prefer the rejected, on average.

    NaN where none is known.
    """
    spreads = (pairs.margins / judged.unit)[:, ~judged.votes]
    known = np.isfinite(spreads)
    total = np.where(known, spreads, 0.0).sum(axis=1)
    return np.asarray(
        np.where(known.any(axis=1), -total / np.maximum(known.sum(axis=1), 1), np.nan)
    )


def select_pairs(judged: Judged, pairs: Pairs, each: int, seed: int = 0) -> list[tuple[str, int]]:
    """At most so many pairs of every kind in `KINDS`, none twice.

    Returns:
        (kind, place among the pairs), kind by kind.
    """
    strength, against = smallest_margins(judged, pairs), objections(judged, pairs)
    drawn = np.random.default_rng(seed).permutation(len(pairs.clip))
    contested = _descending(against)
    order = {
        "largest margin": _descending(strength),
        "smallest margin": _descending(-strength),
        "random": drawn,
        "most contested": contested[against[contested] > 0],
    }
    taken: set[int] = set()
    found = []
    for kind in ("largest margin", "smallest margin", "most contested", "random"):
        fresh = [int(place) for place in order[kind] if int(place) not in taken][:each]
        taken.update(fresh)
        found += [(kind, place) for place in fresh]
    return sorted(found, key=lambda pick: list(KINDS).index(pick[0]))


def _descending(values: Array) -> Rows:
    known = np.flatnonzero(np.isfinite(values))
    return np.asarray(known[np.argsort(-values[known], kind="stable")])
