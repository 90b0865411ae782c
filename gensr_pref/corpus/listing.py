"""The recordings below a folder, and a count of everything else in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gensr_pref import audio
from gensr_pref.errors import Problem, SourceError


class Cause(StrEnum):
    """The reason why a part of a folder is not read."""

    NEEDS_FFMPEG = "needs_ffmpeg"  # sound that libsndfile does not read
    NO_SOUND = "no_sound"  # by its suffix
    HIDDEN = "hidden"  # its name begins with a dot
    LINKED_FOLDER = "linked_folder"  # it may lead out of the folder, or back into it


_WORDS = {
    Cause.NEEDS_FFMPEG: ("file that needs FFmpeg", "files that need FFmpeg"),
    Cause.NO_SOUND: ("file that is not audio", "files that are not audio"),
    Cause.HIDDEN: ("hidden file", "hidden files"),
    Cause.LINKED_FOLDER: ("linked folder", "linked folders"),
}


@dataclass(frozen=True)
class LeftOut:
    """The content of a folder that is not read for one reason.

    Attributes:
        field: the field that names the folder, such as ``corpus.source.path``.
        cause: the reason.
        count: number of files or folders.
        example: relative path of the first one, in alphabetical order.
    """

    field: str
    cause: Cause
    count: int
    example: str


@dataclass(frozen=True)
class Listing:
    """The recordings below a folder.

    Attributes:
        folder: the folder.
        paths: relative paths of the recordings, sorted.
        left_out: the other content.
    """

    folder: Path
    paths: tuple[str, ...]
    left_out: tuple[LeftOut, ...]

    def by_name(self) -> dict[str, str]:
        """Return the relative paths by `audio.name_of`, sorted: without suffix, in form NFC.

        Raises:
            SourceError: two files differ only in the suffix, or in characters that look the same.
        """
        names: dict[str, str] = {}
        for path in self.paths:
            name = audio.name_without_suffix(path)
            if name in names:
                raise SourceError(
                    f"{names[name]!r} and {path!r} have the same name without "
                    "suffix, so that they cannot be distinguished. Keep one of them.",
                    path=self.folder,
                    value=name,
                    problem=Problem.DUPLICATE,
                )
            names[name] = path
        return names


def list_audio(folder: Path, field: str) -> Listing:
    """Return the files below a folder whose suffixes this machine can read.

    Links to files count as files. Links to folders are not followed.

    Args:
        folder: the folder, searched at any depth.
        field: the field that names the folder, for messages.

    Raises:
        SourceError: the folder does not exist, or contains no such file.
    """
    if not folder.is_dir():
        raise SourceError(
            f"{folder} {'is not a folder' if folder.exists() else 'does not exist'}",
            field=field,
            path=folder,
            problem=Problem.MISSING,
        )
    paths: list[str] = []
    others: dict[Cause, list[str]] = {}
    for path, cause in _entries(folder):
        if cause is None:
            paths.append(path)
        else:
            others.setdefault(cause, []).append(path)
    left_out = tuple(
        LeftOut(field, cause, len(others[cause]), min(others[cause]))
        for cause in Cause
        if cause in others
    )
    if not paths:
        raise SourceError(
            f"{folder} contains no audio file (such as .wav, .flac, .ogg, .mp3)"
            + "".join(f"; {line}" for line in describe_left_out(left_out)),
            field=field,
            path=folder,
            value=[(part.example, str(part.cause)) for part in left_out],
            problem=Problem.EMPTY,
        )
    return Listing(folder, tuple(sorted(paths)), left_out)


def describe_left_out(left_out: Sequence[LeftOut]) -> list[str]:
    """Return one line of text per folder with content that is left out."""
    lines: dict[str, list[str]] = {}
    for part in left_out:
        words = _WORDS[part.cause][part.count > 1]
        lines.setdefault(part.field, []).append(f"{part.count} {words}, such as {part.example!r}")
    return [f"{field}: left out {'; '.join(parts)}" for field, parts in lines.items()]


def _entries(folder: Path) -> Iterator[tuple[str, Cause | None]]:
    """Yield every file and linked folder, and the reason why it is not read."""
    for parent, folders, names in os.walk(folder):
        here = Path(parent)
        for name in names:
            yield (here / name).relative_to(folder).as_posix(), _cause(name)
        for name in folders:
            if (here / name).is_symlink():
                yield (here / name).relative_to(folder).as_posix(), Cause.LINKED_FOLDER


def _cause(name: str) -> Cause | None:
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    if name.startswith("."):
        return Cause.HIDDEN
    if suffix in audio.suffixes():
        return None
    return Cause.NEEDS_FFMPEG if suffix in audio.ffmpeg_suffixes() else Cause.NO_SOUND
