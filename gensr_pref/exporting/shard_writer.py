"""Writer of a split as numbered Parquet files of about the same size."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from gensr_pref.exporting.dataset_files import Split
from gensr_pref.rundir import part_files

SHARD_BYTES = 400 * 10**6  # the Hub advises 300 to 500 MB
ROW_GROUP_BYTES = 32 * 2**20  # a reader has one in memory at a time


class ShardWriter:
    """A writer of files ``SPLIT-00000-of-0000N.parquet`` with at most two row groups in memory.

    Args:
        folder: folder of the files.
        split: name of the split.
        schema, facts: schema and metadata of every file; see `part_files`.
        shard_bytes: approximate maximum size of a file.
    """

    def __init__(
        self, folder: Path, split: str, schema: pa.Schema, facts: Any, shard_bytes: int
    ) -> None:
        self._folder, self._split, self._schema, self._facts = folder, split, schema, facts
        self._most = shard_bytes
        self._waiting: list[pa.Table] = []
        self._files: list[Path] = []
        self._open = ExitStack()
        self._write: Callable[[pa.Table], None] | None = None
        self._rows = self._num_bytes = self._in_file = self._in_group = 0

    def add(self, table: pa.Table) -> None:
        """Append rows; a table larger than a row group is divided."""
        pieces = max(1, math.ceil(table.nbytes / ROW_GROUP_BYTES))
        step = max(1, math.ceil(len(table) / pieces))
        for start in range(0, len(table), step):
            self._add(table.slice(start, step))

    def close(self) -> Split:
        """Write the remaining rows, give the files their names, and return the split."""
        self._flush()
        self._open.close()
        total = len(self._files)
        named = [
            file.rename(self._folder / f"{self._split}-{number:05d}-of-{total:05d}.parquet")
            for number, file in enumerate(self._files)
        ]
        return Split(self._split, tuple(named), self._rows, self._num_bytes)

    def abandon(self, error: BaseException) -> None:
        """Close the open file without keeping it."""
        self._open.__exit__(type(error), error, error.__traceback__)

    def _add(self, table: pa.Table) -> None:
        size = table.nbytes
        if self._in_group and self._in_group + size > ROW_GROUP_BYTES:
            self._flush()
        if self._in_file and self._in_file + self._in_group + size > self._most:
            self._flush()
            self._open.close()
            self._write = None
        self._waiting.append(table)
        self._in_group += size
        self._rows += len(table)
        self._num_bytes += size

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._write is None:
            file = self._folder / f"{self._split}-{len(self._files):05d}.parquet"
            self._files.append(file)
            growing = part_files.open_writer(file, self._schema, self._facts)
            self._write = self._open.enter_context(growing)
            self._in_file = 0
        self._write(pa.concat_tables(self._waiting))
        self._in_file += self._in_group
        self._waiting, self._in_group = [], 0
