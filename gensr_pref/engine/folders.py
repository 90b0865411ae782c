"""Plain folders of audio: which files belong together, and the scoring of those that do."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gensr_pref import audio, plugins
from gensr_pref.config import MetricUse
from gensr_pref.corpus.files import by_stem, read_rows
from gensr_pref.engine.work import Row, Stage, Tick, scores_of
from gensr_pref.errors import SourceError, Unusable
from gensr_pref.identity import digest
from gensr_pref.metrics.panel import Panel

AUDIO_COLUMNS = ("audio", "path", "file", "name")  # of a table of texts: the first that is there


@dataclass(frozen=True)
class Folders:
    """What is scored, and what it is compared with.

    Attributes:
        systems: folders of candidates, one per system, or single files.
        reference, noisy: the same clips clean, and as they were before restoration.
        texts: a table (CSV, TSV, JSON lines) with a column `audio` (or `path`, `file`, `name`),
            a column `text`, and perhaps `language`.
        language: of clips for which the table says none; an ISO 639-1 code.
    """

    systems: tuple[Path, ...]
    reference: Path | None = None
    noisy: Path | None = None
    texts: Path | None = None
    language: str | None = None


@dataclass(frozen=True)
class FolderClip:
    """The files of one clip.

    Attributes:
        name: their relative path without suffix.
        candidates: the systems that have it, and their files.
    """

    name: str
    candidates: tuple[tuple[str, Path], ...]
    clean: Path | None
    noisy: Path | None
    text: str | None
    language: str | None

    def digest(self) -> str:
        """Changes when a file, its size or its time does, or what it is compared with."""
        paths = [path for _, path in self.candidates]
        paths += [path for path in (self.clean, self.noisy) if path is not None]
        systems = [system for system, _ in self.candidates]
        return digest(self.name, systems, list(map(_stamp, paths)), self.text, self.language)


def _stamp(path: Path) -> list[Any]:
    """A file's path, size and time; a link to nothing has neither of the latter."""
    try:
        seen = path.stat()
    except OSError:
        return [str(path)]
    return [str(path), seen.st_size, seen.st_mtime_ns]


def matched(folders: Folders) -> list[FolderClip]:
    """The clips of all systems, sorted by name, each with what belongs to it.

    Files belong together by their relative path without suffix, never by their place in a list.

    Raises:
        SourceError: a folder that is not there or holds no audio, a table that cannot be read, or
            a reference, noisy folder or table of which nothing belongs to any candidate.
    """
    files = {label: _files(path, "DIR") for label, path in labelled(folders.systems).items()}
    names = sorted({name for found in files.values() for name in found})
    clean = _counterparts(folders.reference, "--reference", names)
    noisy = _counterparts(folders.noisy, "--noisy", names)
    said = _texts(folders.texts, names)
    return [
        FolderClip(
            name,
            tuple((label, found[name]) for label, found in files.items() if name in found),
            clean.get(name),
            noisy.get(name),
            said.get(name, {}).get("text"),
            said.get(name, {}).get("language") or folders.language,
        )
        for name in names
    ]


def labelled(systems: Sequence[Path]) -> dict[str, Path]:
    """The systems by their folders' names, or by whole paths where two have the same name.

    Raises:
        SourceError: one is there twice.
    """
    short = [path.name or str(path.resolve().name) for path in systems]
    labels = short if len(set(short)) == len(short) else [str(path) for path in systems]
    if len(set(labels)) < len(labels):
        raise SourceError("DIR: the same folder is given twice")
    return dict(zip(labels, systems, strict=True))


def _files(path: Path, field: str) -> dict[str, Path]:
    """A folder's files by name; a single file is a folder of one clip without a name."""
    if path.is_file():
        return {"": path}
    return {name: path / place for name, place in by_stem(path, field).items()}


