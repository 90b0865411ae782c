"""Rows of a run with their audio, a few at a time: rows by id, or pairs with everything they name.

No table with audio is read completely, and no part is opened twice at a time. A clip, its
candidates and their scores are in parts with the same number. So `pairs` has one part of each table
open, and holds only the audio that the next rows need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.errors import CorruptPartError, Problem
from gensr_pref.identity import CLEAN, clean_id, noisy_id
from gensr_pref.rundir import part_files
from gensr_pref.schema import CANDIDATES, CLIPS, PAIR_ROLES, SCORE_FAILURES, column, pairs_schema

Row = dict[str, Any]
CLIPS_AT_ONCE = 8
_OF_PAIR = set(pairs_schema(()).names)
_OF_CLIP = {{"noisy": "prompt"}.get(name, name): name for name in CLIPS.names if name != "clip_id"}
_OF_CANDIDATE = {
    **{role: (role, "audio") for role in PAIR_ROLES},
    **{
        f"{role}_{name}": (role, name)
        for role in PAIR_ROLES
        for name in ("generator", "revision", "index", "seed", "sampling", "tokens", "latent")
    },
}
_SCORES = {f"{role}_scores": role for role in ("prompt", *PAIR_ROLES)}
_KNOWN = _OF_PAIR | _OF_CLIP.keys() | _OF_CANDIDATE.keys() | _SCORES.keys()


def find_rows(
    parts: Iterable[Path], ids: Iterable[str], columns: Sequence[str]
) -> Iterator[pa.Table]:
    """Yield the rows with some ids, in the order of the parts, at most 64 at a time.

    Of a part without any of them, only the ids are read.

    Args:
        parts: Parquet files, such as `part_files.parts` lists.
        ids: ids of the rows; an id that is in no part is ignored.
        columns: names of the columns, the first of which holds the ids. A column that a part lacks
            is not in its tables.

    Raises:
        StorageError: a part cannot be read.
    """
    key, wanted = columns[0], pa.array(sorted(set(ids)), pa.string())
    for part in parts:
        if not pc.any(pc.is_in(part_files.read(part, [key]).column(key), wanted)).as_py():
            continue
        for batch in part_files.batches(part, list(columns)):
            table = pa.table(batch.filter(pc.is_in(batch.column(key), wanted)))
            if len(table):
                yield table


def rows_by_id(parts: Iterable[Path], ids: Iterable[str], columns: Sequence[str]) -> dict[str, Row]:
    """Return the rows that `find_rows` yields, by id. They should be few, as all are in memory.

    Raises:
        StorageError: a part cannot be read.
    """
    tables = find_rows(parts, ids, columns)
    return {row[columns[0]]: row for table in tables for row in table.to_pylist()}


def pairs(
    run: Path,
    columns: Sequence[str],
    scores: Sequence[str] = (),
    table: pa.Table | None = None,
) -> Iterator[pa.Table]:
    """Yield pairs with their clip and both sides, `CLIPS_AT_ONCE` clips at a time.

    Clips are in the run's order, and the pairs of a clip in the order of the pairs table. All pairs
    of a clip are in the same yielded table. Sounds are the run's own bytes.

    Args:
        run: the run directory.
        columns: any of

            - the columns of `schema.pairs_schema`;
            - ``prompt``, the clip's noisy sound, and the other columns of `schema.CLIPS`;
            - ``chosen`` and ``rejected``, the sounds of both sides;
            - ``chosen_X`` and ``rejected_X``, where X is generator (`identity.CLEAN` for the clean
              target), or revision, index, seed, sampling, tokens or latent (null for the clean
              target);
            - ``prompt_scores``, ``chosen_scores``, ``rejected_scores``: structs of float32, null
              where the sound was not scored.
        scores: the fields of these structs and of ``margins``; a score that the run lacks is null.
        table: rows of the pairs table; None = all rows.

    Raises:
        ValueError: a column has another name.
        StorageError: a part is missing or corrupt, or a pair names a clip or a candidate that is
            not in the run.
    """
    if unknown := sorted(set(columns) - _KNOWN):
        raise ValueError(f"pairs have no column {', '.join(unknown)}")
    every_pair = (part_files.read_all(run, "pairs") if table is None else table).combine_chunks()
    numbers: dict[str, list[int]] = {}
    for number, clip in enumerate(column(every_pair, "clip_id")):
        numbers.setdefault(clip, []).append(number)
    for part in part_files.parts(run, "clips"):
        clips = column(part_files.read(part, ["clip_id"]), "clip_id")
        rows_of_part = {clip: numbers.pop(clip) for clip in clips if clip in numbers}
        if rows_of_part:
            yield from _Part(run, part.name, columns, scores).join(every_pair, rows_of_part)
    if numbers:
        clip = next(iter(numbers))
        raise CorruptPartError(
            f"has no clip {clip!r}, which a pair names. Run the same build again, then gensr-pref "
            "pair",
            path=run / "clips",
            value=clip,
            problem=Problem.MISSING,
        )


class PartScores:
    """The scores of one part, as structs.

    Args:
        part: a part of the table of scores.
        names: fields of the structs; a score that the part lacks is null.
        table: rows of the part; None = all rows.

    Attributes:
        table: these rows, with all named scores and the column ``failures``.

    Raises:
        StorageError: the part cannot be read.
    """

    def __init__(self, part: Path, names: Sequence[str], table: pa.Table | None = None) -> None:
        self._part, self._names = part, names
        self.table = self._read() if table is None else table
        columns = [_whole(self.table.column(name)) for name in names]
        self._values = _struct(columns, names, len(self.table))

    def structs(self, ids: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Return one struct per id; null for an id without scores."""
        known = self.table.column("candidate_id").combine_chunks()
        return self._values.take(pc.index_in(_whole(ids), value_set=known))

    def only(self, ids: pa.Array) -> PartScores:
        """Return the scores of some ids."""
        rows = self.table.filter(pc.is_in(self.table.column("candidate_id"), value_set=ids))
        return PartScores(self._part, self._names, rows)

    def _read(self) -> pa.Table:
        table = part_files.read(self._part).combine_chunks()
        for name in self._names:  # the run has grown and is unfinished
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(len(table), pa.float32()))
        if "failures" not in table.column_names:
            table = table.append_column("failures", pa.nulls(len(table), SCORE_FAILURES))
        return table


