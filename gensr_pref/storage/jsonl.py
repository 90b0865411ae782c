"""Files of JSON lines that grow one line at a time: timings, progress, notices, votes.

On a disk, lines are appended to one file. An object store cannot append: there the lines are in
pieces, ``timings.jsonl/000000-1f3a...``. Each piece has one writer, which rewrites the whole piece
with every line until it holds `_PIECE_BYTES`. So no written line is lost, no process overwrites
another's lines, and reading takes one request for the list and one for every piece.
"""

from __future__ import annotations

import json
import math
import os
import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensr_pref.errors import Problem, StorageError
from gensr_pref.storage import files, objects
from gensr_pref.storage.location import is_remote
from gensr_pref.untrusted import documents

_LONGEST_LINE = 2**16  # bytes of a progress record
_PIECE_BYTES = 2**16


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
    if is_remote(path):
        _append(path, line)
        return
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("\n" + line if _lacks_newline(path) else line)
            if durable:
                file.flush()
                files.flush(file.fileno())
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
        return {key: replace_non_finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [replace_non_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return all whole lines of a file that `append_json` wrote; none if the file does not exist.

    Raises:
        StorageError: the store cannot be reached.
    """
    if is_remote(path):
        return _records(_pieces(path))
    if not path.is_file():
        return []
    return _records([path.read_text(encoding="utf-8", errors="replace")])


def last_json_line(path: Path) -> dict[str, Any] | None:
    """Return the last whole line of a file that `append_json` wrote; reads only the end of it."""
    try:
        texts = _pieces(path, last=True) if is_remote(path) else [_tail(path)]
    except OSError:
        return None
    records = _records(texts)
    return records[-1] if records else None


def json_files(folder: Path) -> list[str]:
    """Return the sorted names of the files of JSON lines in a folder.

    Raises:
        StorageError: the store cannot be reached.
    """
    names = objects.folders(folder) if is_remote(folder) else [one.name for one in folder.glob("*")]
    return sorted(name for name in names if name.endswith(".jsonl"))


def start_new_pieces() -> None:
    """Write to new pieces from now on, as another process may have changed the current ones."""
    with _lock:
        _current_pieces.clear()


@dataclass
class _Piece:
    """The piece of a file that this process writes to."""

    number: int
    path: Path
    text: str = ""


_current_pieces: dict[str, _Piece] = {}
_lock = threading.Lock()


def _append(path: Path, line: str) -> None:
    with _lock:
        piece = _current_pieces.get(str(path))
        if piece is None:
            numbers = [int(name.partition("-")[0]) for name in objects.listed(path)]
            piece = _new_piece(path, max(numbers, default=-1) + 1)
        elif piece.text and len(piece.text) + len(line) > _PIECE_BYTES:
            piece = _new_piece(path, piece.number + 1)
        objects.put(piece.path, (piece.text + line).encode())
        piece.text += line
        _current_pieces[str(path)] = piece


def _new_piece(path: Path, number: int) -> _Piece:
    return _Piece(number, path / f"{number:06d}-{uuid.uuid4().hex[:12]}")


def _pieces(path: Path, last: bool = False) -> list[str]:
    """Return the texts of a file's pieces, in order; or that of a file written as a whole."""
    names = list(objects.listed(path))
    places = [path / name for name in (names[-1:] if last else names)] or [path]
    try:
        return [objects.get(place).decode(errors="replace") for place in places]
    except FileNotFoundError:
        return []


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_LINE))
        return file.read().decode(errors="replace")


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


def _lacks_newline(path: Path) -> bool:
    """Return whether the last line does not end with a line feed."""
    size = path.stat().st_size
    if size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _write_error(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot be written: {error.strerror or error}. Make room or choose another "
        "folder. Finished work is kept, and the same command resumes it.",
        path=path,
        problem=Problem.UNWRITABLE,
    )
