"""Defines the arrays of an audit: scored candidates, pairs, and all possible comparisons.

All statistics are pure functions of these arrays; nothing here reads a file. Scores have their sign
turned so that larger is better; null is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MAX_COMPARISONS = 4_000_000  # about half a GB with eight scores; beyond it, clips are sampled
_SEED = 0


@dataclass(frozen=True)
class ScoredCandidates:
    """The scored candidates of a run, and how each score counts.

    Attributes:
        value: [R, M] scores, larger is better, NaN where null.
        clip: [R] clip number, in ascending order.
        group: [R] group number, in ascending order. Candidates of a group may be paired: those of
            a clip and one generator. A group lies within a clip.
        within_bounds: [R] whether a candidate satisfies the run's floors and ceilings.
        clips: the run's number of clips, including those without candidates; clip numbers are
            below it.
        names: [M] names of the scores.
        votes: [M] whether a score votes.
        margin: [M] the amount by which chosen must be better, in the score's unit.
        ties: [M] whether a pair may have a difference within the margin.
        spreads: [M] typical spread within a group, in the score's unit; 0 if it never differs.
    """

    value: Array
    clip: Rows
    group: Rows
    within_bounds: Mask
    clips: int
    names: Sequence[str]
    votes: Mask
    margin: Array
    ties: Mask
    spreads: Array

    @property
    def unit(self) -> Array:
        """[M] the spreads as divisors: 1 where the spread is 0."""
        return np.asarray(np.where(self.spreads > 0, self.spreads, 1.0))

    @property
    def voters(self) -> Rows:
        """The column indices of the scores that vote."""
        return np.flatnonzero(self.votes)

    @property
    def complete_rows(self) -> Rows:
        """The rows that have a value on every voting score."""
        return np.flatnonzero(np.isfinite(self.value[:, self.votes]).all(axis=1))


@dataclass(frozen=True)
class Pairs:
    """The pairs of a run.

    Attributes:
        clip: [P] clip number.
        chosen, rejected: [P] rows of `ScoredCandidates`; -1 if it is the clean target, not scored.
        margins: [P, M] how much better chosen is, in the score's unit; NaN where unknown.
    """

    clip: Rows
    chosen: Rows
    rejected: Rows
    margins: Array


@dataclass(frozen=True)
class Comparisons:
    """All comparisons of two candidates that may be paired and have all votes.

    Attributes:
        clip: [Q] clip number.
        first, second: [Q] rows of `ScoredCandidates`.
        difference: [Q, M] value of first minus value of second, float32, NaN where unknown.
        clips: number of clips that shares refer to: all of the run, or those that were sampled.
    """

    clip: Rows
    first: Rows
    second: Rows
    difference: npt.NDArray[np.float32]
    clips: int


def comparisons(judged: ScoredCandidates, limit: int | None = None) -> Comparisons:
    """Return all comparisons, or those of a seeded sample of clips if there are too many.

    Args:
        limit: approximate number of comparisons to return at most; None is `MAX_COMPARISONS`.
    """
    rows = _rows_within_limit(judged, limit)
    halves = [(rows[:0], rows[:0])]
    for block in groups_by_size(judged.group, rows):
        i, j = np.triu_indices(block.shape[1], k=1)
        halves.append((block[:, i].ravel(), block[:, j].ravel()))
    first, second = (np.concatenate(half) for half in zip(*halves, strict=True))
    difference = (judged.value[first] - judged.value[second]).astype(np.float32)
    clips = (
        round(judged.clips * len(rows) / max(len(judged.complete_rows), 1))
        if len(rows)
        else judged.clips
    )
    return Comparisons(judged.clip[first], first, second, difference, clips)


def groups_by_size(group: Rows, rows: Rows) -> Iterator[Rows]:
    """Yield [G, N] row numbers: the groups of one size N, for each size.

    Args:
        group: [R] group numbers in ascending order.
        rows: the rows to include, in ascending order.
    """
    number = group[rows]
    starts = np.flatnonzero(np.r_[True, number[1:] != number[:-1]]) if len(rows) else rows
    counts = np.diff(np.r_[starts, len(rows)])
    for count in np.unique(counts):
        yield rows[starts[counts == count][:, None] + np.arange(count)]


def ranks(judged: ScoredCandidates, columns: Rows) -> tuple[Array, Rows]:
    """Return [K, V] mid-ranks (from 1) within groups, and the rows [K], which have all votes."""
    parts = [(np.zeros((0, len(columns))), np.zeros(0, dtype=np.int64))]
    for block in groups_by_size(judged.group, _rows_within_limit(judged)) if len(columns) else ():
        value = judged.value[block][..., columns]
        below = (value[:, None, :, :] < value[:, :, None, :]).sum(axis=2)
        equal = (value[:, None, :, :] == value[:, :, None, :]).sum(axis=2)
        rank = below + (equal + 1) / 2
        parts.append((rank.reshape(-1, len(columns)), block.ravel()))
    rank, rows = (np.concatenate(part) for part in zip(*parts, strict=True))
    return rank, rows


def shuffle_scores(judged: ScoredCandidates, seed: int) -> ScoredCandidates:
    """Return the same candidates with independent scores, to compute chance levels.

    Every score is shuffled separately, within each group, among the candidates that have all votes.
    So the number of comparisons stays the same.
    """
    rng = np.random.default_rng(seed)
    rows = judged.complete_rows
    group = judged.group[rows]
    mixed = judged.value.copy()
    for index, column in enumerate(judged.value[rows].T):
        mixed[rows, index] = column[np.argsort(group + rng.random(len(rows)))]
    return replace(judged, value=mixed)


def _rows_within_limit(judged: ScoredCandidates, limit: int | None = None) -> Rows:
    """Return the complete rows, or those of a sample of clips if they give too many comparisons."""
    limit = MAX_COMPARISONS if limit is None else limit
    rows = judged.complete_rows
    count = np.bincount(judged.group[rows]) if len(rows) else np.zeros(0, dtype=np.int64)
    total = int((count * (count - 1) // 2).sum())
    if total <= limit:
        return rows
    sampled = np.random.default_rng(_SEED).random(judged.clips) < limit / total
    return np.asarray(rows[sampled[judged.clip[rows]]])
