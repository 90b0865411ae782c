"""Pairs and candidates of a run with what belongs to them, a few rows at a time.

A clip, its candidates and their scores are in parts of the same number, so that one part of each
table is open at a time and of its audio only what is needed next is held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.errors import CorruptPartError, Problem
from gensr_pref.exporting.columns import SIDES, candidates_schema, pairs_schema
from gensr_pref.identity import CLEAN, NOISY, clean_id, noisy_id
from gensr_pref.rundir import part_files
from gensr_pref.schema import CANDIDATES, SCORE_FAILURES

CLIPS_AT_ONCE = 8
_SIDE = ["candidate_id", "generator", "revision", "seed", "sampling", "tokens", "latent", "audio"]
_NOT_TOLD = ("clip_id", "noisy")  # told from elsewhere, and as `prompt`
_OF_CLIP = ["text", "language", "speaker", "source", "degradation", "sample_rate", "num_samples"]


def pair_rows(run: Path, scores: Sequence[str], clean: bool = False) -> Iterator[pa.Table]:
    """The pairs with their audio, clip by clip in the run's order, with a column ``split``.

    The bytes of every sound are those of the run.

    Args:
        scores: names of the panel's scores.
        clean: whether the clean clip is wanted.

    Raises:
        StorageError: a part is missing or corrupt, or a pair names a candidate that is not there.
    """
    pairs = part_files.read_all(run, "pairs").combine_chunks()
    places: dict[str, list[int]] = {}
    for place, clip in enumerate(pairs.column("clip_id").to_pylist()):
        places.setdefault(clip, []).append(place)
    form = pairs_schema(scores, clean).append(pa.field("split", pa.string()))
    for part in part_files.parts(run, "clips"):
        yield from _pairs_of_part(run, part, pairs, places, form)


def _pairs_of_part(
    run: Path, part: Path, pairs: pa.Table, places: dict[str, list[int]], form: pa.Schema
) -> Iterator[pa.Table]:
    ids = part_files.read(part, ["clip_id"]).column("clip_id").to_pylist()
    here = [place for clip in ids for place in places.get(clip, ())]
    if not here:
        return
    of_part = pairs.take(pa.array(here, pa.int64()))
    sides = _Sides(run / "candidates" / part.name, of_part)
    scores = _Scores(run / "scores" / part.name, [one.name for one in form.field("margins").type])
    golden = pc.any(pc.ends_with(of_part.column("chosen_id"), clean_id(""))).as_py()
    clean = ["clean"] if golden or "clean" in form.names else []  # else it is left on the disk
    wanted = ["clip_id", "noisy", *clean, *_OF_CLIP, "split"]
    for batch in part_files.batches(part, wanted, CLIPS_AT_ONCE):
        clips = pa.table(batch)
        rows = [place for clip in _ids(clips) for place in places.get(clip, ())]
        if rows:
            mine = pairs.take(pa.array(rows, pa.int64()))
            yield _joined(
                mine, _taken(clips, "clip_id", mine.column("clip_id")), sides, scores, form
            )


def _joined(
    pairs: pa.Table, clips: pa.Table, sides: _Sides, scores: _Scores, form: pa.Schema
) -> pa.Table:
    """The columns of `form`; `clips` has one row per pair."""
    noisy = [noisy_id(clip) for clip in _ids(pairs)]
    named = {
        "prompt": clips.column("noisy"),
        "prompt_scores": scores.of(pa.array(noisy, pa.string())),
        **{name: clips.column(name) for name in clips.column_names if name not in _NOT_TOLD},
        **{name: pairs.column(name) for name in ("pair_id", "clip_id", "rule", "rank")},
        "margins": _struct(pairs.column("margins"), form.field("margins").type),
    }
    found = sides.of([pairs.column(f"{side}_id") for side in SIDES])
    for side, rows in zip(SIDES, found, strict=True):
        ids = pairs.column(f"{side}_id")
        cleaned = pc.equal(ids, pa.array([clean_id(clip) for clip in _ids(pairs)], pa.string()))
        sound = rows.column("audio")
        named[side] = pc.if_else(cleaned, named["clean"], sound) if "clean" in named else sound
        named[f"{side}_id"], named[f"{side}_scores"] = ids, scores.of(ids)
        named[f"{side}_generator"] = pc.if_else(cleaned, CLEAN, rows.column("generator"))
        for name in ("revision", "seed", "sampling", "tokens", "latent"):
            named[f"{side}_{name}"] = rows.column(name)
    return pa.table([named[name] for name in form.names], schema=form)


def candidate_rows(run: Path, scores: Sequence[str], audio: bool = False) -> Iterator[pa.Table]:
    """All candidates and noisy inputs in the order of the scores, with a column ``split``.

    Args:
        scores: names of the panel's scores.
        audio: whether their sound is wanted.

    Raises:
        StorageError: a part is missing or corrupt.
    """
    form = candidates_schema(scores, audio).append(pa.field("split", pa.string()))
    for part in part_files.parts(run, "scores"):
        found = _Scores(part, scores)
        clips = part_files.read(run / "clips" / part.name, ["clip_id", "split", *_LENGTH])
        if audio:
            yield from _candidates_with_audio(run, part, found, clips, form)
        else:
            columns = [
                name for name in CANDIDATES.names if name in form.names and name != "clip_id"
            ]
            known = part_files.read(run / "candidates" / part.name, columns)
            yield _candidates(found, clips, known, form)


_LENGTH = ["sample_rate", "num_samples"]


def _candidates_with_audio(
    run: Path, part: Path, found: _Scores, clips: pa.Table, form: pa.Schema
) -> Iterator[pa.Table]:
    """The noisy inputs of a part, then its candidates."""
    for batch in part_files.batches(run / "clips" / part.name, ["clip_id", "noisy"], CLIPS_AT_ONCE):
        ids = pa.array([noisy_id(clip) for clip in batch.column("clip_id").to_pylist()])
        known = pa.table({"candidate_id": ids, "audio": batch.column("noisy")})
        yield _candidates(found.only(ids), clips, known, form)
    columns = [name for name in CANDIDATES.names if name in form.names and name != "clip_id"]
    for batch in part_files.batches(run / "candidates" / part.name, columns, CLIPS_AT_ONCE):
        yield _candidates(found.only(batch.column("candidate_id")), clips, pa.table(batch), form)


def _candidates(found: _Scores, clips: pa.Table, known: pa.Table, form: pa.Schema) -> pa.Table:
    table = found.table
    ids, of_clip = table.column("candidate_id"), _taken(clips, "clip_id", table.column("clip_id"))
    rows = _taken(known, "candidate_id", ids)
    noisy = pc.ends_with(ids, noisy_id(""))
    named = {
        "candidate_id": ids,
        "clip_id": table.column("clip_id"),
        "scores": found.of(ids),
        "failures": table.column("failures"),
        "split": of_clip.column("split"),
    }
    for field in form:
        if field.name not in named:
            there = field.name in rows.column_names
            named[field.name] = rows.column(field.name) if there else pa.nulls(len(ids), field.type)
    named["generator"] = pc.if_else(noisy, NOISY, named["generator"])
    for name in _LENGTH:
        named[name] = pc.if_else(noisy, of_clip.column(name), named[name])
    return pa.table([named[name] for name in form.names], schema=form)


class _Sides:
    """The candidates of one part that pairs name, read on as they are asked for."""

    def __init__(self, part: Path, pairs: pa.Table) -> None:
        self._part = part
        ids = pa.chunked_array([*_chunks(pairs, "chosen_id"), *_chunks(pairs, "rejected_id")])
        self._wanted = pc.unique(ids)
        self._batches: Iterator[pa.RecordBatch] | None = None
        self._held = pa.schema([CANDIDATES.field(name) for name in _SIDE]).empty_table()

    def of(self, columns: Sequence[pa.ChunkedArray]) -> list[pa.Table]:
        """One row per id of each column, null where it is that of a clean clip; asked once."""
        ids = pc.unique(pa.chunked_array([chunk for one in columns for chunk in one.chunks]))
        ids = ids.filter(pc.invert(pc.ends_with(ids, clean_id(""))))
        while len(lacking := ids.filter(pc.invert(self._has(ids)))):
            self._read_on(lacking)
        found = [_taken(self._held, "candidate_id", one) for one in columns]
        given = pc.is_in(self._held.column("candidate_id"), value_set=ids)
        self._held = self._held.filter(pc.invert(given)).combine_chunks()
        return found

    def _has(self, ids: pa.Array) -> pa.Array:
        held = self._held.column("candidate_id").combine_chunks()
        return pc.is_in(ids, value_set=held)

    def _read_on(self, lacking: pa.Array) -> None:
        if self._batches is None:
            self._batches = part_files.batches(self._part, _SIDE, CLIPS_AT_ONCE)
        batch = next(self._batches, None)
        if batch is None:
            raise CorruptPartError(
                f"has no candidate {lacking[0].as_py()!r}, which a pair names. Run "
                "the same build again, then gensr-pref pair",
                path=self._part,
                value=lacking[0].as_py(),
                problem=Problem.MISSING,
            )
        kept = batch.filter(pc.is_in(batch.column("candidate_id"), value_set=self._wanted))
        self._held = pa.concat_tables([self._held, pa.table(kept).cast(self._held.schema)])


class _Scores:
    """The scores of one part."""

    def __init__(self, part: Path, names: Sequence[str], table: pa.Table | None = None) -> None:
        self._part, self._names = part, names
        self.table = self._read() if table is None else table
        self._values = _struct_of(self.table, names)

    def of(self, ids: pa.Array | pa.ChunkedArray) -> pa.Array:
        """A struct per id; null where it was not scored."""
        known = self.table.column("candidate_id").combine_chunks()
        return self._values.take(pc.index_in(_whole(ids), value_set=known))

    def only(self, ids: pa.Array) -> _Scores:
        """Those with these ids."""
        kept = self.table.filter(pc.is_in(self.table.column("candidate_id"), value_set=ids))
        return _Scores(self._part, self._names, kept)

    def _read(self) -> pa.Table:
        table = part_files.read(self._part).combine_chunks()
        for name in self._names:  # where the run has grown and was not finished
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(len(table), pa.float32()))
        if "failures" not in table.column_names:
            table = table.append_column("failures", pa.nulls(len(table), SCORE_FAILURES))
        return table


def _struct_of(table: pa.Table, names: Sequence[str]) -> pa.StructArray:
    columns = [_whole(table.column(name)) for name in names]
    fields = [pa.field(name, pa.float32()) for name in names]
    if not fields:
        return pa.array([{}] * len(table), pa.struct([]))
    return pa.StructArray.from_arrays(columns, fields=fields)


def _struct(column: pa.ChunkedArray, kind: pa.StructType) -> pa.Array:
    """A struct with the fields of `kind`, null where the column has none of that name."""
    whole = _whole(column)
    there = {field.name for field in whole.type}
    values = [
        pc.struct_field(whole, field.name)
        if field.name in there
        else pa.nulls(len(whole), field.type)
        for field in kind
    ]
    return pa.StructArray.from_arrays(values, fields=list(kind))


def _taken(table: pa.Table, key: str, ids: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The rows with these ids, null where there is none."""
    known = _whole(table.column(key))
    return table.take(pc.index_in(_whole(ids), value_set=known))


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _chunks(table: pa.Table, name: str) -> Sequence[pa.Array]:
    chunks: Sequence[pa.Array] = table.column(name).chunks
    return chunks


def _ids(table: pa.Table) -> Sequence[str]:
    ids: Sequence[str] = table.column("clip_id").to_pylist()
    return ids
