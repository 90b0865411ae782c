"""Files of JSON lines that grow one line at a time: timings, progress, notices, votes.

On a disk, lines are appended to one file. An object store cannot append: there the lines are in
pieces (`gensr_pref.storage.pieces`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gensr_pref.errors import Problem, StorageError
from gensr_pref.storage import files
from gensr_pref.storage.files import files_at
from gensr_pref.untrusted import documents


def overwrite_json(path: Path, record: dict[str, Any]) -> None:
    """Overwrite a file of this machine with one JSON line, in place, so that a lock on it stays.

    Raises:
        ValueError: the record holds NaN or an infinity.
        StorageError: the file cannot be written, or the disk is full.
    """
    try:
        path.write_text(_line(record), encoding="utf-8")
    except OSError as error:
        raise _write_error(path, error) from error


def append_json(path: Path, record: Mapping[str, Any], durable: bool = False) -> None:
    """Append one JSON line; `read_json_lines` skips a line that a crash cut off.

    Args:
        path: the file.
        record: the line's content.
        durable: wait until the line is on the disk; an object store always waits.

    Raises:
        ValueError: the record holds NaN or an infinity, which JSON cannot express.
        StorageError: the file cannot be written, or the disk is full.
    """
    line = _line(record)
    try:
        files_at(path).append_line(path, line, durable)
    except OSError as error:
        raise _write_error(path, error) from error


def write_json_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write a whole file of JSON lines, atomically.

    Raises:
        ValueError: a record holds NaN or an infinity.
        StorageError: the file cannot be written, or the disk is full.
    """
    files.write_text(path, "".join(map(_line, records)))


def replace_non_finite(value: Any) -> Any:
    """Return nested data with null for NaN and infinities, which a diverged training produces."""
    if isinstance(value, dict):
        return {key: replace_non_finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [replace_non_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return all whole lines of a file that `append_json` wrote; none if the file does not exist.

    Raises:
        StorageError: the store cannot be reached.
    """
    return _records(files_at(path).read_lines(path))


def last_json_line(path: Path) -> dict[str, Any] | None:
    """Return the last whole line of a file that `append_json` wrote; reads only the end of it."""
    try:
        records = _records(files_at(path).read_last_lines(path))
    except OSError:
        return None
    return records[-1] if records else None


def list_json_files(folder: Path) -> list[str]:
    """Return the sorted names of the files of JSON lines in a folder.

    Raises:
        StorageError: the store cannot be reached.
    """
    return sorted(name for name in files_at(folder).list_names(folder) if name.endswith(".jsonl"))


def _records(texts: Iterable[str]) -> list[dict[str, Any]]:
    return [line for line in _parse_lines(texts) if isinstance(line, dict)]


def _parse_lines(texts: Iterable[str]) -> Iterable[Any]:
    for text in texts:
        for line in text.splitlines():
            try:
                yield documents.parse_json(line)
            except ValueError:
                continue


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, allow_nan=False) + "\n"


def _write_error(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot be written: {error.strerror or error}. Make room or choose another "
        "folder. Finished work is kept, and the same command resumes it.",
        path=path,
        problem=Problem.UNWRITABLE,
    )
