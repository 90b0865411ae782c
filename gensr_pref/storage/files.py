"""Files of a run directory: listed, read, written whole or not at all, and removed.

On a disk a temporary file is renamed; on a store an object is put as one.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gensr_pref.errors import Problem, UnwrittenError
from gensr_pref.storage import objects
from gensr_pref.storage.location import is_remote
from gensr_pref.storage.objects import Entry

LARGEST_TEXT = 2**28  # bytes of a text that is read whole; the audit of 90 000 clips has far less
_TEMPORARY = ".unfinished-"
# How a file system says that it has no such call, or not for this user.
_NOT_OFFERED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EPERM}


def exists(path: Path) -> bool:
    """Whether there is a file.

    Raises:
        StorageError: its store cannot be asked.
    """
    return objects.entry(path) is not None if is_remote(path) else path.exists()


def is_folder(path: Path) -> bool:
    """Whether there is a folder, or something else of that name; on a store, with files in it.

    Raises:
        StorageError: its store cannot be asked.
    """
    return bool(objects.listed(path)) if is_remote(path) else path.exists()


def entry(path: Path) -> Entry | None:
    """How a file looks now; None where there is none.

    Raises:
        StorageError: its store cannot be asked.
    """
    if is_remote(path):
        return objects.entry(path)
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return _entry(seen)


def listed(folder: Path) -> dict[str, Entry]:
    """The files of a folder by name, in order; none where there is no folder.

    Raises:
        StorageError: its store cannot be asked.
    """
    if is_remote(folder):
        return objects.listed(folder)
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as found:
        files = [(one.name, one.stat()) for one in found if one.is_file()]
    return {name: _entry(seen) for name, seen in sorted(files)}


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        StorageError: its store cannot be asked.
    """
    if is_remote(path):
        objects.remove(path)
    else:
        path.unlink(missing_ok=True)


def read_text(path: Path) -> str:
    """A small text file.

    Raises:
        OSError: it is not there, cannot be read, is no regular file, or is beyond `LARGEST_TEXT`.
        UnicodeDecodeError: it is not UTF-8.
        StorageError: its store cannot be asked.
    """
    if is_remote(path):
        found = objects.entry(path)
        if found is not None and found.size > LARGEST_TEXT:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return objects.get(path).decode()
    seen = path.stat()
    if not stat.S_ISREG(seen.st_mode):  # a pipe would be waited for without end
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if seen.st_size > LARGEST_TEXT:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return path.read_text(encoding="utf-8")


def write_text(path: Path, text: str) -> None:
    """Write a small text file, atomically.

    Raises:
        StorageError: the disk is full, or it cannot be written. Nothing is left behind.
    """
    if is_remote(path):
        objects.put(path, text.encode())
        return
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def create(path: Path, text: str) -> bool:
    """Write a small text file only where there is none; whether it is ours.

    Of several processes that try at once, on one machine or on several, one succeeds.

    Raises:
        StorageError: it cannot be written.
    """
    if is_remote(path):
        return objects.create(path, text.encode())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _create_whole(path, text)
    except FileExistsError:
        return False
    except OSError as error:
        raise storage_error(path, error) from error
    return True


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary file that becomes `path` when the block ends well.

    Raises:
        StorageError: as `write_text`.
    """
    remote = is_remote(path)
    temporary: Path | None = None
    try:
        if not remote:
            path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=None if remote else path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        if remote:
            objects.put_file(path, temporary)
        else:
            _flush(temporary)
            with _if_offered():
                temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def sweep(folders: Iterable[Path]) -> None:
    """Remove what interrupted writes left in folders; a store has no half objects."""
    for folder in folders:
        for leftover in () if is_remote(folder) else folder.glob(f"{_TEMPORARY}*"):
            leftover.unlink(missing_ok=True)


def storage_error(path: Path, error: OSError) -> UnwrittenError:
    """What to tell of a file that cannot be written."""
    return UnwrittenError(
        f"cannot be written: {error.strerror or error}. Make room or choose another "
        "folder; what is finished is kept, and the same command continues.",
        path=path,
        problem=Problem.UNWRITABLE,
    )


def _entry(seen: os.stat_result) -> Entry:
    return Entry(seen.st_size, seen.st_mtime_ns, changed=seen.st_ctime_ns)


def flush(descriptor: int) -> None:
    """Wait until the bytes of an open file are on the disk, where its file system can tell.

    Raises:
        OSError: they cannot be written.
    """
    with _if_offered():
        os.fsync(descriptor)


def _flush(path: Path) -> None:
    """Wait until a file's bytes are on the disk, so that a rename never outlives them."""
    with path.open("rb") as file:
        flush(file.fileno())


def _create_whole(path: Path, text: str) -> None:
    """Make a file that nobody ever sees half written: `link` is atomic, on NFS too."""
    handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        temporary.write_text(text, encoding="utf-8")
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
        with path.open("x", encoding="utf-8") as file:  # no links here: seen half for a moment
            file.write(text)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _if_offered() -> Iterator[None]:
    """A call that some file systems do not have, and that the work can do without."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
