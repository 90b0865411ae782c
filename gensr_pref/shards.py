"""Part files: the one Parquet reader and the one Parquet writer.

A part is written under a temporary name and renamed when whole, so a file that is there is
complete, and the files are the only record of progress. The same rows give the same bytes.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from gensr_pref.errors import CorruptPartError, GensrPrefError, StorageError
from gensr_pref.identity import file_digest
from gensr_pref.schema import facts_of, with_metadata

Table = Literal["clips", "candidates", "scores", "pairs", "failures"]
_TEMPORARY = ".unfinished-"
_LONGEST_LINE = 2**16  # bytes, of a snapshot
_ROW_GROUP_BYTES = 64 * 2**20  # Hugging Face asks for at most about 100 MB


def part(run: Path, table: Table, shard: int, stage: str = "") -> Path:
    """The path of one part; `stage` tells apart the failures of a shard's stages."""
    return run / table / f"part-{shard:05d}{f'-{stage}' if stage else ''}.parquet"


def parts(run: Path, table: Table) -> list[Path]:
    """The parts of a table that are there, in order."""
    return sorted((run / table).glob("part-*.parquet"))


@dataclass(frozen=True)
class Stamp:
    """A part as it was written: what tells later whether it is still the same.

    Attributes:
        size: bytes.
        time: of its last change, in ns since 1970.
        digest: of its content.
        fingerprint: that its metadata names.
    """

    size: int
    time: int
    digest: str
    fingerprint: str


def write(path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema, facts: Any) -> Stamp:
    """Write rows as one part, atomically; every page has a checksum that `read` looks at.

    Args:
        facts: JSON-able; schema version, fingerprint and the like, kept in the file's metadata.

    Raises:
        StorageError: the disk is full or the folder cannot be written. Nothing is left behind.
    """
    return write_table(path, pa.Table.from_pylist(list(rows), schema=schema), facts)


def write_table(path: Path, table: pa.Table, facts: Any) -> Stamp:
    """Write a table as one part, atomically; as `write` for what is columns already."""
    table = table.replace_schema_metadata(with_metadata(table.schema, facts).metadata)
    per_group = max(1, int(_ROW_GROUP_BYTES * len(table) / max(1, table.nbytes)))
    with _atomic(path) as temporary:
        with pq.ParquetWriter(
            temporary,
            table.schema,
            compression="zstd",
            write_page_index=True,
            write_page_checksum=True,
            use_content_defined_chunking=True,
        ) as writer:
            if len(table):  # `datasets` stumbles over a row group of no rows
                writer.write_table(table, row_group_size=per_group)
        return stamp(temporary)


def stamp(path: Path) -> Stamp:
    """A file as it is now.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        seen = path.stat()
        named = str(facts_if_any(path).get("fingerprint", ""))
        return Stamp(seen.st_size, seen.st_mtime_ns, file_digest(path), named)
    except OSError as error:
        raise _unreadable(path, error) from error


def is_intact(path: Path, known: Stamp | None) -> bool:
    """Whether a part holds what was written: by its time and size, or else by its checksums.

    Args:
        known: from when it was written; None where that is not known: then it is read through.
    """
    if not path.exists():
        return False
    seen = path.stat()
    if known is not None:
        if (seen.st_size, seen.st_mtime_ns) == (known.size, known.time):
            return True
        now = stamp(path)
        if now.fingerprint == known.fingerprint:
            return now.digest == known.digest
    try:  # not known, or written since by a worker that could not tell
        read(path)
    except CorruptPartError:
        return False
    return True


def facts_if_any(path: Path) -> dict[str, Any]:
    """The facts that a part was written with; none where it is missing or damaged."""
    try:
        return facts(path)
    except (CorruptPartError, ValueError):
        return {}


def write_text(path: Path, text: str) -> None:
    """Write a small text file, atomically.

    Raises:
        StorageError: as for `write`.
    """
    with _atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def held(path: Path, busy: GensrPrefError) -> Iterator[None]:
    """Keep every other process out of a file, which is made where it is not there.

    Args:
        busy: raised where another process holds it.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a")
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written: {error.strerror}. Choose another --out"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy from error
        yield


