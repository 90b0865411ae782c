"""Part files: the one Parquet reader and the one Parquet writer.

A part is written atomically, so an existing file is complete, and the files are the only record of
progress. The same rows give the same bytes. A run directory may lie on a disk or at a URL
(`gensr_pref.storage.location`).
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
from gensr_pref.schema import PartFacts, parse_facts, with_metadata
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
    "Stamp", "Table", "append_json", "batches", "column_names", "count_rows", "exists",
    "hold_lock", "is_intact", "is_locked", "is_whole", "last_json_line", "list_json_files",
    "open_writer", "overwrite_json", "part", "parts", "read", "read_all", "read_facts",
    "read_facts_if_any", "read_json_lines", "read_text", "remove_file",
    "remove_unfinished_parts", "rows_by_part", "stamp", "stat_parts", "wait_for_lock", "write",
    "write_json_lines", "write_table", "write_text",
]  # fmt: skip

Table = Literal["clips", "candidates", "scores", "pairs", "failures"]
R = TypeVar("R")
_ROW_GROUP_BYTES = 64 * 2**20  # Hugging Face asks for at most about 100 MB


def part(run: Path, table: Table, shard: int, stage: str = "") -> Path:
    """Return the path of a part; `stage` distinguishes the failures of a shard's stages."""
    return run / table / f"part-{shard:05d}{f'-{stage}' if stage else ''}.parquet"


def parts(run: Path, table: Table) -> list[Path]:
    """Return the paths of a table's existing parts, in order."""
    return list(stat_parts(run, table))


def stat_parts(run: Path, table: Table) -> dict[Path, Entry]:
    """Return the entries of a table's existing parts, by path, in order; takes one listing."""
    entries = files.list_files(run / table)
    return {
        run / table / name: entry
        for name, entry in entries.items()
        if name.startswith("part-") and name.endswith(".parquet")
    }


