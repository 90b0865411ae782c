"""A folder that is made whole beside its place, and takes the place of an earlier one.

Until it is whole it is ``.unfinished-NAME``, which one process at a time holds by a lock on the
folder itself. The earlier one is ``.replaced-NAME`` while the new one gets its name; a command that
is killed just then is made good by the next.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gensr_pref.errors import InputError


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """An empty folder that becomes `out` when the block ends well; else `out` stays as it is.

    Raises:
        InputError: another process is making it.
        OSError: it cannot be written.
    """
    new, old = _beside(out, "unfinished"), _beside(out, "replaced")
    with _held(new, out):
        try:
            _repair(out, old)
            _clear(new)
            yield new
            _take_place(new, out, old)
        except BaseException:  # not `finally`: once it is in place, `new` may be another's
            shutil.rmtree(new, ignore_errors=True)
            raise


def require_place(out: Path) -> None:
    """Refuse early a folder that cannot be replaced.

    Raises:
        InputError: it is the working folder or above it, or where a disk is mounted.
    """
    if Path.cwd().is_relative_to(out.resolve()):
        raise InputError(f"{out}: is the folder you are in, or above it. Name one to make in it")
    if out.is_mount():
        raise InputError(f"{out}: a disk is mounted there. Name a folder to make in it")


def _beside(out: Path, what: str) -> Path:
    return out.parent / f".{what}-{out.name}"


@contextmanager
def _held(folder: Path, out: Path) -> Iterator[None]:
    """Keep other processes out of a folder, also while it gets another name."""
    folder.mkdir(parents=True, exist_ok=True)
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not (folder.exists() and os.path.samestat(os.fstat(opened), folder.stat())):
            raise BlockingIOError  # it was finished between the two lines above
        yield
    except BlockingIOError as error:
        raise InputError(
            f"{out}: another export is writing it. Wait for it, or choose another OUT"
        ) from error
    finally:
        os.close(opened)


def _repair(out: Path, old: Path) -> None:
    """Make good what a command left that was killed while it replaced the folder."""
    if old.exists() and not out.exists():
        old.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _take_place(new: Path, out: Path, old: Path) -> None:
    if out.exists():
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)