def rows_for_ids(table: pa.Table, key: str, ids: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Return a table with one row per id; null for an id that the table lacks."""
    return table.take(pc.index_in(_whole(ids), value_set=_whole(table.column(key))))


class _Part:
    """The parts of clips, candidates and scores with the same number.

    Args:
        run: the run directory.
        name: name of the parts.
        columns, scores: as in `pairs`.
    """

    def __init__(self, run: Path, name: str, columns: Sequence[str], scores: Sequence[str]) -> None:
        self._clips, self._candidates = run / "clips" / name, run / "candidates" / name
        self._columns = columns
        self._margins = pairs_schema(scores).field("margins").type if scores else None
        has_scores = any(name in _SCORES for name in columns)
        self._scores = PartScores(run / "scores" / name, scores) if has_scores else None

    def join(self, pairs: pa.Table, numbers: dict[str, list[int]]) -> Iterator[pa.Table]:
        """Yield the pairs of this part, a few clips at a time.

        Args:
            pairs: the pairs table.
            numbers: indices of the rows of each clip of this part in that table, by clip.
        """
        indices = pa.array([index for rows in numbers.values() for index in rows], pa.int64())
        ids = _candidate_ids(pairs.take(indices))
        of_clip = {_OF_CLIP[name] for name in self._columns if name in _OF_CLIP}
        if {*PAIR_ROLES} & {*self._columns} and pc.any(pc.ends_with(ids, clean_id(""))).as_py():
            of_clip.add("clean")  # a sound of these pairs; else it is not read
        of_candidate = {_OF_CANDIDATE[name][1] for name in self._columns if name in _OF_CANDIDATE}
        candidates = _Candidates(self._candidates, ids, sorted(of_candidate))
        for batch in part_files.batches(self._clips, ["clip_id", *sorted(of_clip)], CLIPS_AT_ONCE):
            clips = pa.table(batch)
            rows = [index for clip in column(clips, "clip_id") for index in numbers.get(clip, ())]
            if rows:
                batch_pairs = pairs.take(pa.array(rows, pa.int64()))
                clip_of_pair = rows_for_ids(clips, "clip_id", batch_pairs.column("clip_id"))
                values = self._values(batch_pairs, clip_of_pair, candidates)
                yield pa.table({name: values[name] for name in self._columns})

    def _values(
        self, pairs: pa.Table, clips: pa.Table, candidates: _Candidates
    ) -> dict[str, pa.ChunkedArray]:
        """Return every wanted column by name; `clips` has one row per pair."""
        values = {name: pairs.column(name) for name in self._columns if name in _OF_PAIR}
        values |= {name: clips.column(_OF_CLIP[name]) for name in self._columns if name in _OF_CLIP}
        if self._margins and "margins" in values:
            values["margins"] = _with_fields(values["margins"], self._margins)
        return values | self._of_scores(pairs) | self._of_candidates(pairs, clips, candidates)

    def _of_scores(self, pairs: pa.Table) -> dict[str, pa.Array]:
        if self._scores is None:
            return {}
        noisy = [noisy_id(clip) for clip in column(pairs, "clip_id")]
        ids = {"prompt": pa.array(noisy, pa.string())}
        ids |= {role: pairs.column(f"{role}_id") for role in PAIR_ROLES}
        names = [name for name in self._columns if name in _SCORES]
        return {name: self._scores.structs(ids[_SCORES[name]]) for name in names}

    def _of_candidates(
        self, pairs: pa.Table, clips: pa.Table, candidates: _Candidates
    ) -> dict[str, pa.ChunkedArray]:
        ids = [pairs.column(f"{role}_id") for role in PAIR_ROLES]
        rows = dict(zip(PAIR_ROLES, candidates.take(ids), strict=True))
        clean = pa.array([clean_id(clip) for clip in column(pairs, "clip_id")], pa.string())
        is_clean = {
            role: pc.equal(names, clean) for role, names in zip(PAIR_ROLES, ids, strict=True)
        }
        values = {}
        for name in self._columns:
            if name not in _OF_CANDIDATE:
                continue
            role, field = _OF_CANDIDATE[name]
            values[name] = rows[role].column(field)
            if field == "generator":
                values[name] = pc.if_else(is_clean[role], CLEAN, values[name])
            elif field == "audio" and "clean" in clips.column_names:
                values[name] = pc.if_else(is_clean[role], clips.column("clean"), values[name])
        return values


class _Candidates:
    """Candidates of one part, which is read as far as they are needed.

    Args:
        part: a part of the table of candidates.
        ids: ids of all candidates that will be needed.
        columns: columns besides the id.
    """

    def __init__(self, part: Path, ids: pa.Array, columns: Sequence[str]) -> None:
        self._part, self._ids = part, ids
        self._columns = ["candidate_id", *columns]
        self._batches: Iterator[pa.RecordBatch] | None = None
        schema = pa.schema([CANDIDATES.field(name) for name in self._columns])
        self._waiting = schema.empty_table()

    def take(self, columns: Sequence[pa.ChunkedArray]) -> list[pa.Table]:
        """Return one row per id of each column; null for a clean target. Take each id only once.

        Raises:
            StorageError: the part cannot be read or lacks a candidate.
        """
        ids = pc.unique(pa.chunked_array([chunk for ids in columns for chunk in ids.chunks]))
        ids = ids.filter(pc.invert(pc.ends_with(ids, clean_id(""))))
        while len(lacking := ids.filter(pc.invert(self._has(ids)))):
            self._read_on(lacking)
        tables = [
            rows_for_ids(self._waiting, "candidate_id", ids_of_side) for ids_of_side in columns
        ]
        taken = pc.is_in(self._waiting.column("candidate_id"), value_set=ids)
        self._waiting = self._waiting.filter(pc.invert(taken)).combine_chunks()
        return tables

    def _has(self, ids: pa.Array) -> pa.Array:
        return pc.is_in(ids, value_set=_whole(self._waiting.column("candidate_id")))

    def _read_on(self, lacking: pa.Array) -> None:
        if self._batches is None:
            self._batches = part_files.batches(self._part, self._columns, CLIPS_AT_ONCE)
        batch = next(self._batches, None)
        if batch is None:
            raise CorruptPartError(
                f"has no candidate {lacking[0].as_py()!r}, which a pair names. Run the same build "
                "again, then gensr-pref pair",
                path=self._part,
                value=lacking[0].as_py(),
                problem=Problem.MISSING,
            )
        wanted = batch.filter(pc.is_in(batch.column("candidate_id"), value_set=self._ids))
        self._waiting = pa.concat_tables(
            [self._waiting, pa.table(wanted).select(self._columns).cast(self._waiting.schema)]
        )


def _candidate_ids(pairs: pa.Table) -> pa.Array:
    """Return the distinct ids of both sides of some pairs."""
    columns = [pairs.column(f"{role}_id") for role in PAIR_ROLES]
    return pc.unique(pa.chunked_array([chunk for ids in columns for chunk in ids.chunks]))


def _struct(columns: Sequence[pa.Array], names: Sequence[str], length: int) -> pa.StructArray:
    """Return one struct of float32 per row."""
    fields = [pa.field(name, pa.float32()) for name in names]
    if not fields:
        return pa.array([{}] * length, pa.struct([]))
    return pa.StructArray.from_arrays(columns, fields=fields)


def _with_fields(values: pa.ChunkedArray, kind: pa.StructType) -> pa.Array:
    """Return structs with the fields of `kind`; a field that `values` lack is null."""
    structs = _whole(values)
    known = {field.name for field in structs.type}
    columns = [
        pc.struct_field(structs, field.name)
        if field.name in known
        else pa.nulls(len(structs), field.type)
        for field in kind
    ]
    return pa.StructArray.from_arrays(columns, fields=list(kind))


def _whole(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
