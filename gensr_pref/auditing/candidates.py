"""What more candidates would buy, and how many are the same or nearly so."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from gensr_pref.auditing.base import Array, Comparisons, Judged, Mask, groups_by_size
from gensr_pref.auditing.effective_votes import shuffles, tally
from gensr_pref.statistics.intervals import share_interval

MAX_SUBSETS = 256  # of a clip's candidates; beyond it, as many are drawn
NEAR = 0.1  # spreads; our choice
_BLOCK = 2**25  # clips x subsets at once, in bytes


def yield_by_candidates(judged: Judged, compared: Comparisons) -> list[dict[str, Any]]:
    """The expected yield if only n of a clip's candidates (of each generator) had been made.

    Over all subsets of n candidates, or 256 seeded ones: the share in which two are a unanimous
    pair. Exact in expectation where all subsets are taken; candidates with a null on a vote count
    as not there. With several generators that may not meet, each gives n of its own.

    Returns:
        {n, yield, by_chance} for n from 2 to the most that a group has; ``by_chance`` is the mean
        over `gensr_pref.auditing.effective_votes.shuffles`.
    """
    found = _curve(judged, compared)
    luck = [_curve(*mixed) for mixed in shuffles(judged)]
    return [
        {"n": n, "yield": share, "by_chance": float(np.mean([one[n] for one in luck]))}
        for n, share in found.items()
    ]


def _curve(judged: Judged, compared: Comparisons) -> dict[int, float]:
    """n -> the expected yield."""
    everyone = (1 << len(judged.voters)) - 1
    stands: Mask = np.asarray(tally(judged, compared).stands(everyone).any(axis=0))
    groups = np.unique(judged.group[compared.first])
    if not len(groups) or not compared.clips:
        return {}
    place = np.searchsorted(groups, judged.group[compared.first])
    count = np.bincount(place, minlength=len(groups))
    sizes = np.rint((1 + np.sqrt(1 + 8 * count)) / 2).astype(np.int64)
    order = np.argsort(place, kind="stable")  # a group's comparisons are in the order of triu
    starts = np.r_[0, np.cumsum(count)[:-1]]
    clip = judged.clip[compared.first[order[starts]]]
    found = {}
    for n in range(2, int(sizes.max()) + 1):
        none = np.ones(judged.clips)
        for size in np.unique(sizes):
            rows = np.flatnonzero(sizes == size)
            edges = np.asarray(stands[order[starts[rows][:, None] + np.arange(count[rows[0]])]])
            np.multiply.at(none, clip[rows], 1 - _any_edge(edges, int(size), min(n, int(size))))
        found[n] = float((1 - none).sum() / compared.clips)
    return found


def _any_edge(edges: Mask, size: int, n: int) -> Array:
    """[G] share of the subsets of n of `size` candidates that hold a pair.

    Args:
        edges: [G, size (size - 1) / 2] in the order of ``np.triu_indices(size, 1)``.
    """
    chosen = subsets(size, n)
    i, j = np.triu_indices(size, k=1)
    inside = (chosen[:, i] & chosen[:, j]).T.astype(np.float32)
    step = max(1, _BLOCK // (4 * len(chosen)))
    parts = [
        (edges[k : k + step].astype(np.float32) @ inside > 0).mean(axis=1)
        for k in range(0, len(edges), step)
    ]
    return np.concatenate(parts)


def subsets(size: int, n: int, seed: int = 0) -> Mask:
    """[S, size] all subsets of n, or `MAX_SUBSETS` drawn ones where there are more."""
    if comb(size, n) <= MAX_SUBSETS:
        places = np.array(list(combinations(range(size), n)), dtype=np.int64)
    else:
        rng = np.random.default_rng((seed, size, n))
        places = rng.permuted(np.tile(np.arange(size), (MAX_SUBSETS, 1)), axis=1)[:, :n]
    found = np.zeros((len(places), size), dtype=bool)
    np.put_along_axis(found, places, True, axis=1)
    return found


def repeats(judged: Judged, compared: Comparisons) -> dict[str, Any]:
    """Candidates that are the same by every score, and scores that hardly tell two apart.

    Returns:
        ``same``: the share of comparisons that are equal on all scores both know, with
        ``same_interval`` over ``clips``; ``tied`` and
        ``near``: per score, the share that is equal, and that differs by less than a tenth of a
        spread (equal ones too).
    """
    size = np.abs(compared.difference)
    known = np.isfinite(size)
    if not len(size):
        return {"same": None, "same_interval": None, "clips": 0, "tied": {}, "near": {}}
    same = share_interval(compared.clip, ((size == 0) | ~known).all(axis=1).astype(np.float64))
    near = size < NEAR * judged.spreads
    return {
        "same": same.value,
        "same_interval": same.bounds,
        "clips": same.clusters,
        "tied": _shares(judged, (size == 0), known),
        "near": _shares(judged, near | (size == 0), known),
    }


def _shares(judged: Judged, held: Mask, known: Mask) -> dict[str, float | None]:
    total = known.sum(axis=0)
    return {
        name: float(held[:, k].sum() / total[k]) if total[k] else None
        for k, name in enumerate(judged.names)
    }


def group_sizes(judged: Judged) -> dict[str, int]:
    """How many groups (a clip's candidates of one generator) have how many with all votes."""
    return {str(block.shape[1]): len(block) for block in groups_by_size(judged.group, judged.known)}
