"""Plain folders of audio: which files belong together."""

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
    """What is scored, and what it is compared with.

    Attributes:
        systems: folders of candidates, one per system, or single files.
        reference, noisy: the same clips clean, and as they were before restoration.
        texts: a table (CSV, TSV, JSON lines) with a column `audio` (or `path`, `file`, `name`),
            a column `text`, and perhaps `language`.
        language: of clips for which the table says none; a code of `language_code`.
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
        clean, noisy: None where there are no such clips at all; where only this one is missing,
            the path at which nothing is.
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
    shown = printable(str(path))
    try:
        seen = path.stat()
    except OSError:
        return [shown]
    return [shown, seen.st_size, seen.st_mtime_ns]


def match_clips(
    folders: Folders,
    texts: Transcripts | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> list[FolderClip]:
    """The clips of all systems, sorted by name, each with what belongs to it.

    Files belong together by their relative path without suffix, never by their place in a list.
    Single files are one clip, whatever their names, unless there is a folder or a table to find
    their names in.

    Args:
        folders: what is scored.
        texts: the table in `folders.texts`, where it has been read.
        tell: called with a line per folder that holds files which are left out.

    Raises:
        SourceError: a folder that is not there or holds no audio, or a reference or noisy folder
            of which nothing belongs to any candidate.
    """
    texts = Transcripts.read(folders.texts) if texts is None else texts
    files = _systems(folders, tell)
    names = sorted({name for found in files.values() for name in found})
    clean = _counterparts(folders.reference, parameter("reference"), names, tell)
    noisy = _counterparts(folders.noisy, parameter("noisy"), names, tell)
    said = {name: texts.of.get(name, Transcript()) for name in names}
    return [
        FolderClip(
            name,
            tuple((label, found[name]) for label, found in files.items() if name in found),
            clean.get(name),
            noisy.get(name),
            said[name].text,
            said[name].language or folders.language,
        )
        for name in names
    ]


def describe_missing(clips: Sequence[FolderClip]) -> list[str]:
    """Which clips lack a clean or noisy file that others have, in lines for a person."""
    told = []
    for field, role in (("reference", "clean"), ("noisy", "noisy")):
        paths = {clip.name: getattr(clip, role) for clip in clips}
        gone = [name for name, path in paths.items() if path is not None and not path.exists()]
        if gone:
            told.append(
                f"{parameter(field)}: nothing is there for {len(gone)} of "
                f"{quantity(len(clips), 'clip')}, "
                f"such as {gone[0]!r}; what needs it is null"
            )
    return told


def label_systems(systems: Sequence[Path]) -> dict[str, Path]:
    """The systems by their folders' names, or by whole paths where two have the same name.

    Raises:
        SourceError: one is there twice.
    """
    short = [printable(path.name or path.resolve().name) for path in systems]
    labels = short if len(set(short)) == len(short) else [printable(str(path)) for path in systems]
    if len(set(labels)) < len(labels):
        raise SourceError(
            "the same folder is given twice", field=parameter("systems"), problem=Problem.DUPLICATE
        )
    return dict(zip(labels, systems, strict=True))


def _systems(folders: Folders, tell: Callable[[str], None]) -> dict[str, dict[str, Path]]:
    """Each system's files by name."""
    beside = (folders.reference, folders.noisy)
    named = folders.texts is not None or any(path is not None and path.is_dir() for path in beside)
    return {
        label: {audio.name_without_suffix(printable(path.name)) if named else "": path}
        if path.is_file()
        else _files(path, parameter("systems"), tell)
        for label, path in label_systems(folders.systems).items()
    }


def _files(folder: Path, field: str, tell: Callable[[str], None]) -> dict[str, Path]:
    listing = list_audio(folder, field)
    for line in describe_left_out(listing.left_out):
        tell(Message(f"{line} (in {printable(str(folder))})"))
    return {printable(name): folder / place for name, place in listing.by_name().items()}


def _counterparts(
    path: Path | None, field: str, names: Sequence[str], tell: Callable[[str], None]
) -> dict[str, Path]:
    """A path per name: where nothing is there for one, where it would be."""
    if path is None:
        return {}
    if path.is_file():
        if len(names) > 1:
            raise SourceError(
                f"{path} is one file and {len(names)} clips are scored; "
                "give the folder of their counterparts",
                field=field,
                path=path,
                problem=Problem.CONFLICT,
            )
        return {names[0]: path}
    found = _files(path, field, tell)
    if not found.keys() & set(names):
        raise SourceError(
            f"no file in {path} has the name of a candidate, without suffix. "
            f"{min(found)!r} is there, {names[0]!r} is looked for",
            field=field,
            path=path,
            problem=Problem.UNKNOWN,
        )
    return {name: found.get(name, path / name) for name in names}
