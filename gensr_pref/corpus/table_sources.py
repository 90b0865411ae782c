"""Sources of table rows: Parquet files, and datasets that `datasets` can load.

A recording is an `Audio` struct (bytes, path), the bytes of a file, or a path. No decoder of
`datasets` is used, so neither torchcodec nor FFmpeg is needed.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from gensr_pref import audio
from gensr_pref.audio import Sound
from gensr_pref.config.run_file import Columns, HuggingFaceSource, ParquetSource
from gensr_pref.corpus.base import STAGE, Item
from gensr_pref.corpus.file_sources import common_frames, labels, read_at, require_columns
from gensr_pref.corpus.fingerprints import changed_error
from gensr_pref.corpus.listing import LeftOut
from gensr_pref.errors import ConfigError, Problem, SourceError, Unusable
from gensr_pref.identity import bytes_digest
from gensr_pref.schema import Failure, Reason
from gensr_pref.tables.file_names import AmbiguousNameError, FileNames
from gensr_pref.tables.rows import Row

_ROWS_AT_ONCE = 16


class ParquetRows:
    """The rows of Parquet files; one row group at a time is in memory."""

    left_out: tuple[LeftOut, ...] = ()

    def __init__(self, config: ParquetSource, base: Path, field: str) -> None:
        self._path = base / config.path
        self._columns = config.columns
        self._wanted = list(dict.fromkeys(filter(None, config.columns.model_dump().values())))
        self._field = field
        self._folder, self._files = _parquet_files(self._path, field)

    def items(self) -> Iterator[Item | Failure]:
        """Yield one recording or failure per row, file by file."""
        for path in self._files:
            yield from self._items(path)

    def read(self, item: Item, start: int, frames: int) -> tuple[Sound, Sound | None]:
        """Read a segment of the row's recordings."""
        row = _row(self._folder / item.path, item.row, tuple(self._recordings()))
        return _sounds(row, self._columns, self._folder, item, start, frames)

    def _items(self, path: str) -> Iterator[Item | Failure]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            file = pq.ParquetFile(self._folder / path)
        except (OSError, pa.ArrowException) as error:
            raise SourceError(
                f"{path} is not Parquet: {error}",
                field=f"{self._field}.path",
                path=path,
                problem=Problem.UNREADABLE,
            ) from error
        with file:
            require_columns(self._columns, file.schema_arrow.names, self._field, path)
            number = 0
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=self._wanted):
                for row in batch.to_pylist():
                    name = str(PurePosixPath(path).with_suffix(""))
                    where = f"{self._field}.path: {path}, row {number}"
                    yield _item(name, number, row, self._columns, self._folder, where, path)
                    number += 1

    def _recordings(self) -> list[str]:
        return [name for name in (self._columns.audio, self._columns.clean) if name]


class HuggingFaceRows:
    """The rows of a dataset on the Hub, in a folder that `datasets` loads, or by `save_to_disk`."""

    left_out: tuple[LeftOut, ...] = ()

    def __init__(self, config: HuggingFaceSource, base: Path, field: str) -> None:
        self._config = config
        self._base = base
        self._field = field
        self._rows: Any = None

    def items(self) -> Iterator[Item | Failure]:
        """Yield one recording or failure per row of the split."""
        for number, row in enumerate(self._dataset()):
            where = f"{self._field}.path: {self._config.split}, row {number}"
            yield _item(self._config.split, number, row, self._config.columns, None, where)

    def read(self, item: Item, start: int, frames: int) -> tuple[Sound, Sound | None]:
        """Read a segment of the row's recordings."""
        row = self._dataset()[item.row]
        return _sounds(row, self._config.columns, None, item, start, frames)

    def _dataset(self) -> Any:
        if self._rows is None:
            self._rows = self._without_decoding(self._load())
        return self._rows

    def _load(self) -> Any:
        import datasets

        local = self._base / self._config.path
        try:
            if _is_saved(local):
                return self._split_of(datasets.load_from_disk(str(local)))
            return datasets.load_dataset(
                str(local) if local.exists() else self._config.path,
                self._config.config,
                split=self._config.split,
                revision=self._config.revision,
            )
        except ConfigError:
            raise
        except Exception as error:  # `datasets` raises the errors of all its back ends
            raise SourceError(
                f"datasets cannot load {self._config.path!r}: "
                f"{_with_causes(error)}. Loose audio files are read by kind: folder or "
                "kind: manifest",
                field=self._field,
                value=self._config.path,
                problem=Problem.UNREADABLE,
            ) from error

    def _split_of(self, saved: Any) -> Any:
        if not isinstance(saved, dict):
            return saved
        if self._config.split not in saved:
            raise ConfigError(
                f"no split {self._config.split!r}.",
                field=f"{self._field}.split",
                value=self._config.split,
                known=saved,
            )
        return saved[self._config.split]

    def _without_decoding(self, rows: Any) -> Any:
        import datasets

        columns = self._config.columns
        require_columns(columns, rows.column_names, self._field, self._config.path)
        wanted = list(dict.fromkeys(filter(None, columns.model_dump().values())))
        rows = rows.select_columns(wanted)
        for name, feature in rows.features.items():
            if isinstance(feature, datasets.Audio):
                rows = rows.cast_column(name, datasets.Audio(decode=False))
        return rows


def _with_causes(error: BaseException) -> str:
    """Return the messages of an error and of its causes, which `datasets` hides."""
    cause = error.__cause__
    return f"{error}: {_with_causes(cause)}" if cause is not None else str(error).rstrip(".")


