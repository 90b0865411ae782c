"""folder: candidates that exist as files, found by the name of the clip they restore.

No model runs. Each candidate keeps its own sample rate; of a clip that was cut out of a recording,
the same stretch is cut out of the candidate's file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gensr_pref import audio
from gensr_pref.audio import Sound
from gensr_pref.errors import ConfigError, Problem, SourceError, Unusable
from gensr_pref.generators.base import LENGTH_TOLERANCE_S, Candidate, Origin
from gensr_pref.generators.file_patterns import check_pattern, fields, filled
from gensr_pref.identity import digest, file_digest
from gensr_pref.schema import Reason
from gensr_pref.tables.cells import text_in
from gensr_pref.tables.file_names import AmbiguousNameError, Names, composed
from gensr_pref.tables.rows import read_rows

_SHOWN = 3
Table = dict[str, list[dict[str, str]]]


class Folder:
    """The generator ``folder``.

    Args:
        path: the folder that holds the files; absent = the run file's. No name leads out of it;
            a link may.
        files: the file of a candidate, with fields in braces. Of the recording: `path` (relative
            path without suffix), `parent` (its folder), `stem` (the last part of it). `clip_id`
            where the files are of this run's clips rather than of recordings. `system`, one of
            `systems`, or `index`, from 0, where a clip has several candidates. A pattern that ends
            in ``.*`` takes a file of any suffix.
        table: in place of `files`, a CSV, TSV or JSON lines file with the columns `clip` (a
            recording, with or without suffix, or a clip_id) and `file`, perhaps `system`; a clip's
            rows are its candidates.
        systems: what produced the candidates, in their order.
        revision: of the files; absent = a digest of their names and contents.

    Raises:
        ValueError: options that do not go together.
        SourceError: the table cannot be read.
    """

    name = "folder"
    sample_rate: int | None = None
    licence = "that of the files"
    needs = "files"
    paths = ("table",)
    folders = ("path",)

    def __init__(
        self,
        path: str = ".",
        files: str | None = None,
        table: str | None = None,
        systems: Sequence[str] | None = None,
        revision: str | None = None,
    ) -> None:
        if (files is None) == (table is None):
            raise ValueError("give either files, a pattern such as 'enhanced/{path}.wav', or table")
        self._root = Path(os.path.normpath(Path(path).absolute()))
        self._files, self._systems = files, _systems(systems)
        self._revision = revision
        self._listed: dict[Path, dict[str, list[Path]]] = {}
        self._names = Names(self._root)
        self._table = _read_table(Path(table)) if table is not None else None
        if files is not None:
            check_pattern(files, self._systems)

    @property
    def revision(self) -> str:
        """As given, or of the files that `check` found."""
        if self._revision is None:
            return digest(self._files, self._systems, self._table)
        return self._revision

    def load(self, device: str) -> None:
        """There is nothing to load."""

    def check(self, clips: Sequence[Origin], candidates: int) -> None:
        """Refuse a run for which no file is there, or in which two recordings share one.

        Raises:
            ConfigError: `candidates` is not the number of systems, or the clips are made in this
                run and the files are not named after them.
            SourceError: no file is found, one leaves the folder, or it is not clear which is meant.
        """
        self._check_count(candidates)
        self._check_degraded(clips)
        owners: dict[Path, str] = {}
        missing: list[str] = []
        for clip in clips:
            for index in range(candidates):
                try:
                    file = self._file(clip, index)
                except Unusable as fault:
                    missing.append(fault.detail)
                    continue
                owner = owners.setdefault(file, _owner(clip, self._by_clip))
                if owner != _owner(clip, self._by_clip):
                    raise SourceError(
                        f"{self._relative(file)} would be a candidate of "
                        f"{owner!r} and of {clip.recording!r}. Use {{path}}, which tells them "
                        "apart",
                        field="options.files",
                        value=[owner, clip.recording],
                        problem=Problem.DUPLICATE,
                    )
        if not owners:
            shown = "; ".join(missing[:_SHOWN])
            raise SourceError(
                f"none of the files is below {self._root}: {shown}",
                field="options",
                path=self._root,
                value=next(iter(missing), None),
                problem=Problem.EMPTY,
            )
        if self._revision is None:
            self._revision = _digest_of(self._root, sorted(owners))

    def candidates_of(
        self, clip: Origin, noisy: Sound, seeds: Sequence[int]
    ) -> list[Candidate | Exception]:
        """The clip's stretch of each of its files; see `generators.base.NamedGenerator`."""
        found: list[Candidate | Exception] = []
        for index in range(len(seeds)):
            try:
                found.append(self._candidate(clip, noisy.seconds, index))
            except Unusable as fault:
                found.append(fault)
        return found

    def _candidate(self, clip: Origin, seconds: float, index: int) -> Candidate:
        file = self._file(clip, index)
        place = self._relative(file)
        try:
            wave, rate = self._read(file, clip, seconds)
        except Unusable as fault:
            raise Unusable(fault.reason, f"{place}: {fault.detail}") from fault
        sampling = {"file": place}
        if system := self._system(clip, index):
            sampling["system"] = system
        return Candidate(wave, sampling, rate=rate)

    def _read(self, file: Path, clip: Origin, seconds: float) -> tuple[audio.Wave, int]:
        """The clip's stretch of a file that is as long as what it restores, but for 20 ms."""
        header = audio.read_header(file)
        start, whole = clip.start / clip.rate, clip.total / clip.rate
        if self._by_clip(clip):
            start, whole = 0.0, seconds
        length = header.frames / header.rate
        if abs(length - whole) > LENGTH_TOLERANCE_S + 0.5 / header.rate:
            raise Unusable(
                Reason.LENGTH_MISMATCH, f"{length:.3f} s, what it restores has {whole:.3f} s"
            )
        first = min(round(start * header.rate), header.frames)
        frames = min(round(seconds * header.rate), header.frames - first)
        return audio.read(file, first, frames).wave, header.rate

    def _file(self, clip: Origin, index: int) -> Path:
        """Where a candidate is.

        Raises:
            SourceError: it leaves the folder, or two files have the name.
            Unusable: MISSING.
        """
        place = self._place(clip, index)
        full = Path(os.path.normpath(self._root / place))
        if not full.is_relative_to(self._root):
            raise SourceError(
                f"{place!r} leaves {self._root}. Set path to a folder that holds all files",
                field="options",
                value=place,
                problem=Problem.UNSAFE,
            )
        whole = not place.endswith(".*")
        full = self._existing(full if whole else full.parent) / ("" if whole else full.name)
        if whole:
            if not full.is_file():
                raise Unusable(Reason.MISSING, place)
            return full
        there = self._beside(full).get(composed(full.name[:-2]), [])
        if len(there) > 1:
            names = [self._relative(file) for file in there[:2]]
            raise SourceError(
                f"{' and '.join(map(repr, names))} have the same name without suffix, so "
                "that it is not clear which is meant. Keep one of them, or name the suffix",
                field="options.files",
                value=names,
                problem=Problem.DUPLICATE,
            )
        if not there:
            raise Unusable(Reason.MISSING, place)
        return there[0]

    def _existing(self, path: Path) -> Path:
        """The path, or the only one there is that looks the same."""
        try:
            return self._root / self._names.find(path.relative_to(self._root).as_posix())
        except AmbiguousNameError as error:
            raise SourceError(f"{error}", field="options", problem=Problem.DUPLICATE) from error

    def _beside(self, file: Path) -> dict[str, list[Path]]:
        """The files of a folder by their names without suffix; a folder is listed once."""
        if file.parent not in self._listed:
            found: dict[str, list[Path]] = {}
            for one in sorted(file.parent.glob("*")) if file.parent.is_dir() else ():
                if one.is_file():
                    found.setdefault(composed(one.stem), []).append(one)
            self._listed[file.parent] = found
        return self._listed[file.parent]

    def _place(self, clip: Origin, index: int) -> str:
        if self._table is not None:
            return self._row(clip, index)["file"]
        assert self._files is not None
        system = self._systems[index] if index < len(self._systems) else ""
        return filled(self._files, clip, index, system)

    def _row(self, clip: Origin, index: int) -> dict[str, str]:
        rows = self._rows(clip)
        if self._systems:
            wanted = self._systems[index] if index < len(self._systems) else None
            rows = [row for row in rows if row.get("system") == wanted]
            index = 0
        if index >= len(rows):
            raise Unusable(Reason.MISSING, f"the table has no such row for {clip.recording}")
        return rows[index]

    def _rows(self, clip: Origin) -> list[dict[str, str]]:
        assert self._table is not None
        names = (clip.clip_id, audio.name_of(clip.recording))
        return next((self._table[name] for name in names if name in self._table), [])

    def _system(self, clip: Origin, index: int) -> str | None:
        if self._systems:
            return self._systems[index]
        return self._row(clip, index).get("system") if self._table is not None else None

    def _by_clip(self, clip: Origin) -> bool:
        """Whether the files are of this run's clips rather than of recordings."""
        if self._table is not None:
            return clip.clip_id in self._table
        return "clip_id" in fields(self._files or "")

    def _relative(self, file: Path) -> str:
        return file.relative_to(self._root).as_posix()

    def _check_count(self, candidates: int) -> None:
        if self._systems and candidates != len(self._systems):
            raise ConfigError(
                f"{candidates}, but options.systems names {len(self._systems)}. "
                f"Set candidates: {len(self._systems)}",
                field="candidates",
                value=candidates,
                problem=Problem.CONFLICT,
            )
        named = fields(self._files or "")
        if self._table is None and candidates > 1 and not {"system", "index"} & set(named):
            raise ConfigError(
                f"{candidates}, but options.files names one file per clip. Set "
                "candidates: 1, or add {system} or {index} to the pattern",
                field="candidates",
                value=candidates,
                problem=Problem.CONFLICT,
            )

    def _check_degraded(self, clips: Sequence[Origin]) -> None:
        for clip in clips:
            if clip.degraded and not self._by_clip(clip):
                raise ConfigError(
                    "corpus.degrade makes the noisy clips in this run, so no file that exists is "
                    "a restoration of them. Remove it, or name files by {clip_id}",
                    field="corpus.degrade",
                    problem=Problem.CONFLICT,
                )


