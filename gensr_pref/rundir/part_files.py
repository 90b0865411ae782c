"""Part files: the one Parquet reader and the one Parquet writer.

A part is written whole or not at all, so a file that is there is complete, and the files are the
only record of progress. The same rows give the same bytes. A run directory may lie on a disk or at
a URL (`gensr_pref.storage.location`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from gensr_pref.errors import CorruptPartError, Problem, StorageError
from gensr_pref.schema import facts_of, with_metadata
from gensr_pref.storage import files
from gensr_pref.storage.base import Entry
from gensr_pref.storage.files import exists, read_text, remove_file, write_text
from gensr_pref.storage.jsonl import (
    append_json,
    last_json_line,
    list_json_files,
    overwrite_json,
    read_json_lines,
    write_json_lines,
)
from gensr_pref.storage.lease import hold_lock, is_locked, wait_for_lock

__all__ = [
    "Stamp", "Table", "append_json", "batches", "counts", "exists", "facts", "facts_if_any",
    "hold_lock", "is_intact", "is_locked", "is_whole", "last_json_line", "list_json_files",
    "overwrite_json", "part", "parts", "read", "read_all", "read_json_lines", "read_text",
    "remove_file", "remove_unfinished_parts", "rows", "stamp", "stat_parts", "wait_for_lock",
    "write", "write_json_lines", "write_table", "write_text",
]  # fmt: skip

Table = Literal["clips", "candidates", "scores", "pairs", "failures"]
R = TypeVar("R")
_ROW_GROUP_BYTES = 64 * 2**20  # Hugging Face asks for at most about 100 MB


def part(run: Path, table: Table, shard: int, stage: str = "") -> Path:
    """The path of one part; `stage` tells apart the failures of a shard's stages."""
    return run / table / f"part-{shard:05d}{f'-{stage}' if stage else ''}.parquet"


def parts(run: Path, table: Table) -> list[Path]:
    """The parts of a table that are there, in order."""
    return list(stat_parts(run, table))


def stat_parts(run: Path, table: Table) -> dict[Path, Entry]:
    """The parts of a table that are there, in order, and how they look; asks for one listing."""
    found = files.list_files(run / table)
    return {
        run / table / name: one
        for name, one in found.items()
        if name.startswith("part-") and name.endswith(".parquet")
    }


@dataclass(frozen=True)
class Stamp:
    """A part as it was written: what tells later whether it is still the same.

    Attributes:
        size: bytes.
        time: of its last change, in ns since 1970.
        digest: of its content.
        fingerprint: that its metadata names.
        tag: that a store gave it; empty on a disk.
        rows: how many; None where an older version wrote it down.
        changed: as `store.Entry` has it; 0 where an older version wrote it down.
    """

    size: int
    time: int
    digest: str
    fingerprint: str
    tag: str = ""
    rows: int | None = None
    changed: int = 0

    @property
    def entry(self) -> Entry:
        """What a listing shows of it."""
        return Entry(self.size, self.time, self.tag, self.changed)


def write(path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema, facts: Any) -> Stamp:
    """Write rows as one part, atomically; every page has a checksum that `read` looks at.

    Args:
        facts: JSON-able; schema version, fingerprint and the like, kept in the file's metadata.

    Raises:
        StorageError: the disk is full or the folder cannot be written. Nothing is left behind.
    """
    return write_table(path, pa.Table.from_pylist(list(rows), schema=schema), facts)


def write_table(path: Path, table: pa.Table, facts: Any) -> Stamp:
    """Write a table as one part, atomically; as `write` for what is columns already."""
    per_group = max(1, int(_ROW_GROUP_BYTES * len(table) / max(1, table.nbytes)))
    with files.write_atomically(path) as temporary:
        with _writer(temporary, table.schema, facts) as writer:
            if len(table):  # `datasets` stumbles over a row group of no rows
                writer.write_table(table, row_group_size=per_group)
        made = stamp(temporary)
    there = files.stat_file(path) or made.entry  # renaming changes the one time, sending both
    return replace(made, time=there.time, tag=there.tag, changed=there.changed)