def _is_saved(folder: Path) -> bool:
    return (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file()


def _parquet_files(path: Path, field: str) -> tuple[Path, list[str]]:
    """Return the folder of the files, and their relative paths."""
    if path.is_file():
        return path.parent, [path.name]
    if path.is_dir():
        folder, files = path, sorted(path.rglob("*.parquet"))
    else:
        files = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207
        folder = Path(os.path.commonpath([name.parent for name in files])) if files else path
    if not files:
        raise SourceError(
            f"no Parquet file at {path}", field=f"{field}.path", path=path, problem=Problem.MISSING
        )
    for file in files:
        if file.exists() and not file.is_file():
            raise SourceError(
                f"{file} is not a regular file",
                field=f"{field}.path",
                path=file,
                problem=Problem.INVALID,
            )
    return folder, [file.relative_to(folder).as_posix() for file in files]


@lru_cache(maxsize=1)
def _row_group(path: Path, group: int, columns: tuple[str, ...]) -> Any:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read_row_group(group, columns=list(columns))


@lru_cache(maxsize=64)
def _row_groups(path: Path) -> tuple[int, ...]:
    """Return the number of rows in each row group."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        groups = range(file.metadata.num_row_groups)
        return tuple(file.metadata.row_group(group).num_rows for group in groups)


def _row(path: Path, number: int, columns: tuple[str, ...]) -> Row:
    group = 0
    for rows in _row_groups(path):
        if number < rows:
            break
        number -= rows
        group += 1
    row: Row = _row_group(path, group, columns).slice(number, 1).to_pylist()[0]
    return row


def _item(
    table: str,
    number: int,
    row: Row,
    columns: Columns,
    folder: Path | None,
    where: str,
    path: str = "",
) -> Item | Failure:
    source_id = f"{table}/{_row_name(number, row.get(columns.audio or ''))}"
    try:
        header = audio.read_header(_recording(row, columns.audio, folder))
        frames = header.frames
        if columns.clean is not None:
            clean = audio.read_header(_recording(row, columns.clean, folder))
            frames = common_frames(header, clean)
    except Unusable as failed:
        return Failure(STAGE, source_id, failed.reason, failed.detail)
    recordings = _row_recordings(row, columns, folder)
    files = tuple(str(recording) for recording in recordings if isinstance(recording, Path))
    contents = _digests(recordings)
    row_labels = labels(columns, row, where)
    return Item(
        source_id, header.rate, frames, number, path, files=files, contents=contents, **row_labels
    )


def _row_name(number: int, value: Any) -> str:
    path = value.get("path") if isinstance(value, dict) else value
    name = PurePosixPath(path).name if isinstance(path, str) else ""
    return f"{number:06d}-{name}" if name else f"{number:06d}"


def _sounds(
    row: Row, columns: Columns, folder: Path | None, item: Item, start: int, frames: int
) -> tuple[Sound, Sound | None]:
    recordings = _row_recordings(row, columns, folder)
    contents = _digests(recordings)
    if item.contents and contents != item.contents:
        raise changed_error(item.source_id)
    noisy = audio.read(recordings[0], start, frames)
    return noisy, read_at(recordings[1], item.rate, start, frames) if len(recordings) > 1 else None


def _digests(recordings: list[bytes | Path]) -> tuple[str, ...]:
    """Return the digests of the recordings that are in the table itself."""
    return tuple(bytes_digest(content) for content in recordings if isinstance(content, bytes))


def _row_recordings(row: Row, columns: Columns, folder: Path | None) -> list[bytes | Path]:
    """Return a row's recording, and its clean counterpart if the table has one."""
    names = [columns.audio] if columns.clean is None else [columns.audio, columns.clean]
    return [_recording(row, name, folder) for name in names]


def _recording(row: Row, column: str | None, folder: Path | None) -> bytes | Path:
    """Return the bytes of a recording, or its path.

    Raises:
        Unusable: MISSING, also for a path outside the folder of the table.
    """
    value = row.get(column) if column is not None else None
    content = value.get("bytes") if isinstance(value, dict) else value
    path = value.get("path") if isinstance(value, dict) else value
    if isinstance(content, bytes):
        return content
    if not isinstance(path, str) or not path:
        raise Unusable(Reason.MISSING, f"column {column!r} contains no recording")
    if folder is None:
        return _cached_dataset_file(path)
    full = Path(os.path.normpath(folder.absolute() / path))
    if not full.is_relative_to(folder.absolute()):
        raise Unusable(Reason.MISSING, f"{path!r} is not below the table's folder")
    try:
        existing = _names(folder.absolute()).find(str(full.relative_to(folder.absolute())))
    except AmbiguousNameError as error:
        raise Unusable(Reason.MISSING, str(error)) from error
    return folder.absolute() / existing


@lru_cache(maxsize=8)
def _names(folder: Path) -> FileNames:
    return FileNames(folder)


def _cached_dataset_file(path: str) -> Path:
    """Return the path of a file that `datasets` downloaded or unpacked, and of no other file.

    Raises:
        Unusable: MISSING: the file is not in a cache of `datasets` or of the Hub.
    """
    import datasets
    from huggingface_hub import constants

    caches = (
        datasets.config.HF_DATASETS_CACHE,
        datasets.config.DOWNLOADED_DATASETS_PATH,
        constants.HF_HUB_CACHE,
    )
    full = Path(os.path.normpath(Path(path).absolute()))
    if not any(full.is_relative_to(Path(cache).absolute()) for cache in caches):
        raise Unusable(
            Reason.MISSING,
            f"{path!r} is not a file of the dataset, and its table contains no bytes for it",
        )
    return full
