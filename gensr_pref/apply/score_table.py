"""The table that `score` writes: its file formats and its summary."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

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
    notes = {note.name: note.kind for note in panel.notes}
    scores = schema.scores_schema((score.name for score in panel.scores), notes)
    table = pa.schema([*FACTS, *list(scores)[2:]])
    table = table.set(table.get_field_index("failures"), pa.field("failures", FAILURES))
    part_files.write(out, rows, table, facts)


def _json_lines(out: Path, rows: Sequence[Row], panel: Panel, facts: dict[str, Any]) -> None:
    names = [field.name for field in FACTS] + [score.name for score in panel.scores]
    lines = [
        json.dumps(_order_keys(row, names), ensure_ascii=False, allow_nan=False) + "\n"
        for row in rows
    ]
    part_files.write_text(out, "".join(lines))


def _order_keys(row: Row, names: Sequence[str]) -> Row:
    """Return a row with its keys in a fixed order, also if it is from an earlier call."""
    failures = [{name: failure[name] for name in _FAILURE} for failure in row["failures"] or ()]
    notes = dict(sorted((row["notes"] or {}).items()))
    return {**{k: row.get(k) for k in names}, "failures": failures or None, "notes": notes or None}


def _csv(out: Path, rows: Sequence[Row], panel: Panel, facts: dict[str, Any]) -> None:
    """Write a CSV file: one column per note, and all failures as ``score: reason`` in one cell.

    An apostrophe is put before text that a spreadsheet would take for a formula.
    """
    notes = [note.name for note in panel.notes]
    names = [field.name for field in FACTS] + [score.name for score in panel.scores]
    text = io.StringIO(newline="")
    columns = [*names, *notes, "failures"]
    writer = csv.writer(text)
    writer.writerow(map(csv_cell, columns))
    for row in rows:
        failures = "; ".join(_format_failure(failure) for failure in row["failures"] or ())
        flat = {**row, **(row["notes"] or {}), "failures": failures}
        writer.writerow([_cell(flat.get(name)) for name in columns])
    part_files.write_text(out, text.getvalue())


def _cell(value: Any) -> Any:
    """Return a cell of a CSV file: text that is no formula, or a number unchanged."""
    return csv_cell(value) if isinstance(value, str) else value


def _format_failure(failure: Row) -> str:
    detail = f" ({failure['detail']})" if failure["detail"] else ""
    return f"{failure['score']}: {failure['reason']}{detail}"


WRITERS = {".parquet": _parquet, ".csv": _csv, ".jsonl": _json_lines}


class ScoreMean(TypedDict):
    """The mean of one score.

    ``count``: number of files that have the score; ``null``: number of others, by reason.
    """

    mean: float | None
    count: int
    null: dict[str, int]


class SystemScores(TypedDict):
    """The scores of one system.

    ``files``: number of its files; ``scores``: means by the name of the score.
    """

    files: int
    scores: dict[str, ScoreMean]


class LostScore(TypedDict):
    """Scores that are null in the table because the process that computed them ended.

    ``file`` and ``system``: the row; ``metric``: as the panel names it, absent if all are lost;
    ``why``: what ended the process.
    """

    file: str
    system: str
    metric: NotRequired[str]
    why: str


class ScoreReport(TypedDict):
    """What `score` returns and prints as JSON.

    ``out``: the table; ``lost``: scores that could not be computed; ``systems``: means by system.
    """

    out: str
    lost: list[LostScore]
    systems: dict[str, SystemScores]


def summarise(rows: Sequence[Row], panel: Panel, labels: Iterable[str]) -> dict[str, SystemScores]:
    """Return the means of each system.

    Args:
        labels: the systems; one without a row has means of no file.
    """
    systems: dict[str, list[Row]] = {label: [] for label in labels}
    for row in rows:
        systems[row["system"]].append(row)
    return {
        system: {
            "files": len(own),
            "scores": {score.name: _score_mean(score.name, own) for score in panel.scores},
        }
        for system, own in systems.items()
    }


def _score_mean(score: str, rows: Sequence[Row]) -> ScoreMean:
    values = [row[score] for row in rows if row[score] is not None]
    reasons = Counter(
        failure["reason"]
        for row in rows
        for failure in row["failures"] or ()
        if failure["score"] == score
    )
    mean = sum(values) / len(values) if values else None
    return {"mean": mean, "count": len(values), "null": dict(sorted(reasons.items()))}
