"""Rows sorted by their pseudonyms, so that their order reveals nothing about the names.

Pseudonyms are spread evenly: rows are distributed to files by the first digits of theirs, and each
file, a 256th of all rows, is sorted in memory. Meanwhile there are two copies on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc

ROWS_AT_ONCE = 32
_DIGITS = 2  # of 16, hexadecimal


def sort_by_pseudonym(rows: Iterator[pa.Table], folder: Path) -> Iterator[pa.Table]:
    """Yield the same rows sorted by ``clip_id``; those of a clip stay in their order.

    Args:
        rows: rows with pseudonyms for clips (`pseudonyms.Pseudonyms.table`).
        folder: folder with room for all rows; nothing is left there.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    with TemporaryDirectory(prefix=".unsorted-", dir=folder) as place:
        for path in _distribute(rows, Path(place)):
            yield from _read_sorted(path)
            path.unlink()


def _distribute(rows: Iterator[pa.Table], folder: Path) -> list[Path]:
    """Write rows to files, sorted by the pseudonyms in them."""
    writers: dict[str, pa.ipc.RecordBatchStreamWriter] = {}
    with ExitStack() as opened:
        for table in rows:
            starts = _first_digits(table)
            for start in pc.unique(starts).to_pylist():
                if start not in writers:
                    writer = pa.ipc.new_stream(str(folder / start), table.schema)
                    writers[start] = opened.enter_context(writer)
                writers[start].write_table(table.filter(pc.equal(starts, start)))
    return [folder / start for start in sorted(writers)]


def _first_digits(table: pa.Table) -> pa.ChunkedArray:
    begin = len("clip-")
    return pc.utf8_slice_codeunits(table.column("clip_id"), begin, begin + _DIGITS)


def _read_sorted(path: Path) -> Iterator[pa.Table]:
    with pa.ipc.open_stream(str(path)) as file:
        table = file.read_all().combine_chunks()
    order = pc.sort_indices(table.column("clip_id"))  # stable
    for start in range(0, len(table), ROWS_AT_ONCE):
        yield table.take(order.slice(start, ROWS_AT_ONCE))