def begin_json(path: Path, record: dict[str, Any]) -> None:
    """Make a file hold one JSON line and no other; it stays the same file, under the same lock."""
    try:
        path.write_text(json.dumps(record, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise _storage_error(path, error) from error


def append_json(path: Path, record: dict[str, Any]) -> None:
    """Append one JSON line. A line cut off by a crash is skipped by `read_json_lines`."""
    line = json.dumps(record, sort_keys=True) + "\n"
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("\n" + line if _cut_off(path) else line)
    except OSError as error:
        raise _storage_error(path, error) from error


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a file that `append_json` wrote; none where there is no file."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records


def last_json_line(path: Path) -> dict[str, Any] | None:
    """The last whole line of a file that `append_json` wrote, however long the file is."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LONGEST_LINE))
            lines = file.read().splitlines()
    except OSError:
        return None
    for text in reversed(lines):
        try:
            return dict(json.loads(text))
        except (ValueError, TypeError):
            continue
    return None


def is_held(path: Path) -> bool:
    """Whether a process holds a file as `held` does."""
    try:
        with path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """One part.

    Raises:
        StorageError: it is missing or corrupt; the message says to delete it and build again.
    """
    try:
        return pq.read_table(
            path, columns=columns, partitioning=None, page_checksum_verification=True
        )
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from error


def batches(path: Path, columns: list[str], rows: int = 64) -> Iterator[pa.RecordBatch]:
    """A part in pieces of so many rows, for columns that are too large to read at once.

    Raises:
        StorageError: it is missing or corrupt.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield from file.iter_batches(batch_size=rows, columns=columns)
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from error


def read_all(run: Path, table: Table, columns: list[str] | None = None) -> pa.Table:
    """All parts of a table, in order.

    Where a run has grown and not been finished, a column that a part lacks is null there.

    Raises:
        StorageError: there is none, or one cannot be read.
    """
    found = parts(run, table)
    if not found:
        raise StorageError(f"{run / table}: holds no part file. Is {run} a finished run directory?")
    tables = [_read_known(path, columns).replace_schema_metadata() for path in found]
    whole = pa.concat_tables(tables, promote_options="permissive")
    for name in columns or ():
        if name not in whole.column_names:
            whole = whole.append_column(name, pa.nulls(len(whole), pa.float32()))
    return whole if columns is None else whole.select(columns)


def _read_known(path: Path, columns: list[str] | None) -> pa.Table:
    """Those of the columns that a part has."""
    if columns is None:
        return read(path)
    there = columns_of(path)
    return read(path, [name for name in columns if name in there])


def facts(path: Path) -> dict[str, Any]:
    """The facts that a part was written with.

    Raises:
        StorageError: it is missing or corrupt.
    """
    try:
        return facts_of(pq.read_schema(path))
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from error


def columns_of(path: Path) -> list[str]:
    """The names of a part's columns.

    Raises:
        StorageError: it is missing or corrupt.
    """
    try:
        return list(pq.read_schema(path).names)
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from error


def rows(path: Path) -> int:
    """How many rows a part has.

    Raises:
        StorageError: it is missing or corrupt.
    """
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from error


def count(run: Path, table: Table) -> int:
    """How many rows a table has, over all its parts.

    Raises:
        StorageError: a part is corrupt.
    """
    return sum(rows(path) for path in parts(run, table))


def is_whole(path: Path, fingerprint: str) -> bool:
    """Whether a part is there, ends as Parquet does, and belongs to this run."""
    return bool(facts_if_any(path).get("fingerprint") == fingerprint)


def sweep(run: Path, tables: Iterable[Table]) -> None:
    """Remove what an interrupted write left behind."""
    for folder in [run, *(run / table for table in tables)]:
        for leftover in folder.glob(f"{_TEMPORARY}*"):
            leftover.unlink(missing_ok=True)


@contextmanager
def _atomic(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that becomes `path` when the block ends well."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _flush(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise _storage_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until a file's bytes are on the disk, so that a rename never outlives them."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _cut_off(path: Path) -> bool:
    """Whether the last line lacks its end."""
    size = path.stat().st_size
    if size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _unreadable(path: Path, error: Exception) -> CorruptPartError:
    return CorruptPartError(
        f"{path}: cannot be read: {error}. Delete it and run the same build again."
    )


def _storage_error(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path}: cannot be written: {error.strerror or error}. Make room or choose another --out; "
        "what is finished is kept, and the same command continues."
    )