@dataclass(frozen=True)
class Stamp:
    """A part as it was written, by which a later change is detected.

    Attributes:
        size: bytes.
        time: time of the last change, in ns since 1970.
        digest: digest of the content.
        fingerprint: fingerprint in the metadata.
        tag: ETag in a store; empty on a disk.
        rows: number of rows; None in the ledger of an older version.
        changed: as in `storage.base.Entry`; 0 in the ledger of an older version.
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
        """The entry that a listing shows if the part is unchanged."""
        return Entry(self.size, self.time, self.tag, self.changed)


def write(path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema, facts: Any) -> Stamp:
    """Write rows as one part, atomically; every page has a checksum, which `read` verifies.

    Args:
        path: the part.
        rows: values by column.
        schema: schema of the table.
        facts: fingerprint and the like, JSON-able; kept in the file's metadata (`PartFacts`).

    Raises:
        StorageError: the disk is full or the folder cannot be written. Nothing is left behind.
    """
    return write_table(path, pa.Table.from_pylist(list(rows), schema=schema), facts)


def write_table(path: Path, table: pa.Table, facts: Any) -> Stamp:
    """Write a table as one part, atomically, as `write` does."""
    per_group = max(1, int(_ROW_GROUP_BYTES * len(table) / max(1, table.nbytes)))
    with files.write_atomically(path) as temporary:
        with _writer(temporary, table.schema, facts) as writer:
            if len(table):  # `datasets` fails on a row group without rows
                writer.write_table(table, row_group_size=per_group)
        made = stamp(temporary)
    entry = files.stat_file(path) or made.entry  # renaming changes ctime, uploading both times
    return replace(made, time=entry.time, tag=entry.tag, changed=entry.changed)


@contextmanager
def open_writer(path: Path, schema: pa.Schema, facts: Any) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends a table, as a row group, to a part; the part is atomic.

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
    """Return the stamp of a file as it is now.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        entry = files.stat_file(path)
        if entry is None:
            raise FileNotFoundError("the file does not exist")
        digest = files.digest_file(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    fingerprint, count = _fingerprint_and_rows(path)
    return Stamp(entry.size, entry.time, digest, fingerprint, entry.tag, count, entry.changed)


def is_intact(path: Path, known: Stamp | None, entry: Entry | None) -> bool:
    """Return whether a part holds what was written: by its entry, else by its content.

    Args:
        path: the part.
        known: stamp from when it was written; None = unknown, so its checksums are verified.
        entry: its current entry; None if it does not exist.
    """
    if entry is None:
        return False
    if known is not None:
        if entry.is_same(known.entry):
            return True
        now = stamp(path)
        if now.fingerprint == known.fingerprint:
            return now.digest == known.digest
    try:  # unknown, or written again by a worker that ended before it could record the part
        read(path)
    except CorruptPartError:
        return False
    return True


def read_facts_if_any(path: Path) -> PartFacts:
    """Return the facts in a part's metadata; none where the part is missing or damaged."""
    try:
        return read_facts(path)
    except (CorruptPartError, ValueError):
        return {}


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Return the table of one part.

    Raises:
        CorruptPartError: the part is missing or corrupt; the message says how to make it again.
        StorageError: the store cannot be reached.
    """
    return _read_from(path, lambda source: _table(source, columns))


def batches(path: Path, columns: list[str], rows: int = 64) -> Iterator[pa.RecordBatch]:
    """Yield a part a few rows at a time, for columns that are too large to read at once.

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
    """Return all parts of a table, in order, as one.

    A column that a part lacks, because the run has grown and is unfinished, is null there.

    Raises:
        StorageError: there is no part, or one cannot be read.
    """
    entries = stat_parts(run, table)
    if not entries:
        raise StorageError(
            f"holds no part file. Is {run} a finished run directory?",
            path=run / table,
            problem=Problem.EMPTY,
        )
    tables = files.map_files(run, lambda item: _read_existing(*item, columns), entries.items())
    whole = pa.concat_tables(tables, promote_options="permissive")
    for name in columns or ():
        if name not in whole.column_names:
            whole = whole.append_column(name, pa.nulls(len(whole), pa.float32()))
    return whole if columns is None else whole.select(columns)


def read_facts(path: Path) -> PartFacts:
    """Return the facts in a part's metadata.

    Raises:
        StorageError: as `read`.
    """
    return _read_from(path, lambda source: parse_facts(pq.read_schema(source)))


def column_names(path: Path) -> list[str]:
    """Return the names of a part's columns.

    Raises:
        StorageError: the part is missing or corrupt.
    """
    return _read_from(path, lambda source: list(pq.read_schema(source).names))


def count_rows(path: Path) -> int:
    """Return the number of rows of a part.

    Raises:
        StorageError: as `read`.
    """
    return _count(path)


def rows_by_part(run: Path, table: Table) -> dict[Path, int]:
    """Return the number of rows of each part of a table.

    Raises:
        StorageError: as `read`.
    """
    entries = stat_parts(run, table)
    counts = files.map_files(run, lambda item: _count(*item), entries.items())
    return dict(zip(entries, counts, strict=True))


def is_whole(path: Path, fingerprint: str) -> bool:
    """Return whether a part exists, is complete Parquet, and belongs to this run."""
    return bool(read_facts_if_any(path).get("fingerprint") == fingerprint)


def remove_unfinished_parts(run: Path, tables: Iterable[Table]) -> None:
    """Remove the remains of interrupted writes from a run directory."""
    files.remove_unfinished([run, *(run / table for table in tables)])


def _count(path: Path, entry: Entry | None = None) -> int:
    size = None if entry is None else entry.size
    return _read_from(path, lambda source: int(pq.read_metadata(source).num_rows), size)


def _fingerprint_and_rows(path: Path) -> tuple[str, int | None]:
    """Return the fingerprint and the number of rows of a part; neither where it is damaged."""
    try:
        metadata = _read_from(path, pq.read_metadata)
        facts = parse_facts(metadata)
    except (CorruptPartError, ValueError):
        return "", None
    return str(facts.get("fingerprint", "")), int(metadata.num_rows)


def _read_from(path: Path, work: Callable[[Any], R], size: int | None = None) -> R:
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
    """Refuse a recording whose bytes are text, which would be taken for a file name.

    Raises:
        ValueError: a column holds such recordings; the message names it.
    """
    for field in schema:
        index = field.type.get_field_index("bytes") if pa.types.is_struct(field.type) else -1
        if index >= 0 and "binary" not in str(field.type.field(index).type):
            raise ValueError(
                f"column {field.name!r} holds {field.type.field(index).type}, not bytes"
            )


def _read_existing(path: Path, entry: Entry, columns: list[str] | None) -> pa.Table:
    """Return those columns that a part has, without its metadata."""

    def read_columns(source: Any) -> pa.Table:
        if columns is None:
            return _table(source, None)
        existing = set(pq.read_schema(source).names)
        return _table(source, [name for name in columns if name in existing])

    return _read_from(path, read_columns, entry.size).replace_schema_metadata()


def _unreadable(path: Path, error: Exception) -> CorruptPartError:
    return CorruptPartError(
        f"cannot be read: {error}. Delete it and run the same build again.",
        path=path,
        problem=Problem.UNREADABLE,
    )
