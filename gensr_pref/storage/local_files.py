"""Files on a disk: a temporary file is flushed and renamed, so a file is complete or absent."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gensr_pref.identity import file_digest
from gensr_pref.storage.base import LARGEST_TEXT, Entry, Files, storage_error

_TEMPORARY = ".unfinished-"
_LONGEST_LINE = 2**16  # bytes of a progress record
# Errors of a file system that lacks a call, or does not allow it to this user.
_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EPERM}


class LocalFiles(Files):
    """Files of a file system of this machine."""

    reads_at_once = 1

    def exists(self, path: Path) -> bool:
        return path.exists()

    def is_folder(self, path: Path) -> bool:
        return path.exists()

    def stat_file(self, path: Path) -> Entry | None:
        try:
            return _entry(path.stat())
        except FileNotFoundError:
            return None

    def list_files(self, folder: Path) -> dict[str, Entry]:
        if not folder.is_dir():
            return {}
        with os.scandir(folder) as entries:
            files = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
        return {name: _entry(status) for name, status in sorted(files)}

    def make_folder(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)

    def remove_file(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def remove_unfinished(self, folder: Path) -> None:
        for leftover in folder.glob(f"{_TEMPORARY}*"):
            leftover.unlink(missing_ok=True)

    def read_text(self, path: Path) -> str:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait forever
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if status.st_size > LARGEST_TEXT:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return path.read_text(encoding="utf-8")

    def digest_file(self, path: Path) -> str:
        return file_digest(path)

    def parquet_source(self, path: Path, size: int | None) -> Path:
        return path

    def write_text(self, path: Path, text: str) -> None:
        with self.write_atomically(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def create_file(self, path: Path, text: str) -> bool:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _create_complete(path, text)
        except FileExistsError:
            return False
        except OSError as error:
            raise storage_error(path, error) from error
        return True

    @contextmanager
    def write_atomically(self, path: Path) -> Iterator[Path]:
        temporary: Path | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = _temporary_file(path.parent)
            yield temporary
            _flush_file(temporary)
            with _if_supported():
                temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except OSError as error:
            raise storage_error(path, error) from error
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)

    def append_line(self, path: Path, line: str, durable: bool) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write("\n" + line if _lacks_newline(path) else line)
            if durable:
                file.flush()
                flush(file.fileno())

    def read_lines(self, path: Path) -> list[str]:
        return [path.read_text(encoding="utf-8", errors="replace")] if path.is_file() else []

    def read_last_lines(self, path: Path) -> list[str]:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LONGEST_LINE))
            return [file.read().decode(errors="replace")]

    def list_names(self, folder: Path) -> list[str]:
        return [path.name for path in folder.glob("*")]


def flush(descriptor: int) -> None:
    """Wait until an open file is on the disk, if its file system can report this.

    Raises:
        OSError: the file cannot be written.
    """
    with _if_supported():
        os.fsync(descriptor)


def _entry(status: os.stat_result) -> Entry:
    return Entry(status.st_size, status.st_mtime_ns, changed=status.st_ctime_ns)


def _temporary_file(folder: Path) -> Path:
    handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=folder)
    os.close(handle)
    return Path(name)


def _flush_file(path: Path) -> None:
    """Wait until a file is on the disk, so that after a crash its name never has less content."""
    with path.open("rb") as file:
        flush(file.fileno())


def _create_complete(path: Path, text: str) -> None:
    """Create a file that no process sees half written: `link` is atomic, on NFS too."""
    temporary = _temporary_file(path.parent)
    try:
        temporary.write_text(text, encoding="utf-8")
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        with path.open("x", encoding="utf-8") as file:  # without links: half written for a moment
            file.write(text)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _if_supported() -> Iterator[None]:
    """Allow a call to fail that some file systems lack and that is not essential."""
    try:
        yield
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _lacks_newline(path: Path) -> bool:
    """Return whether the last line does not end with a line feed."""
    size = path.stat().st_size
    if size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
