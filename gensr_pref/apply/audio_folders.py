"""Matches the audio files of plain folders: which files belong to the same clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensr_pref import audio
from gensr_pref.apply.transcripts import Transcript, Transcripts
from gensr_pref.corpus.file_sources import printable
from gensr_pref.corpus.listing import describe_left_out, list_audio
from gensr_pref.errors import Message, Problem, SourceError, parameter, quantity
from gensr_pref.identity import digest


@dataclass(frozen=True)
class Folders:
    """The files to score and what they are compared with.

    Attributes:
        systems: folders of candidates, one per system, or single files.
        reference, noisy: folders (or files) of the same clips, clean and before restoration.
        texts: a table (CSV, TSV, JSON lines) with a column `audio` (or `path`, `file`, `name`),
            a column `text`, and optionally `language`.
        language: language of clips for which the table gives none; a code of `language_code`.
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
        candidates: the systems that have the clip, each with its file.
        clean, noisy: None if no clip has such a file; if only this clip has none, the path where
            it is missing.
        text, language: None if unknown.
    """

    name: str
    candidates: tuple[tuple[str, Path], ...]
    clean: Path | None
    noisy: Path | None
    text: str | None
    language: str | None

    def digest(self) -> str:
        """Return a digest of the files, their sizes and times, and the text and language."""
        paths = [path for _, path in self.candidates]
        paths += [path for path in (self.clean, self.noisy) if path is not None]
        systems = [system for system, _ in self.candidates]
        return digest(self.name, systems, list(map(_stamp, paths)), self.text, self.language)


def _stamp(path: Path) -> list[Any]:
    """Return a file's path, size and time; of a broken link, the path alone."""
    shown = printable(str(path))
    try:
        status = path.stat()
    except OSError:
        return [shown]
    return [shown, status.st_size, status.st_mtime_ns]


def match_clips(
    folders: Folders,
    texts: Transcripts | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> list[FolderClip]:
    """Return the clips of all systems, sorted by name, each with the files that belong to it.

    Files are matched by their relative path without suffix, never by their position in a list.
    Single files are one clip, whatever their names, unless a folder or a table is given in which
    their names are looked up.

    Args:
        folders: the folders to match.
        texts: the table in `folders.texts`, if it has been read.
        report: called with a line per folder that contains files which are left out.

    Raises:
        SourceError: a folder is missing or contains no audio, or no file of the reference or noisy
            folder belongs to a candidate.
    """
    texts = Transcripts.read(folders.texts) if texts is None else texts
    files = _systems(folders, report)
    names = sorted({name for paths in files.values() for name in paths})
    clean = _counterparts(folders.reference, parameter("reference"), names, report)
    noisy = _counterparts(folders.noisy, parameter("noisy"), names, report)
    transcripts = {name: texts.by_clip.get(name, Transcript()) for name in names}
    return [
        FolderClip(
            name,
            tuple((label, paths[name]) for label, paths in files.items() if name in paths),
            clean.get(name),
            noisy.get(name),
            transcripts[name].text,
            transcripts[name].language or folders.language,
        )
        for name in names
    ]


def describe_missing(clips: Sequence[FolderClip]) -> list[str]:
    """Return lines that say how many clips lack a clean or noisy file that others have."""
    lines = []
    for field, role in (("reference", "clean"), ("noisy", "noisy")):
        paths = {clip.name: getattr(clip, role) for clip in clips}
        missing = [name for name, path in paths.items() if path is not None and not path.exists()]
        if missing:
            lines.append(
                f"{parameter(field)}: no file for {len(missing)} of "
                f"{quantity(len(clips), 'clip')}, "
                f"such as {missing[0]!r}; scores that need it are null"
            )
    return lines


def label_systems(systems: Sequence[Path]) -> dict[str, Path]:
    """Return the systems by their folders' names, or by whole paths if two names are the same.

    Raises:
        SourceError: a system is given twice.
    """
    short = [printable(path.name or path.resolve().name) for path in systems]
    labels = short if len(set(short)) == len(short) else [printable(str(path)) for path in systems]
    if len(set(labels)) < len(labels):
        raise SourceError(
            "the same folder is given twice", field=parameter("systems"), problem=Problem.DUPLICATE
        )
    return dict(zip(labels, systems, strict=True))


def _systems(folders: Folders, report: Callable[[str], None]) -> dict[str, dict[str, Path]]:
    """Return each system's files by name."""
    others = (folders.reference, folders.noisy)
    named = folders.texts is not None or any(path is not None and path.is_dir() for path in others)
    return {
        label: {audio.name_without_suffix(printable(path.name)) if named else "": path}
        if path.is_file()
        else _files(path, parameter("systems"), report)
        for label, path in label_systems(folders.systems).items()
    }


def _files(folder: Path, field: str, report: Callable[[str], None]) -> dict[str, Path]:
    listing = list_audio(folder, field)
    for line in describe_left_out(listing.left_out):
        report(Message(f"{line} (in {printable(str(folder))})"))
    return {printable(name): folder / path for name, path in listing.by_name().items()}


def _counterparts(
    path: Path | None, field: str, names: Sequence[str], report: Callable[[str], None]
) -> dict[str, Path]:
    """Return a path per name; if a file is missing, the path where it would be, without suffix."""
    if path is None:
        return {}
    if path.is_file():
        if len(names) > 1:
            raise SourceError(
                f"{path} is one file, but {len(names)} clips are scored; "
                "give a folder with a file for each of them",
                field=field,
                path=path,
                problem=Problem.CONFLICT,
            )
        return {names[0]: path}
    files = _files(path, field, report)
    if not files.keys() & set(names):
        raise SourceError(
            f"no file in {path} has the name of a candidate, without suffix: "
            f"it has {min(files)!r}, for example, but not {names[0]!r}",
            field=field,
            path=path,
            problem=Problem.UNKNOWN,
        )
    return {name: files.get(name, path / name) for name in names}
