"""What the audit looks at: candidates with their scores, pairs, and every possible comparison.

All statistics are pure functions of these; nothing here reads a file. Scores are turned so that
larger is better, null is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MAX_COMPARISONS = 4_000_000  # beyond it, clips are drawn: about half a GB at eight scores
_SEED = 0


@dataclass(frozen=True)
class Judged:
    """The scored candidates of a run, and how each score counts.

    Attributes:
        value: [R, M] larger is better, NaN where null.
        clip: [R] number of the clip, never falling.
        group: [R] number of those that may meet (a clip's candidates of one generator), never
            falling; a group lies within a clip.
        keeps: [R] whether a candidate keeps the run's floors and ceilings.
        clips: how many clips the run has, those without candidates too; the numbers of clips are
            below it.
        names: [M] of the scores.
        votes: [M] whether it votes.
        margin: [M] chosen must be better by more, in the score's unit.
        ties: [M] whether a difference within the margin lets a pair stand.
        spreads: [M] typical spread within a group, in the score's unit; 0 where it never differs.
    """

    value: Array
    clip: Rows
    group: Rows
    keeps: Mask
    clips: int
    names: Sequence[str]
    votes: Mask
    margin: Array
    ties: Mask
    spreads: Array

    @property
    def unit(self) -> Array:
        """[M] the spreads, 1 where there is none to divide by."""
        return np.asarray(np.where(self.spreads > 0, self.spreads, 1.0))

    @property
    def voters(self) -> Rows:
        """The places of the scores that vote."""
        return np.flatnonzero(self.votes)

    @property
    def known(self) -> Rows:
        """The rows that have a number on every voting score."""
        return np.flatnonzero(np.isfinite(self.value[:, self.votes]).all(axis=1))


@dataclass(frozen=True)
class Pairs:
    """The pairs of a run.

    Attributes:
        clip: [P] number of the clip.
        chosen, rejected: [P] rows of `Judged`; -1 where a side is not among them (the clean
            target).
        margins: [P, M] by how much chosen is better, in the score's unit; NaN where unknown.
    """

    clip: Rows
    chosen: Rows
    rejected: Rows
    margins: Array


@dataclass(frozen=True)
class Comparisons:
    """Every two candidates that may meet and have all votes.

    Attributes:
        clip: [Q] number of the clip.
        first, second: [Q] rows of `Judged`.
        difference: [Q, M] value of first minus value of second, float32, NaN where unknown.
        clips: how many clips a share is of: all of the run, or as many as were drawn.
    """

    clip: Rows
    first: Rows
    second: Rows
    difference: npt.NDArray[np.float32]
    clips: int


def comparisons(judged: Judged, most: int | None = None) -> Comparisons:
    """Every comparison; where there are too many, those of a seeded draw of clips.

    Args:
        most: about so many; None is `MAX_COMPARISONS`.
    """
    rows = _rows_within_limit(judged, most)
    halves = [(rows[:0], rows[:0])]
    for block in groups_by_size(judged.group, rows):
        i, j = np.triu_indices(block.shape[1], k=1)
        halves.append((block[:, i].ravel(), block[:, j].ravel()))
    first, second = (np.concatenate(half) for half in zip(*halves, strict=True))
    difference = (judged.value[first] - judged.value[second]).astype(np.float32)
    clips = (
        round(judged.clips * len(rows) / max(len(judged.known), 1)) if len(rows) else judged.clips
    )
    return Comparisons(judged.clip[first], first, second, difference, clips)


def groups_by_size(group: Rows, rows: Rows) -> Iterator[Rows]:
    """[G, N] row numbers: all groups with as many rows as each other.

    Args:
        group: [R] never falling.
        rows: those that take part, rising.
    """
    of_rows = group[rows]
    starts = np.flatnonzero(np.r_[True, of_rows[1:] != of_rows[:-1]]) if len(rows) else rows
    counts = np.diff(np.r_[starts, len(rows)])
    for count in np.unique(counts):
        yield rows[starts[counts == count][:, None] + np.arange(count)]


def ranks(judged: Judged, columns: Rows) -> tuple[Array, Rows]:
    """[K, V] mid-ranks (from 1) within groups, of the rows [K] that have all votes."""
    parts = [(np.zeros((0, len(columns))), np.zeros(0, dtype=np.int64))]
    for block in groups_by_size(judged.group, _rows_within_limit(judged)) if len(columns) else ():
        value = judged.value[block][..., columns]
        below = (value[:, None, :, :] < value[:, :, None, :]).sum(axis=2)
        equal = (value[:, None, :, :] == value[:, :, None, :]).sum(axis=2)
        rank = below + (equal + 1) / 2
        parts.append((rank.reshape(-1, len(columns)), block.ravel()))
    found, rows = (np.concatenate(part) for part in zip(*parts, strict=True))
    return found, rows


def shuffle_scores(judged: Judged, seed: int) -> Judged:
    """The same if the scores knew nothing of each other.

    Every score is shuffled within each group among the candidates that have all votes, apart from
    the others; so as many comparisons are left as there were.
    """
    rng = np.random.default_rng(seed)
    rows = judged.known
    group = judged.group[rows]
    mixed = judged.value.copy()
    for place, column in enumerate(judged.value[rows].T):
        mixed[rows, place] = column[np.argsort(group + rng.random(len(rows)))]
    return replace(judged, value=mixed)


def _rows_within_limit(judged: Judged, most: int | None = None) -> Rows:
    """The known rows, or those of so many clips that there are not more comparisons."""
    most = MAX_COMPARISONS if most is None else most
    rows = judged.known
    count = np.bincount(judged.group[rows]) if len(rows) else np.zeros(0, dtype=np.int64)
    total = int((count * (count - 1) // 2).sum())
    if total <= most:
        return rows
    kept = np.random.default_rng(_SEED).random(judged.clips) < most / total
    return np.asarray(rows[kept[judged.clip[rows]]])
