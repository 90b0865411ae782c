"""Sources of files: a manifest (CSV, TSV or JSON Lines), a folder, two matched folders."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from gensr_pref import audio
from gensr_pref.audio import Header, Sound
from gensr_pref.config.run_file import Columns, FolderSource, ManifestSource, PairedSource
from gensr_pref.corpus.base import STAGE, Item
from gensr_pref.corpus.listing import LeftOut, list_audio
from gensr_pref.errors import ConfigError, Problem, SourceError, Unusable
from gensr_pref.schema import Failure, Reason
from gensr_pref.tables.cells import language_in, speaker_in, text_in
from gensr_pref.tables.file_names import AmbiguousNameError, FileNames
from gensr_pref.tables.rows import Row, read_rows

LENGTH_TOLERANCE_S = 0.02  # allowed difference of noisy and clean; both are cut to the shorter


class ManifestFiles:
    """The files below a root that the rows of a table name."""

    left_out: tuple[LeftOut, ...] = ()

    def __init__(self, config: ManifestSource, base: Path, field: str) -> None:
        self._table = base / config.path
        self._root = SourceFolder(
            base / config.root if config.root is not None else self._table.parent
        )
        self._columns = config.columns
        self._field = field

    def items(self) -> Iterator[Item | Failure]:
        """Yield one recording or failure per row, in the table's order."""
        rows = read_rows(self._table, f"{self._field}.path")
        names = dict.fromkeys(name for _, row in rows for name in row)
        require_columns(self._columns, names, self._field, str(self._table))
        for number, row in rows:
            yield self._item(number, row)

    def read(self, item: Item, start: int, frames: int) -> tuple[Sound, Sound | None]:
        """Read a segment of the row's file, and of its clean file if there is one."""
        return self._root.read(item, start, frames)

    def _item(self, number: int, row: Row) -> Item | Failure:
        columns = self._columns
        path = self._path(number, row, columns.audio)
        if path is None:
            detail = f"row {number} has no value in column {columns.audio!r}"
            return Failure(STAGE, f"{self._table.name}:{number}", Reason.MISSING, detail)
        clean = self._path(number, row, columns.clean)
        if columns.clean is not None and clean is None:
            detail = f"row {number} has no value in column {columns.clean!r}"
            return Failure(STAGE, path, Reason.NO_CLEAN, detail)
        return self._root.item(path, clean, number, **labels(columns, row, self._where(number)))

    def _path(self, number: int, row: Row, column: str | None) -> str | None:
        value = text_in(row, column, self._where(number))
        if value is None:
            return None
        path = self._root.relative_path(value)
        if path is None:
            raise SourceError(
                f"{column} = {value!r} leaves the folder "
                f"{self._root.folder}. To allow it, set {self._field}.root to a folder that "
                "holds all the files.",
                field=self._where(number),
                value=value,
                problem=Problem.UNSAFE,
            )
        return self._root.find(path)

    def _where(self, number: int) -> str:
        return f"{self._field}.path: {self._table}, row {number}"


class FolderFiles:
    """Every audio file below a folder, sorted by its relative path."""

    def __init__(self, config: FolderSource, base: Path, field: str) -> None:
        self._root = SourceFolder(base / config.path)
        self._speaker = config.speaker
        self._field = field
        self.left_out: tuple[LeftOut, ...] = ()

    def items(self) -> Iterator[Item | Failure]:
        """Yield one recording or failure per file."""
        listing = list_audio(self._root.folder, f"{self._field}.path")
        self.left_out = listing.left_out
        for number, path in enumerate(listing.paths, 1):
            yield self._root.item(path, None, number, speaker=self._speaker_of(path))

    def read(self, item: Item, start: int, frames: int) -> tuple[Sound, Sound | None]:
        """Read a segment of the file."""
        return self._root.read(item, start, frames)

    def _speaker_of(self, path: str) -> str | None:
        if self._speaker == "none":
            return None
        return unicodedata.normalize("NFC", PurePosixPath(path).parent.name) or None


class PairedFiles:
    """Two folders whose files match by relative path without suffix."""

    def __init__(self, config: PairedSource, base: Path, field: str) -> None:
        self._root = SourceFolder(base / config.noisy, base / config.clean)
        self._field = field
        self.left_out: tuple[LeftOut, ...] = ()

    def items(self) -> Iterator[Item | Failure]:
        """Yield one recording or failure per noisy file, and a failure per unmatched clean file."""
        sides = [
            list_audio(folder, f"{self._field}.{side}")
            for side, folder in (("noisy", self._root.folder), ("clean", self._root.clean_folder))
        ]
        self.left_out = sides[0].left_out + sides[1].left_out
        noisy, clean = (side.by_name() for side in sides)
        for number, (stem, path) in enumerate(noisy.items(), 1):
            if stem in clean:
                yield self._root.item(path, clean[stem], number)
            else:
                yield Failure(STAGE, path, Reason.MISSING, "no clean file of this name")
        for stem, path in clean.items():
            if stem not in noisy:
                yield Failure(STAGE, path, Reason.MISSING, "no noisy file of this name")

    def read(self, item: Item, start: int, frames: int) -> tuple[Sound, Sound | None]:
        """Read a segment of the noisy file and of the clean file."""
        return self._root.read(item, start, frames)


