"""The facts of a run that its export publishes: audit, counts, size and languages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.auditing.document import Audit
from gensr_pref.auditing.run_audit import audit, table_digests
from gensr_pref.building.summary import Summary
from gensr_pref.errors import InputError, Problem
from gensr_pref.exporting.dataset_files import DatasetConfig
from gensr_pref.rundir import part_files
from gensr_pref.rundir.integrity import Contents
from gensr_pref.storage import files
from gensr_pref.tables.languages import language_code
from gensr_pref.untrusted import documents


class SplitSize(TypedDict):
    """The size of a split: rows, files, and the size of the rows in memory, in bytes."""

    rows: int
    files: int
    num_bytes: int


class ConfigSize(TypedDict):
    """The size of a config: its splits by name, and the bytes of its files and of its rows."""

    splits: dict[str, SplitSize]
    download_size: int
    dataset_size: int


class DatasetSize(TypedDict):
    """The size of a dataset: its configs by name, and hours of clips that have pairs, by split."""

    configs: dict[str, ConfigSize]
    hours: dict[str, float]


def full_audit(contents: Contents) -> Audit:
    """Return the full audit of a run, from its file if that is up to date.

    An audit is made if there is none, if it is a short one, or if it is older than the run's parts
    or the listeners' answers.

    Raises:
        InputError: the run has no scores or pairs yet.
        StorageError: a table cannot be read, or the audit cannot be written.
    """
    path = contents.out / "audit" / "audit.json"
    entry = files.stat_file(path)
    if entry is not None and entry.time >= _last_change(contents.out):
        existing = _read_object(path)
        if (
            existing is not None
            and "panel" in existing
            and existing.get("contents") == table_digests(contents)
        ):
            return cast(Audit, existing)
    return audit(contents.out)


def _last_change(run: Path) -> int:
    """Return when pairs or listeners' answers were last written, in ns since 1970."""
    listening = run / "listening"
    folders = [listening, *(listening / name for name in part_files.list_json_files(listening))]
    entries = [*part_files.stat_parts(run, "pairs").values()]
    entries += [entry for folder in folders for entry in files.list_files(folder).values()]
    return max((entry.time for entry in entries), default=0)


def read_summary(run: Path) -> Summary:
    """Return the content of a run's ``summary.json``.

    Raises:
        InputError: it is missing or damaged.
    """
    summary = _read_object(run / "summary.json")
    if summary is None:
        raise InputError(
            "its summary.json is missing or damaged. Run the same build again",
            path=run,
            problem=Problem.MISSING,
        )
    return cast(Summary, summary)


def _read_object(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file of the run; None if it is missing or damaged."""
    try:
        content = documents.parse_json(part_files.read_text(path))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def measure_dataset(run: Path, tables: Sequence[DatasetConfig]) -> DatasetSize:
    """Return rows and bytes of a run's dataset, and the hours of its clips that have pairs."""
    return {
        "configs": {
            table.name: {
                "splits": {
                    split.name: {
                        "rows": split.rows,
                        "files": len(split.files),
                        "num_bytes": split.num_bytes,
                    }
                    for split in table.splits
                },
                "download_size": table.download_size,
                "dataset_size": table.dataset_size,
            }
            for table in tables
        },
        "hours": _hours(run),
    }


def _hours(run: Path) -> dict[str, float]:
    clips = part_files.read_all(run, "clips", ["clip_id", "split", "sample_rate", "num_samples"])
    paired = part_files.read_all(run, "pairs", ["clip_id"]).column("clip_id")
    paired_clips = clips.filter(pc.is_in(clips.column("clip_id"), value_set=pc.unique(paired)))
    samples = paired_clips.column("num_samples").cast(pa.float64())
    seconds = pc.divide(samples, paired_clips.column("sample_rate").cast(pa.float64()))
    table = pa.table({"split": paired_clips.column("split"), "seconds": seconds})
    grouped = table.group_by("split").aggregate([("seconds", "sum")]).to_pylist()
    return {row["split"]: row["seconds_sum"] / 3600 for row in sorted(grouped, key=_by_split)}


def _by_split(row: dict[str, Any]) -> str:
    return str(row["split"])


def clip_languages(run: Path) -> list[str]:
    """Return the ISO 639-1 codes of the languages of a run's clips, sorted."""
    column = part_files.read_all(run, "clips", ["language"]).column("language")
    names = filter(None, pc.unique(column).to_pylist())
    return sorted({code for name in names if (code := _language_code_or_none(name))})


def _language_code_or_none(written: str) -> str | None:
    """Return a language's code; None for other text, which runs of earlier versions may hold."""
    try:
        return language_code(written)
    except ValueError:
        return None