@contextmanager
def growing(path: Path, schema: pa.Schema, facts: Any) -> Iterator[Callable[[pa.Table], None]]:
    """A part that is written table by table, each a row group; atomic, as `write`.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    with files.write_atomically(path) as temporary, _writer(temporary, schema, facts) as writer:
        yield writer.write_table


def _writer(path: Path, schema: pa.Schema, facts: Any) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        with_metadata(schema.remove_metadata(), facts),
        compression="zstd",
        write_page_index=True,
        write_page_checksum=True,
        use_content_defined_chunking=True,
    )


def stamp(path: Path) -> Stamp:
    """A file as it is now.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        seen = files.stat_file(path)
        if seen is None:
            raise FileNotFoundError("it is not there")
        digest = files.digest_file(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    named, count = _named_and_counted(path)
    return Stamp(seen.size, seen.time, digest, named, seen.tag, count, seen.changed)


def is_intact(path: Path, known: Stamp | None, seen: Entry | None) -> bool:
    """Whether a part holds what was written: by how it looks, or else by its checksums.

    Args:
        known: from when it was written; None where that is not known: then it is read through.
        seen: how it looks now; None where it is not there.
    """
    if seen is None:
        return False
    if known is not None:
        if seen.is_same(known.entry):
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


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """One part.

    Raises:
        CorruptPartError: it is missing or corrupt; the message says to delete it and build again.
        StorageError: its store cannot be asked.
    """
    return _opened(path, lambda source: _table(source, columns))


def batches(path: Path, columns: list[str], rows: int = 64) -> Iterator[pa.RecordBatch]:
    """A part in pieces of so many rows, for columns that are too large to read at once.

    Raises:
        StorageError: as `read`.
    """
    try:
        with pq.ParquetFile(files.parquet_source(path), page_checksum_verification=True) as file:
            _require_bytes(file.schema_arrow)
            yield from file.iter_batches(batch_size=rows, columns=columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def read_all(run: Path, table: Table, columns: list[str] | None = None) -> pa.Table:
    """All parts of a table, in order.

    Where a run has grown and not been finished, a column that a part lacks is null there.

    Raises:
        StorageError: there is none, or one cannot be read.
    """
    found = stat_parts(run, table)
    if not found:
        raise StorageError(
            f"holds no part file. Is {run} a finished run directory?",
            path=run / table,
            problem=Problem.EMPTY,
        )
    tables = files.map_files(run, lambda one: _read_known(*one, columns), found.items())
    whole = pa.concat_tables(tables, promote_options="permissive")
    for name in columns or ():
        if name not in whole.column_names:
            whole = whole.append_column(name, pa.nulls(len(whole), pa.float32()))
    return whole if columns is None else whole.select(columns)


def facts(path: Path) -> dict[str, Any]:
    """The facts that a part was written with.

    Raises:
        StorageError: as `read`.
    """
    return _opened(path, lambda source: facts_of(pq.read_schema(source)))


def columns_of(path: Path) -> list[str]:
    """The names of a part's columns.

    Raises:
        StorageError: it is missing or corrupt.
    """
    return _opened(path, lambda source: list(pq.read_schema(source).names))


def rows(path: Path) -> int:
    """How many rows a part has.

    Raises:
        StorageError: as `read`.
    """
    return _count(path)


def counts(run: Path, table: Table) -> dict[Path, int]:
    """How many rows each part of a table has.

    Raises:
        StorageError: as `read`.
    """
    found = stat_parts(run, table)
    return dict(
        zip(found, files.map_files(run, lambda one: _count(*one), found.items()), strict=True)
    )


def is_whole(path: Path, fingerprint: str) -> bool:
    """Whether a part is there, ends as Parquet does, and belongs to this run."""
    return bool(facts_if_any(path).get("fingerprint") == fingerprint)


def remove_unfinished_parts(run: Path, tables: Iterable[Table]) -> None:
    """Remove what an interrupted write left behind."""
    files.remove_unfinished([run, *(run / table for table in tables)])


def _count(path: Path, seen: Entry | None = None) -> int:
    size = None if seen is None else seen.size
    return _opened(path, lambda source: int(pq.read_metadata(source).num_rows), size)


def _named_and_counted(path: Path) -> tuple[str, int | None]:
    """The fingerprint of a part and its rows; nothing where it is damaged."""
    try:
        found = _opened(path, pq.read_metadata)
        told = facts_of(found)
    except (CorruptPartError, ValueError):
        return "", None
    return str(told.get("fingerprint", "")), int(found.num_rows)


def _opened(path: Path, work: Callable[[Any], R], size: int | None = None) -> R:
    try:
        return work(files.parquet_source(path, size))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def _table(source: Any, columns: list[str] | None) -> pa.Table:
    # Not `pq.read_table`: for a single file it imports pyarrow's dataset layer, and with it pandas.
    with pq.ParquetFile(source, pre_buffer=True, page_checksum_verification=True) as file:
        _require_bytes(file.schema_arrow)
        if columns is None:
            return file.read()
        lacking = set(columns) - set(file.schema_arrow.names)
        if lacking:
            raise pa.ArrowInvalid(f"it has no column {', '.join(sorted(lacking))}")
        return file.read(columns).select(columns)


def _require_bytes(schema: pa.Schema) -> None:
    """Refuse a recording whose bytes are text: it would be taken for the name of a file.

    Raises:
        ValueError: names the column.
    """
    for field in schema:
        place = field.type.get_field_index("bytes") if pa.types.is_struct(field.type) else -1
        if place >= 0 and "binary" not in str(field.type.field(place).type):
            raise ValueError(
                f"column {field.name!r} holds {field.type.field(place).type}, no bytes"
            )


def _read_known(path: Path, seen: Entry, columns: list[str] | None) -> pa.Table:
    """Those of the columns that a part has, without its metadata."""

    def known(source: Any) -> pa.Table:
        if columns is None:
            return _table(source, None)
        there = set(pq.read_schema(source).names)
        return _table(source, [name for name in columns if name in there])

    return _opened(path, known, seen.size).replace_schema_metadata()


def _unreadable(path: Path, error: Exception) -> CorruptPartError:
    return CorruptPartError(
        f"cannot be read: {error}. Delete it and run the same build again.",
        path=path,
        problem=Problem.UNREADABLE,
    )