def _owner(clip: Origin, by_clip: Callable[[Origin], bool]) -> str:
    """What a file restores: a recording, of which many clips may come, or one clip."""
    return clip.clip_id if by_clip(clip) else clip.recording


def _systems(given: Any) -> tuple[str, ...]:
    names = tuple(given or ())
    if isinstance(given, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"systems must be a list of names, not {given!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"systems names one twice: {', '.join(names)}")
    return names


def _read_table(path: Path) -> Table:
    rows: Table = {}
    for line, row in read_rows(path, "table"):
        where = f"table: {path}, line {line}"
        for column in ("clip", "file"):
            if column not in row:
                raise SourceError(
                    f"has no column {column!r}",
                    field=where,
                    path=path,
                    value=column,
                    problem=Problem.MISSING,
                )
        cells = {column: text_in(row, column, where) or "" for column in row}
        if not cells["clip"]:
            raise SourceError(
                "has no value in column 'clip'",
                field=where,
                path=path,
                value="clip",
                problem=Problem.EMPTY,
            )
        of_clip = rows.setdefault(audio.name_of(cells["clip"]), [])
        _refuse_twin(path, cells, of_clip)
        of_clip.append(cells)
    return rows


def _refuse_twin(path: Path, row: dict[str, str], others: Sequence[dict[str, str]]) -> None:
    """A second row of a clip is another candidate: by another system, where the table has those."""
    system = row.get("system")
    for other in others:
        if row["file"] == other["file"] or (system and system == other.get("system")):
            what = f"system {system!r}" if system else f"file {row['file']!r}"
            raise SourceError(
                f"{path} has two rows of clip {row['clip']!r} and {what}. Keep one of them",
                field="table",
                path=path,
                value=row["clip"],
                problem=Problem.DUPLICATE,
            )


def _digest_of(root: Path, files: Sequence[Path]) -> str:
    """Of names and contents; links are followed."""
    return digest([[file.relative_to(root).as_posix(), _content(file)] for file in files])


def _content(file: Path) -> str:
    try:
        return file_digest(file)
    except OSError as error:  # it is unreadable data, and a failure row when it is asked for
        return f"unreadable: {error.strerror}"
