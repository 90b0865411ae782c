"""The table that `score` writes: its file formats and its summary."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypedDict

import pyarrow as pa

from gensr_pref import schema
from gensr_pref.building.tasks import Row
from gensr_pref.metrics.panel import Panel
from gensr_pref.rundir import part_files
from gensr_pref.untrusted.text import csv_cell

_FAILURE = ("score", "reason", "detail")
FAILURES = pa.list_(pa.struct([(name, pa.string()) for name in _FAILURE]))
FACTS = [
    pa.field("file", pa.string(), nullable=False),
    pa.field("system", pa.string(), nullable=False),
    pa.field("path", pa.string(), nullable=False),
    pa.field("seconds", pa.float64()),
    pa.field("sample_rate", pa.int32()),
    pa.field("clean_gain", pa.float64()),
    pa.field("noisy_gain", pa.float64()),
]


def _parquet(out: Path, rows: Sequence[Row], panel: Panel, facts: dict[str, Any]) -> None:
    told = {note.name: note.kind for note in panel.notes}
    scores = schema.scores_schema((score.name for score in panel.scores), told)
    form = pa.schema([*FACTS, *list(scores)[2:]])
    part_files.write(out, rows, form.set(form.get_field_index("failures"), _FAILED), facts)


def _json_lines(out: Path, rows: Sequence[Row], panel: Panel, facts: dict[str, Any]) -> None:
    names = [field.name for field in FACTS] + [score.name for score in panel.scores]
    lines = [
        json.dumps(_order_keys(row, names), ensure_ascii=False, allow_nan=False) + "\n"
        for row in rows
    ]
    part_files.write_text(out, "".join(lines))


def _order_keys(row: Row, names: Sequence[str]) -> Row:
    """A row in one order of keys, be it made now or read from what an earlier call left."""
    failures = [{name: one[name] for name in _FAILURE} for one in row["failures"] or ()]
    notes = dict(sorted((row["notes"] or {}).items()))
    return {**{k: row.get(k) for k in names}, "failures": failures or None, "notes": notes or None}


def _csv(out: Path, rows: Sequence[Row], panel: Panel, facts: dict[str, Any]) -> None:
    """As flat as it can be: notes are columns, failures are ``score: reason`` in one cell.

    Text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    notes = [note.name for note in panel.notes]
    names = [field.name for field in FACTS] + [score.name for score in panel.scores]
    text = io.StringIO(newline="")
    columns = [*names, *notes, "failures"]
    writer = csv.writer(text)
    writer.writerow(map(csv_cell, columns))
    for row in rows:
        failures = "; ".join(_in_words(one) for one in row["failures"] or ())
        flat = {**row, **(row["notes"] or {}), "failures": failures}
        writer.writerow([_flat(flat.get(name)) for name in columns])
    part_files.write_text(out, text.getvalue())


def _flat(value: Any) -> Any:
    """A value as it stands in a CSV: no text is a formula, numbers are as they are."""
    return csv_cell(value) if isinstance(value, str) else value


def _in_words(failure: Row) -> str:
    detail = f" ({failure['detail']})" if failure["detail"] else ""
    return f"{failure['score']}: {failure['reason']}{detail}"


_FAILED = pa.field("failures", FAILURES)
WRITERS = {".parquet": _parquet, ".csv": _csv, ".jsonl": _json_lines}


class ScoreMean(TypedDict):
    """The mean of one score, of how many files, and why others have none."""

    mean: float | None
    count: int
    null: dict[str, int]


class SystemScores(TypedDict):
    """The scores of the files of one system."""

    files: int
    scores: dict[str, ScoreMean]


def summary(rows: Sequence[Row], panel: Panel, labels: Iterable[str]) -> dict[str, SystemScores]:
    """Per system: how many files, and of each score the mean, its count and the nulls' reasons."""
    systems: dict[str, list[Row]] = {label: [] for label in labels}
    for row in rows:
        systems[row["system"]].append(row)
    return {
        system: {
            "files": len(of),
            "scores": {score.name: _score_mean(score.name, of) for score in panel.scores},
        }
        for system, of in systems.items()
    }


def _score_mean(score: str, rows: Sequence[Row]) -> ScoreMean:
    values = [row[score] for row in rows if row[score] is not None]
    reasons = Counter(
        one["reason"] for row in rows for one in row["failures"] or () if one["score"] == score
    )
    mean = sum(values) / len(values) if values else None
    return {"mean": mean, "count": len(values), "null": dict(sorted(reasons.items()))}
