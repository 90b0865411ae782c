"""The scored candidates of a run as columns, sorted by clip, and the blocks that rules judge."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.identity import CLEAN, NOISY, clean_id
from gensr_pref.pairing.base import Ballot, Mask, Rows, Scores, Vote, spread, voting_columns

BLOCK = 2**15  # candidate pairs judged at once; a block that fits the CPU cache is twice as fast
Generators: TypeAlias = Mapping[str, str] | pa.Table | None
_LABEL = r"/(?P<label>[^/]*)/[^/]*$"  # of a candidate id


@dataclass(frozen=True)
class ScoreColumns:
    """Every scored candidate of a run, clip by clip in the order of the scores table.

    Attributes:
        ids: [R] candidate ids.
        clip_ids: [C] ids of the clips that have a candidate.
        clip: [R] index into `clip_ids`, in ascending order.
        generators: [R] generator labels.
        scores: [R, M] raw values, NaN where null.
        votes: [M] how each score counts.
        spreads: [M] typical spread of each score within a clip and generator.
    """

    ids: pa.Array
    clip_ids: pa.Array
    clip: Rows
    generators: npt.NDArray[np.str_]
    scores: Scores
    votes: Sequence[Vote]
    spreads: Scores

    def ballot(self, rows: Rows) -> Ballot:
        """Return the ballot of rows of any shape [..., N]."""
        return Ballot(self.scores[rows], self.generators[rows], self.votes, self.spreads)

    def has_all_votes(self) -> Mask:
        """Return [R] whether a candidate has a value on every voting score."""
        return np.asarray(np.isfinite(self.scores[:, voting_columns(self.votes)]).all(axis=1))


def columns(scores: pa.Table, generators: Generators, votes: Sequence[Vote]) -> ScoreColumns:
    """Return the candidates of a scores table as columns; other rows (noisy inputs) are left out.

    Args:
        scores: the scores table.
        generators: maps candidate ids to generators; or a table with `candidate_id` and
            `generator`; or None to read the generators from the ids.
        votes: from `apply_pairing_settings`.
    """
    ids = _array(scores.column("candidate_id"))
    rows, labels = _candidate_rows(ids, generators)
    names, clip = _unique_names(_array(scores.column("clip_id")).take(rows))
    value = score_matrix(scores, [vote.score for vote in votes])[rows]
    if (clip[1:] < clip[:-1]).any():
        order = np.argsort(clip, kind="stable")
        rows, clip, labels, value = rows[order], clip[order], labels.take(order), value[order]
    kind = labels.indices.to_numpy(zero_copy_only=False)
    groups = clip * max(len(labels.dictionary), 1) + kind
    label = np.array(labels.dictionary.to_pylist() or [""], dtype=np.str_)[kind]
    spreads = spread(value, groups)
    return ScoreColumns(ids.take(rows), names, clip, label, value, tuple(votes), spreads)


def _candidate_rows(ids: pa.Array, generators: Generators) -> tuple[Rows, pa.DictionaryArray]:
    """Return the rows of candidates, and the generator of each."""
    if generators is None:
        labels = pc.struct_field(pc.extract_regex(ids, _LABEL), "label").dictionary_encode()
        is_candidate = pc.not_equal(labels.cast(pa.string()), NOISY)
        rows = np.flatnonzero(pc.fill_null(is_candidate, False).to_numpy(zero_copy_only=False))
        return rows, labels.take(rows)
    known, labels = _generator_labels(generators)
    index = pc.index_in(ids, value_set=known)
    rows = np.flatnonzero(pc.is_valid(index).to_numpy(zero_copy_only=False))
    return rows, labels.take(index.take(rows))


def _generator_labels(
    generators: Mapping[str, str] | pa.Table,
) -> tuple[pa.Array, pa.DictionaryArray]:
    if isinstance(generators, Mapping):
        known = pa.array(list(generators), pa.string())
        return known, pa.array(list(generators.values()), pa.string()).dictionary_encode()
    known, labels = (_array(generators.column(name)) for name in ("candidate_id", "generator"))
    return known, labels.dictionary_encode()


def _unique_names(names: pa.Array) -> tuple[pa.Array, Rows]:
    """Return the distinct names in the order of appearance, and the index of each row's name.

    Rows with the same name are mostly adjacent, so only the first of them is looked up.
    """
    changes = pc.not_equal(names[1:], names[:-1]).to_numpy(zero_copy_only=False)
    first = np.r_[np.ones(min(1, len(names)), bool), changes]
    heads = names.filter(pa.array(first)).dictionary_encode()
    indices = heads.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return heads.dictionary, indices[np.cumsum(first) - 1]


def add_clean_targets(candidates: ScoreColumns, clips: Collection[str] | pa.Array) -> ScoreColumns:
    """Return the columns with the clean target as the first candidate of each clip that has one."""
    has = pc.is_in(candidates.clip_ids, value_set=pa.array(clips, pa.string()))
    number = np.flatnonzero(has.to_numpy(zero_copy_only=False))
    names = [clean_id(name) for name in candidates.clip_ids.take(number).to_pylist()]
    clip = np.r_[number, candidates.clip]
    order = np.argsort(clip, kind="stable")
    nulls = np.full((len(number), candidates.scores.shape[1]), np.nan)
    return replace(
        candidates,
        ids=pa.concat_arrays([pa.array(names, pa.string()), candidates.ids]).take(order),
        clip=clip[order],
        generators=np.r_[np.full(len(number), CLEAN), candidates.generators][order],
        scores=np.concatenate([nulls, candidates.scores])[order],
    )


def clip_blocks(clip: Rows, rows: Rows) -> Iterator[Rows]:
    """Yield [C, N] row numbers of clips with the same number of candidates, in blocks.

    Args:
        clip: [R] clip number of each row, in ascending order.
        rows: the rows to include, in ascending order.
    """
    number = clip[rows]
    starts = np.flatnonzero(np.r_[True, number[1:] != number[:-1]]) if len(rows) else rows
    counts = np.diff(np.r_[starts, len(rows)])
    for count in np.unique(counts):
        first = starts[counts == count]
        size = max(1, BLOCK // int(count) ** 2)
        for start in range(0, len(first), size):
            yield rows[first[start : start + size, None] + np.arange(count)]


def score_matrix(scores: pa.Table, names: Sequence[str]) -> Scores:
    """Return [R, M] score columns as float64, NaN where null."""
    values = [scores.column(name).to_numpy(zero_copy_only=False) for name in names]
    return np.stack(values, axis=1).astype(np.float64)


def _array(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
