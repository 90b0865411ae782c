"""Rows sorted by their pseudonyms, so that their order reveals nothing about the names.

Rows are distributed to files by the first digits of their pseudonyms. Each file has about a 256th
of all rows, because pseudonyms are spread evenly, and is sorted in memory. Meanwhile the disk holds
two copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc

ROWS_AT_ONCE = 32
_DIGITS = 2  # first hexadecimal digits, of 16


def sort_by_pseudonym(rows: Iterator[pa.Table], folder: Path) -> Iterator[pa.Table]:
    """Yield the same rows sorted by ``clip_id``; the rows of a clip stay in their order.

    Args:
        rows: rows with pseudonyms for clips (`pseudonyms.Pseudonyms.table`).
        folder: folder with room for all rows; nothing is left there.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    with TemporaryDirectory(prefix=".unsorted-", dir=folder) as temporary:
        for path in _distribute(rows, Path(temporary)):
            yield from _read_sorted(path)
            path.unlink()


def _distribute(rows: Iterator[pa.Table], folder: Path) -> list[Path]:
    """Write rows to files; return these in the order of the pseudonyms in them."""
    writers: dict[str, pa.ipc.RecordBatchStreamWriter] = {}
    with ExitStack() as stack:
        for table in rows:
            starts = _first_digits(table)
            for start in pc.unique(starts).to_pylist():
                if start not in writers:
                    writer = pa.ipc.new_stream(str(folder / start), table.schema)
                    writers[start] = stack.enter_context(writer)
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
