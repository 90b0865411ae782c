"""The files of a dataset on disk: configs (tables), and their splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa


@dataclass(frozen=True)
class Split:
    """A split of a config, with its files.

    Attributes:
        name: train or validation.
        files: the files in order.
        rows: number of rows in all files.
        num_bytes: size of the rows in memory, as Arrow holds them.
    """

    name: str
    files: tuple[Path, ...]
    rows: int
    num_bytes: int

    @property
    def download_size(self) -> int:
        """Size of the files in bytes."""
        return sum(file.stat().st_size for file in self.files)


@dataclass(frozen=True)
class DatasetConfig:
    """A config (table) of a dataset.

    Attributes:
        name: name of the config.
        folder: folder of its files; empty if they are at the top.
        schema: schema of its files.
        splits: its splits, with files and rows.
    """

    name: str
    folder: str
    schema: pa.Schema
    splits: tuple[Split, ...]

    @property
    def download_size(self) -> int:
        """Size of the files in bytes."""
        return sum(split.download_size for split in self.splits)

    @property
    def dataset_size(self) -> int:
        """Size of the rows in memory, in bytes."""
        return sum(split.num_bytes for split in self.splits)