def _counterparts(path: Path | None, field: str, names: Sequence[str]) -> dict[str, Path]:
    found = {} if path is None else _files(path, field)
    if path is not None and not found.keys() & set(names):
        raise SourceError(
            f"{field}: no file in {path} has the name of a candidate, without suffix. "
            f"{min(found)!r} is there, {names[0]!r} is looked for"
        )
    return found


def sentences(folders: Folders) -> tuple[str, ...]:
    """All that the table says, also of clips that are not there: no score may depend on those."""
    if folders.texts is None:
        return ()
    rows = [row for _, row in read_rows(folders.texts, "--texts")]
    return tuple(sorted({str(row["text"]) for row in rows if row.get("text")}))


def _texts(path: Path | None, names: Sequence[str]) -> dict[str, Row]:
    """Text and language by the name of the clip."""
    if path is None:
        return {}
    rows = [row for _, row in read_rows(path, "--texts")]
    column = next((name for name in AUDIO_COLUMNS if name in rows[0]), None)
    if column is None or "text" not in rows[0]:
        raise SourceError(
            f"--texts: {path} has the columns {', '.join(rows[0])}; it needs `text` and one of "
            f"{', '.join(AUDIO_COLUMNS)}"
        )
    said = {
        str(PurePosixPath(str(row[column])).with_suffix("")): {
            role: str(row[role]) for role in ("text", "language") if row.get(role)
        }
        for row in rows
        if row.get(column)
    }
    if not said.keys() & set(names):
        raise SourceError(
            f"--texts: no {column} in {path} is the name of a candidate. "
            f"{min(said, default='')!r} is there, {names[0]!r} is looked for"
        )
    return said


@dataclass(frozen=True)
class PanelSetup:
    """What a process that scores must know, small enough to send anywhere."""

    panel: tuple[MetricUse, ...]
    texts: tuple[str, ...]
    device: str
    plugins: Path


@dataclass(frozen=True)
class FolderTask:
    """One clip to score."""

    shard: int
    clip: FolderClip
    stage: Stage = "score"


class FolderWorker:
    """Scores clips of folders; loads the panel when the first one comes."""

    def __init__(self, setup: PanelSetup) -> None:
        plugins.search(setup.plugins)
        self._setup = setup
        self._panel: Panel | None = None

    def run(self, task: FolderTask) -> Iterator[Tick]:
        """Score one clip; its rows are in the one tick."""
        began = time.perf_counter()
        rows = tuple(score_files(task.clip, self._loaded()))
        seconds = sum(row["seconds"] or 0.0 for row in rows)
        yield Tick("score", task.shard, seconds, time.perf_counter() - began, rows)

    def _loaded(self) -> Panel:
        if self._panel is None:
            self._panel = Panel(self._setup.panel, self._setup.texts)
            self._panel.load(self._setup.device)
        return self._panel


def score_files(clip: FolderClip, panel: Panel) -> Iterator[Row]:
    """One row per candidate of a clip."""
    paths = [path for _, path in clip.candidates]
    scored = panel.score(paths, clip.clean, clip.noisy, clip.text, clip.language)
    for (system, path), one in zip(clip.candidates, scored, strict=True):
        yield {**_facts_of(clip, system, path), **scores_of(one)}


def unscored(clip: FolderClip, failures: Mapping[str, str]) -> list[Row]:
    """The rows of a clip that could not be scored at all; why, for each score."""
    lines = [{"score": score, "reason": reason} for score, reason in failures.items()]
    nulls: dict[str, Any] = dict.fromkeys(failures)
    return [
        {**_facts_of(clip, system, path), **nulls, "failures": lines, "notes": None}
        for system, path in clip.candidates
    ]


def _facts_of(clip: FolderClip, system: str, path: Path) -> Row:
    try:
        header = audio.read_header(path)
    except Unusable:
        seconds, rate = None, None
    else:
        seconds, rate = header.frames / header.rate, header.rate
    name = clip.name or path.stem
    return {
        "file": name,
        "system": system,
        "path": str(path),
        "seconds": seconds,
        "sample_rate": rate,
    }
