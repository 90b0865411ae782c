"""Files in an object store: a file is one object, which is complete or absent."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gensr_pref.identity import bytes_digest
from gensr_pref.storage import objects, pieces
from gensr_pref.storage.base import LARGEST_TEXT, Entry, Files, storage_error


class ObjectFiles(Files):
    """Files at a URL; folders exist only in the names of objects."""

    reads_at_once = 16  # a store answers late, but many requests at the same time

    def exists(self, path: Path) -> bool:
        return objects.stat_object(path) is not None

    def is_folder(self, path: Path) -> bool:
        return bool(objects.list_objects(path))

    def stat_file(self, path: Path) -> Entry | None:
        return objects.stat_object(path)

    def list_files(self, folder: Path) -> dict[str, Entry]:
        return objects.list_objects(folder)

    def make_folder(self, folder: Path) -> None:
        return

    def remove_file(self, path: Path) -> None:
        objects.remove_object(path)

    def remove_unfinished(self, folder: Path) -> None:
        return

    def read_text(self, path: Path) -> str:
        entry = objects.stat_object(path)
        if entry is not None and entry.size > LARGEST_TEXT:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return objects.read_object(path).decode()

    def digest_file(self, path: Path) -> str:
        return bytes_digest(objects.read_object(path))

    def parquet_source(self, path: Path, size: int | None) -> objects.ObjectReader:
        return objects.ObjectReader(path, size)

    def write_text(self, path: Path, text: str) -> None:
        objects.write_object(path, text.encode())

    def create_file(self, path: Path, text: str) -> bool:
        return objects.create_object(path, text.encode())

    @contextmanager
    def write_atomically(self, path: Path) -> Iterator[Path]:
        temporary: Path | None = None
        try:
            handle, name = tempfile.mkstemp(prefix=".unfinished-")
            os.close(handle)
            temporary = Path(name)
            yield temporary
            objects.upload_object(path, temporary)
        except OSError as error:
            raise storage_error(path, error) from error
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)

    def append_line(self, path: Path, line: str, durable: bool) -> None:
        pieces.append_line(path, line)

    def read_lines(self, path: Path) -> list[str]:
        return pieces.read_pieces(path)

    def read_last_lines(self, path: Path) -> list[str]:
        return pieces.read_pieces(path, last=True)

    def list_names(self, folder: Path) -> list[str]:
        return objects.list_folders(folder)
