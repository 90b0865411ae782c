"""A folder that is written under another name, and replaces an earlier one once it is complete.

The new folder is called ``.unfinished-NAME`` until it is complete; the lock
``.unfinished-NAME.lock`` beside it is held by one process at a time. The earlier folder is called
``.replaced-NAME`` while the new one is renamed. If a command is killed at that moment, the next one
repairs it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gensr_pref.errors import InputError, Problem
from gensr_pref.storage.lease import hold_lock


@contextmanager
def replace_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `out` if the block succeeds; otherwise `out` is unchanged.

    Raises:
        InputError: another process is writing it.
        OSError: the folder cannot be written.
        StorageError: its lock cannot be written.
    """
    new, old = _beside(out, "unfinished"), _beside(out, "replaced")
    busy = InputError(
        "another export is writing it. Wait for it, or choose another folder",
        path=out,
        problem=Problem.BUSY,
    )
    with hold_lock(new.with_name(f"{new.name}.lock"), busy, discard=True):
        try:
            _undo_interruption(out, old)
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            yield new
            _take_place(new, out, old)
        finally:  # after success, nothing has this name
            shutil.rmtree(new, ignore_errors=True)


def require_replaceable(out: Path) -> None:
    """Refuse a folder that cannot be replaced, before anything is written.

    Raises:
        InputError: it is the working folder or one above it, or a disk is mounted there.
    """
    if Path.cwd().is_relative_to(out.resolve()):
        raise InputError(
            "is the current folder, or one above it. Name a new folder inside the current one",
            path=out,
            problem=Problem.UNSAFE,
        )
    if out.is_mount():
        raise InputError(
            "a disk is mounted there. Name a new folder inside it", path=out, problem=Problem.UNSAFE
        )


def _beside(out: Path, state: str) -> Path:
    return out.parent / f".{state}-{out.name}"


def _undo_interruption(out: Path, old: Path) -> None:
    """Repair what a command left behind that was killed while it replaced the folder."""
    if old.exists() and not out.exists():
        old.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _take_place(new: Path, out: Path, old: Path) -> None:
    if out.exists():
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)
