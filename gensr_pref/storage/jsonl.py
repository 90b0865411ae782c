"""JSON lines that are added one at a time: timings, progress, notices, votes.

On a disk that is a file that grows. A store knows no append: there the lines stand in pieces,
``timings.jsonl/000000-1f3a...``, each of which one process alone writes, and writes anew, whole,
with every line, until it holds `_PIECE_BYTES`. So a line that was written is never lost, no
process ever overwrites another's, and reading takes a request for every piece and for the list.
"""

from __future__ import annotations

import json
import math
import os
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensr_pref.errors import Problem, StorageError
from gensr_pref.storage import files, objects
from gensr_pref.storage.location import is_remote
from gensr_pref.untrusted import documents

_LONGEST_LINE = 2**16  # bytes, of a snapshot
_PIECE_BYTES = 2**16


def begin_json(path: Path, record: dict[str, Any]) -> None:
    """Make a file of this machine hold one JSON line and no other, under the same lock as before.

    Raises:
        ValueError: the record holds NaN or an infinity.
        StorageError: the disk is full, or it cannot be written.
    """
    try:
        path.write_text(_line(record), encoding="utf-8")
    except OSError as error:
        raise _unwritten(path, error) from error


def append_json(path: Path, record: dict[str, Any], durable: bool = False) -> None:
    """Append one JSON line. A line cut off by a crash is skipped by `read_json_lines`.

    Args:
        durable: wait until the disk has it; a store always does.

    Raises:
        ValueError: the record holds NaN or an infinity, for which JSON has no word.
        StorageError: the disk is full, or it cannot be written.
    """
    line = _line(record)
    if is_remote(path):
        _append(path, line)
        return
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("\n" + line if _cut_off(path) else line)
            if durable:
                file.flush()
                files.flush(file.fileno())
    except OSError as error:
        raise _unwritten(path, error) from error


def write_json_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write a file of JSON lines whole, atomically.

    Raises:
        ValueError: a record holds NaN or an infinity.
        StorageError: the disk is full, or it cannot be written.
    """
    files.write_text(path, "".join(map(_line, records)))


def finite(value: Any) -> Any:
    """Nested data with null for NaN and infinities, as a training that diverged has them."""
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a file that `append_json` wrote; none where there is no file.

    Raises:
        StorageError: its store cannot be asked.
    """
    if is_remote(path):
        return _records(_pieces(path))
    if not path.is_file():
        return []
    return _records([path.read_text(encoding="utf-8", errors="replace")])


def last_json_line(path: Path) -> dict[str, Any] | None:
    """The last whole line of a file that `append_json` wrote, however long the file is."""
    try:
        texts = _pieces(path, last=True) if is_remote(path) else [_end(path)]
    except OSError:
        return None
    found = _records(texts)
    return found[-1] if found else None


def json_files(folder: Path) -> list[str]:
    """The names of what `append_json` wrote in a folder.

    Raises:
        StorageError: its store cannot be asked.
    """
    names = objects.folders(folder) if is_remote(folder) else [one.name for one in folder.glob("*")]
    return sorted(name for name in names if name.endswith(".jsonl"))


def forget() -> None:
    """Begin new pieces from here on: others may have written, or removed, what was there."""
    with _lock:
        _begun.clear()


@dataclass
class _Piece:
    """What this process writes to now."""

    number: int
    path: Path
    text: str = ""


_begun: dict[str, _Piece] = {}
_lock = threading.Lock()


def _append(path: Path, line: str) -> None:
    with _lock:
        piece = _begun.get(str(path))
        if piece is None:
            numbers = [int(name.partition("-")[0]) for name in objects.listed(path)]
            piece = _new_piece(path, max(numbers, default=-1) + 1)
        elif piece.text and len(piece.text) + len(line) > _PIECE_BYTES:
            piece = _new_piece(path, piece.number + 1)
        objects.put(piece.path, (piece.text + line).encode())
        piece.text += line
        _begun[str(path)] = piece


def _new_piece(path: Path, number: int) -> _Piece:
    return _Piece(number, path / f"{number:06d}-{uuid.uuid4().hex[:12]}")


def _pieces(path: Path, last: bool = False) -> list[str]:
    """The texts of a file's pieces, in order; or of the file, where it was written as one."""
    names = list(objects.listed(path))
    places = [path / name for name in (names[-1:] if last else names)] or [path]
    try:
        return [objects.get(place).decode(errors="replace") for place in places]
    except FileNotFoundError:
        return []


def _end(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_LINE))
        return file.read().decode(errors="replace")


def _records(texts: Iterable[str]) -> list[dict[str, Any]]:
    return [line for line in _parsed(texts) if isinstance(line, dict)]


def _parsed(texts: Iterable[str]) -> Iterable[Any]:
    for text in texts:
        for line in text.splitlines():
            try:
                yield documents.json_of(line)
            except ValueError:
                continue


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, allow_nan=False) + "\n"


def _cut_off(path: Path) -> bool:
    """Whether the last line lacks its end."""
    size = path.stat().st_size
    if size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _unwritten(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot be written: {error.strerror or error}. Make room or choose another "
        "folder; what is finished is kept, and the same command continues.",
        path=path,
        problem=Problem.UNWRITABLE,
    )
