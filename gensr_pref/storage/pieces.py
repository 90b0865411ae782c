"""Files of lines in an object store, which cannot append: each is a folder of pieces.

The pieces of ``timings.jsonl`` are ``timings.jsonl/000000-1f3a...``. Each piece has one writer,
which rewrites the whole piece with every line until it holds `_PIECE_BYTES`. So no written line is
lost, no process overwrites another's lines, and reading takes one request for the list and one for
every piece.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

from gensr_pref.storage import objects

_PIECE_BYTES = 2**16


@dataclass
class _Piece:
    """The piece of a file that this process writes to."""

    number: int
    path: Path
    text: str = ""


_current_pieces: dict[str, _Piece] = {}
_lock = threading.Lock()


def append_line(path: Path, line: str) -> None:
    """Append a line, which ends with a line feed, to a file.

    Raises:
        StorageError: the store cannot be reached or written.
    """
    with _lock:
        piece = _current_pieces.get(str(path))
        if piece is None:
            numbers = [int(name.partition("-")[0]) for name in objects.list_objects(path)]
            piece = _new_piece(path, max(numbers, default=-1) + 1)
        elif piece.text and len(piece.text) + len(line) > _PIECE_BYTES:
            piece = _new_piece(path, piece.number + 1)
        objects.write_object(piece.path, (piece.text + line).encode())
        piece.text += line
        _current_pieces[str(path)] = piece


def read_pieces(path: Path, last: bool = False) -> list[str]:
    """Return the texts of a file's pieces, in order, or of the last piece alone.

    A file that was written as one object has one text. A file that does not exist has none.

    Raises:
        StorageError: the store cannot be reached.
    """
    names = list(objects.list_objects(path))
    paths = [path / name for name in (names[-1:] if last else names)] or [path]
    try:
        return [objects.read_object(piece).decode(errors="replace") for piece in paths]
    except FileNotFoundError:
        return []


def start_new_pieces() -> None:
    """Write to new pieces from now on, as another process may have changed the current ones."""
    with _lock:
        _current_pieces.clear()


def _new_piece(path: Path, number: int) -> _Piece:
    return _Piece(number, path / f"{number:06d}-{uuid.uuid4().hex[:12]}")
