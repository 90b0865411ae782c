"""folder: existing files as candidates, found by the name of the clip that they restore.

No model runs. Each candidate keeps the sample rate of its file. If a clip is a segment of a
recording, the candidate is the same segment of the file.
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
from gensr_pref.generators.file_patterns import check_pattern, fill_pattern, pattern_fields
from gensr_pref.identity import digest, file_digest
from gensr_pref.schema import Reason
from gensr_pref.tables.cells import text_in
from gensr_pref.tables.file_names import AmbiguousNameError, FileNames, normalize_name
from gensr_pref.tables.rows import read_rows

_SHOWN = 3
Table = dict[str, list[dict[str, str]]]


class Folder:
    """The generator ``folder``.

    Args:
        path: folder that holds the files; absent = the run file's folder. File names may not lead
            out of it; symbolic links may.
        files: pattern of a candidate's file name, with fields in braces. Fields of the recording:
            `path` (relative path without suffix), `parent` (its folder), `stem` (the last part of
            it). `clip_id`, if the files restore clips of this run rather than recordings.
            `system`, one of `systems`, or `index`, from 0, if a clip has several candidates. A
            pattern that ends in ``.*`` matches a file of any suffix.
        table: instead of `files`, a CSV, TSV or JSON lines file with the columns `clip` (a
            recording, with or without suffix, or a clip_id), `file` and optionally `system`; the
            rows of a clip are its candidates.
        systems: names of the systems that produced the candidates, in the candidates' order.
        revision: of the files; absent = a digest of their names and contents.

    Raises:
        ValueError: options that contradict each other.
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
        self._listings: dict[Path, dict[str, list[Path]]] = {}
        self._names = FileNames(self._root)
        self._table = _read_table(Path(table)) if table is not None else None
        if files is not None:
            check_pattern(files, self._systems)

    @property
    def revision(self) -> str:
        """Revision as given, or the digest of the files that `check` found."""
        if self._revision is None:
            return digest(self._files, self._systems, self._table)
        return self._revision

    def load(self, device: str) -> None:
        """Do nothing: there is no model."""

    def check(self, clips: Sequence[Origin], candidates: int) -> None:
        """Refuse a run without any file, or one in which two recordings share a file.

        Raises:
            ConfigError: `candidates` is not the number of systems, or this run degrades the clips
                and the files are not named after them.
            SourceError: no file exists, a name leads out of the folder, or a name is ambiguous.
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
                f"no candidate's file exists in {self._root}: {shown}",
                field="options",
                path=self._root,
                value=next(iter(missing), None),
                problem=Problem.EMPTY,
            )
        if self._revision is None:
            self._revision = _digest_files(self._root, sorted(owners))

    def candidates_of(
        self, clip: Origin, noisy: Sound, seeds: Sequence[int]
    ) -> list[Candidate | Exception]:
        """Return the clip's segment of each of its files; see `generators.base.LookupGenerator`."""
        candidates: list[Candidate | Exception] = []
        for index in range(len(seeds)):
            try:
                candidates.append(self._candidate(clip, noisy.seconds, index))
            except Unusable as fault:
                candidates.append(fault)
        return candidates

    def _candidate(self, clip: Origin, seconds: float, index: int) -> Candidate:
        file = self._file(clip, index)
        name = self._relative(file)
        try:
            wave, rate = self._read(file, clip, seconds)
        except Unusable as fault:
            raise Unusable(fault.reason, f"{name}: {fault.detail}") from fault
        sampling = {"file": name}
        if system := self._system(clip, index):
            sampling["system"] = system
        return Candidate(wave, sampling, rate=rate)

    def _read(self, file: Path, clip: Origin, seconds: float) -> tuple[audio.Wave, int]:
        """Read the clip's segment of a file, which must be as long as what it restores, to 20 ms.

        Returns:
            The waveform [T] and its rate in Hz.
        """
        header = audio.read_header(file)
        start, whole = clip.start / clip.rate, clip.total / clip.rate
        if self._by_clip(clip):
            start, whole = 0.0, seconds
        length = header.frames / header.rate
        if abs(length - whole) > LENGTH_TOLERANCE_S + 0.5 / header.rate:
            raise Unusable(
                Reason.LENGTH_MISMATCH,
                f"{length:.3f} s; the sound that it restores has {whole:.3f} s",
            )
        first = min(round(start * header.rate), header.frames)
        frames = min(round(seconds * header.rate), header.frames - first)
        return audio.read(file, first, frames).wave, header.rate

    def _file(self, clip: Origin, index: int) -> Path:
        """Return the path of a candidate's file.

        Raises:
            SourceError: the name leads out of the folder, or two files have it.
            Unusable: MISSING.
        """
        name = self._name(clip, index)
        full = Path(os.path.normpath(self._root / name))
        if not full.is_relative_to(self._root):
            raise SourceError(
                f"{name!r} leaves {self._root}. Set path to a folder that holds all files",
                field="options",
                value=name,
                problem=Problem.UNSAFE,
            )
        has_suffix = not name.endswith(".*")
        if has_suffix:
            full = self._existing(full)
            if not full.is_file():
                raise Unusable(Reason.MISSING, name)
            return full
        full = self._existing(full.parent) / full.name
        matches = self._files_beside(full).get(normalize_name(full.name[:-2]), [])
        if len(matches) > 1:
            names = [self._relative(file) for file in matches[:2]]
            raise SourceError(
                f"{' and '.join(map(repr, names))} have the same name without suffix, so "
                "that it is not clear which is meant. Keep one of them, or name the suffix",
                field="options.files",
                value=names,
                problem=Problem.DUPLICATE,
            )
        if not matches:
            raise Unusable(Reason.MISSING, name)
        return matches[0]

    def _existing(self, path: Path) -> Path:
        """Return the path, or the only existing one that differs in Unicode form alone."""
        try:
            return self._root / self._names.find(path.relative_to(self._root).as_posix())
        except AmbiguousNameError as error:
            raise SourceError(f"{error}", field="options", problem=Problem.DUPLICATE) from error

    def _files_beside(self, file: Path) -> dict[str, list[Path]]:
        """Return the files of a folder by name without suffix; each folder is listed once."""
        if file.parent not in self._listings:
            listing: dict[str, list[Path]] = {}
            for path in sorted(file.parent.glob("*")) if file.parent.is_dir() else ():
                if path.is_file():
                    listing.setdefault(normalize_name(path.stem), []).append(path)
            self._listings[file.parent] = listing
        return self._listings[file.parent]

    def _name(self, clip: Origin, index: int) -> str:
        if self._table is not None:
            return self._row(clip, index)["file"]
        assert self._files is not None
        system = self._systems[index] if index < len(self._systems) else ""
        return fill_pattern(self._files, clip, index, system)

    def _row(self, clip: Origin, index: int) -> dict[str, str]:
        rows = self._rows(clip)
        if self._systems:
            system = self._systems[index] if index < len(self._systems) else None
            rows = [row for row in rows if row.get("system") == system]
            index = 0
        if index >= len(rows):
            raise Unusable(Reason.MISSING, f"the table has no such row for {clip.recording}")
        return rows[index]

    def _rows(self, clip: Origin) -> list[dict[str, str]]:
        assert self._table is not None
        names = (clip.clip_id, audio.name_without_suffix(clip.recording))
        return next((self._table[name] for name in names if name in self._table), [])

    def _system(self, clip: Origin, index: int) -> str | None:
        if self._systems:
            return self._systems[index]
        return self._row(clip, index).get("system") if self._table is not None else None

    def _by_clip(self, clip: Origin) -> bool:
        """Return whether the files restore clips of this run rather than whole recordings."""
        if self._table is not None:
            return clip.clip_id in self._table
        return "clip_id" in pattern_fields(self._files or "")

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
        named = pattern_fields(self._files or "")
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
                    "corpus.degrade makes the noisy clips of this run, so no existing file can "
                    "restore them. Remove it, or name files by {clip_id}",
                    field="corpus.degrade",
                    problem=Problem.CONFLICT,
                )


def _owner(clip: Origin, by_clip: Callable[[Origin], bool]) -> str:
    """Return the name of what a file restores: a recording with all its clips, or one clip."""
    return clip.clip_id if by_clip(clip) else clip.recording


def _systems(given: Any) -> tuple[str, ...]:
    names = tuple(given or ())
    if isinstance(given, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"systems must be a list of names, not {given!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"systems has a name twice: {', '.join(names)}")
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
        of_clip = rows.setdefault(audio.name_without_suffix(cells["clip"]), [])
        _refuse_repeated_row(path, cells, of_clip)
        of_clip.append(cells)
    return rows


def _refuse_repeated_row(path: Path, row: dict[str, str], others: Sequence[dict[str, str]]) -> None:
    """Refuse a second row of a clip with the same file, or with the same system."""
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


def _digest_files(root: Path, files: Sequence[Path]) -> str:
    """Return a digest of the files' names and contents; symbolic links are followed."""
    return digest([[file.relative_to(root).as_posix(), _content(file)] for file in files])


def _content(file: Path) -> str:
    try:
        return file_digest(file)
    except OSError as error:  # recorded as a failure when the candidate is read
        return f"unreadable: {error.strerror}"