class SourceFolder:
    """The folder from which relative paths start, and a second one for clean counterparts."""

    def __init__(self, folder: Path, clean_folder: Path | None = None) -> None:
        self.folder = _normal(folder)
        self.clean_folder = self.folder if clean_folder is None else _normal(clean_folder)
        self._names = FileNames(self.folder)

    def relative_path(self, path: str) -> str | None:
        """Return `path` relative to the folder; None if it is outside the folder.

        Links are not followed: a link inside the folder may point out of it.
        """
        full = _normal(self.folder / path)
        for folder in (self.folder, self.folder.resolve()):
            if full.is_relative_to(folder) and full != folder:
                return full.relative_to(folder).as_posix()
        return None

    def find(self, path: str) -> str:
        """Return the relative path of a file with the spelling on the disk.

        Raises:
            SourceError: several files have names that look the same.
        """
        try:
            return self._names.find(path)
        except AmbiguousNameError as error:
            raise SourceError(f"{error}", path=self.folder, problem=Problem.DUPLICATE) from error

    def item(
        self, path: str, clean_path: str | None, row: int, **described: str | None
    ) -> Item | Failure:
        """Return a recording from the headers of its file and of its clean counterpart."""
        try:
            header = self._header(self.folder, path)
            frames = header.frames
            if clean_path is not None:
                frames = common_frames(header, self._header(self.clean_folder, clean_path))
        except Unusable as failed:
            return Failure(STAGE, printable(path), failed.reason, failed.detail)
        files = [str(self.folder / path)]
        if clean_path is not None:
            files.append(str(self.clean_folder / clean_path))
        labels: dict[str, Any] = {**described, "files": tuple(files)}
        name = unicodedata.normalize("NFC", path)
        return Item(name, header.rate, frames, row, path, clean_path, **labels)

    def read(self, item: Item, start: int, frames: int) -> tuple[Sound, Sound | None]:
        """Read a segment of an item, and of its clean counterpart."""
        noisy = audio.read(self.folder / item.path, start, frames)
        if item.clean_path is None:
            return noisy, None
        return noisy, read_at(self.clean_folder / item.clean_path, item.rate, start, frames)

    def _header(self, folder: Path, path: str) -> Header:
        if printable(path) != path:
            raise Unusable(Reason.UNREADABLE, "the file's name is not valid UTF-8; rename it")
        try:
            return audio.read_header(folder / path)
        except Unusable as failed:
            raise Unusable(failed.reason, failed.detail.replace(f"{folder}/", "")) from failed


def _normal(path: Path) -> Path:
    """Return the absolute path without ``..``; links are not resolved."""
    return Path(os.path.normpath(path.absolute()))


def read_at(source: Path | bytes, rate: int, start: int, frames: int) -> Sound:
    """Read the segment of a file that `start` and `frames` describe at another rate."""
    header = audio.read_header(source)
    first = round(start * header.rate / rate)
    last = min(header.frames, round((start + frames) * header.rate / rate))
    return audio.read(source, first, last - first)


def common_frames(noisy: Header, clean: Header) -> int:
    """Return the length of the shorter recording, in frames of the noisy one.

    Raises:
        Unusable: LENGTH_MISMATCH where the lengths differ by more than 20 ms.
    """
    seconds = noisy.frames / noisy.rate, clean.frames / clean.rate
    if abs(seconds[0] - seconds[1]) > LENGTH_TOLERANCE_S:
        raise Unusable(
            Reason.LENGTH_MISMATCH, f"noisy has {seconds[0]:.3f} s, clean has {seconds[1]:.3f} s"
        )
    return min(noisy.frames, int(clean.frames * noisy.rate / clean.rate))


def printable(path: str) -> str:
    """Return a path as valid UTF-8, with invalid bytes as ``\\xNN``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def require_columns(columns: Columns, existing: Iterable[str], field: str, where: str) -> None:
    """Refuse columns that the table does not have.

    Raises:
        ConfigError: names the field, the existing columns and the nearest one.
    """
    names = list(existing)
    for role, name in columns.model_dump().items():
        if name is not None and name not in names:
            raise ConfigError(
                f"{where} has no column {name!r}.",
                field=f"{field}.columns.{role}",
                value=name,
                known=names,
            )
    if columns.audio is None:
        raise ConfigError(
            "name the column that holds the recording",
            field=f"{field}.columns.audio",
            problem=Problem.MISSING,
        )


def labels(columns: Columns, row: Row, where: str) -> dict[str, str | None]:
    """Return text, speaker and language of a row; null where the row does not say.

    Args:
        columns: which columns hold them.
        row: the row's cells.
        where: the field, its table and the row, for messages, as `errors.GensrPrefError.field`.

    Raises:
        SourceError: a cell is neither text, number nor null, or the language has no ISO 639 code.
    """
    return {
        "text": text_in(row, columns.text, where),
        "speaker": speaker_in(row, columns.speaker, where),
        "language": language_in(row, columns.language, where),
    }
