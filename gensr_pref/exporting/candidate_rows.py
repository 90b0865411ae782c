"""The candidates and noisy inputs of a run with their scores, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.exporting.columns import export_candidates_schema
from gensr_pref.identity import NOISY, noisy_id
from gensr_pref.rundir import part_files
from gensr_pref.rundir.rows import CLIPS_AT_ONCE, PartScores, rows_for_ids
from gensr_pref.schema import CANDIDATES, column

_LENGTH = ["sample_rate", "num_samples"]


def candidate_rows(run: Path, scores: Sequence[str], audio: bool = False) -> Iterator[pa.Table]:
    """Yield all candidates and noisy inputs in the order of the scores.

    Args:
        scores: names of the panel's scores.
        audio: whether to include their audio.

    Yields:
        Tables with the columns of `columns.export_candidates_schema` and ``split``.

    Raises:
        StorageError: a part is missing or corrupt.
    """
    schema = export_candidates_schema(scores, audio).append(pa.field("split", pa.string()))
    columns = [name for name in CANDIDATES.names if name in schema.names and name != "clip_id"]
    for part in part_files.parts(run, "scores"):
        clips = part_files.read(run / "clips" / part.name, ["clip_id", "split", *_LENGTH])
        whole = PartScores(part, scores)
        if audio:
            for facts in _with_audio(run, part.name, columns):
                yield _join(whole.only(facts.column("candidate_id")), clips, facts, schema)
        else:
            facts = part_files.read(run / "candidates" / part.name, columns)
            yield _join(whole, clips, facts, schema)


def _with_audio(run: Path, part: str, columns: list[str]) -> Iterator[pa.Table]:
    """Yield the noisy inputs of a part, then its candidates, a few at a time."""
    for batch in part_files.batches(run / "clips" / part, ["clip_id", "noisy"], CLIPS_AT_ONCE):
        ids = pa.array([noisy_id(clip) for clip in column(batch, "clip_id")])
        yield pa.table({"candidate_id": ids, "audio": batch.column("noisy")})
    for batch in part_files.batches(run / "candidates" / part, columns, CLIPS_AT_ONCE):
        yield pa.table(batch)


def _join(scores: PartScores, clips: pa.Table, facts: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return scores with the columns of `schema`, from the clips and the candidates' facts."""
    table = scores.table
    ids, of_clip = (
        table.column("candidate_id"),
        rows_for_ids(clips, "clip_id", table.column("clip_id")),
    )
    rows = rows_for_ids(facts, "candidate_id", ids)
    noisy = pc.ends_with(ids, noisy_id(""))
    named = {
        "candidate_id": ids,
        "clip_id": table.column("clip_id"),
        "scores": scores.structs(ids),
        "failures": table.column("failures"),
        "split": of_clip.column("split"),
    }
    for field in schema:
        if field.name not in named:
            exists = field.name in rows.column_names
            named[field.name] = (
                rows.column(field.name) if exists else pa.nulls(len(ids), field.type)
            )
    named["generator"] = pc.if_else(noisy, NOISY, named["generator"])
    for name in _LENGTH:
        named[name] = pc.if_else(noisy, of_clip.column(name), named[name])
    return pa.table([named[name] for name in schema.names], schema=schema)
