"""Measures how the yield depends on the number of candidates, and how many candidates are equal."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import TypedDict

import numpy as np

from gensr_pref.auditing.base import Array, Comparisons, Mask, ScoredCandidates, groups_by_size
from gensr_pref.auditing.panel_yields import shuffles, tally
from gensr_pref.statistics.intervals import share_interval

MAX_SUBSETS = 256  # of a clip's candidates; if there are more, this many are drawn
NEAR = 0.1  # spreads; our choice
_BLOCK = 2**25  # bytes of the clips x subsets table that is computed at once


CandidateYield = TypedDict("CandidateYield", {"n": int, "yield": float, "by_chance": float})


class EqualCandidates(TypedDict):
    """The shares of comparisons of equal or nearly equal candidates; see `equal_candidates`."""

    same: float | None
    same_interval: list[float] | None
    clips: int
    tied: dict[str, float | None]
    near: dict[str, float | None]


def yield_by_candidates(judged: ScoredCandidates, compared: Comparisons) -> list[CandidateYield]:
    """Compute the expected yield if each generator had made only n candidates per clip.

    The yield is the share of subsets of n candidates, all of them or 256 seeded ones, in which two
    form a unanimous pair. It is exact in expectation if all subsets are used. Candidates with a
    null on a vote are ignored. Generators that may not be paired give n candidates each.

    Returns:
        {n, yield, by_chance} for n from 2 to the size of the largest group; ``by_chance`` is the
        mean over `gensr_pref.auditing.panel_yields.shuffles`.
    """
    curve = _curve(judged, compared)
    chance = [_curve(*mixed) for mixed in shuffles(judged)]
    return [
        {"n": n, "yield": share, "by_chance": float(np.mean([shares[n] for shares in chance]))}
        for n, share in curve.items()
    ]


def _curve(judged: ScoredCandidates, compared: Comparisons) -> dict[int, float]:
    """Return the expected yield for each n."""
    everyone = (1 << len(judged.voters)) - 1
    is_pair: Mask = np.asarray(tally(judged, compared).unanimous(everyone).any(axis=0))
    groups = np.unique(judged.group[compared.first])
    if not len(groups) or not compared.clips:
        return {}
    index = np.searchsorted(groups, judged.group[compared.first])
    count = np.bincount(index, minlength=len(groups))
    sizes = np.rint((1 + np.sqrt(1 + 8 * count)) / 2).astype(np.int64)
    order = np.argsort(index, kind="stable")  # a group's comparisons are in the order of triu
    starts = np.r_[0, np.cumsum(count)[:-1]]
    clip = judged.clip[compared.first[order[starts]]]
    curve = {}
    for n in range(2, int(sizes.max()) + 1):
        no_pair = np.ones(judged.clips)  # its probability, per clip
        for size in np.unique(sizes):
            rows = np.flatnonzero(sizes == size)
            edges = np.asarray(is_pair[order[starts[rows][:, None] + np.arange(count[rows[0]])]])
            np.multiply.at(no_pair, clip[rows], 1 - _any_edge(edges, int(size), min(n, int(size))))
        curve[n] = float((1 - no_pair).sum() / compared.clips)
    return curve


def _any_edge(edges: Mask, size: int, n: int) -> Array:
    """Return [G] the share of the subsets of n of `size` candidates that contain a pair.

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
    """Return [S, size] masks of all subsets of n, or of `MAX_SUBSETS` random ones if fewer."""
    if comb(size, n) <= MAX_SUBSETS:
        members = np.array(list(combinations(range(size), n)), dtype=np.int64)
    else:
        rng = np.random.default_rng((seed, size, n))
        members = rng.permuted(np.tile(np.arange(size), (MAX_SUBSETS, 1)), axis=1)[:, :n]
    masks = np.zeros((len(members), size), dtype=bool)
    np.put_along_axis(masks, members, True, axis=1)
    return masks


def equal_candidates(judged: ScoredCandidates, compared: Comparisons) -> EqualCandidates:
    """Count candidates that are equal on every score, and scores that hardly differ.

    Returns:
        ``same``: the share of comparisons that are equal on all scores known for both, with
        ``same_interval`` over ``clips``; ``tied`` and ``near``: per score, the share that is equal,
        and the share that differs by less than a tenth of a spread (including equal ones).
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


def _shares(judged: ScoredCandidates, hits: Mask, known: Mask) -> dict[str, float | None]:
    total = known.sum(axis=0)
    return {
        name: float(hits[:, k].sum() / total[k]) if total[k] else None
        for k, name in enumerate(judged.names)
    }


def group_sizes(judged: ScoredCandidates) -> dict[str, int]:
    """Count groups (a clip's candidates of one generator) by their candidates with all votes."""
    return {
        str(block.shape[1]): len(block)
        for block in groups_by_size(judged.group, judged.complete_rows)
    }
