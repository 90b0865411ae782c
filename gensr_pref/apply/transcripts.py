"""Transcripts of the clips of a folder, from a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gensr_pref import audio
from gensr_pref.errors import Problem, SourceError, parameter
from gensr_pref.tables.cells import language_in, text_in
from gensr_pref.tables.languages import language_code
from gensr_pref.tables.rows import read_rows

AUDIO_COLUMNS = ("audio", "path", "file", "name")  # of the table; the first that exists is used


@dataclass(frozen=True)
class Transcript:
    """The text and language of one clip; None if the table does not give it."""

    text: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Transcripts:
    """A table of transcripts.

    Attributes:
        by_clip: transcripts by the name of the clip: its path without the suffix of an audio file.
    """

    by_clip: Mapping[str, Transcript] = field(default_factory=dict)

    @property
    def sentences(self) -> tuple[str, ...]:
        """All texts, also of missing clips, so that no score depends on which clips exist."""
        texts = (transcript.text for transcript in self.by_clip.values())
        return tuple(sorted({text for text in texts if text}))

    @classmethod
    def read(cls, path: Path | None) -> Transcripts:
        """Return the transcripts of a CSV, TSV or JSON lines file; none without a file.

        Raises:
            SourceError: the file cannot be read, lacks a column, or has two texts for one clip.
        """
        if path is None:
            return cls()
        rows = read_rows(path, parameter("texts"))
        columns = list(dict.fromkeys(name for _, row in rows for name in row))
        column = _audio_column(path, columns)
        by_clip: dict[str, Transcript] = {}
        lines: dict[str, int] = {}
        for line, row in rows:
            where = f"{parameter('texts')}: {path}, line {line}"
            file = text_in(row, column, where)
            if file is None:
                raise SourceError(
                    f"has no value in column {column!r}",
                    field=where,
                    path=path,
                    value=column,
                    problem=Problem.EMPTY,
                )
            name = audio.name_without_suffix(file)
            transcript = Transcript(
                text_in(row, "text", where), language_in(row, "language", where)
            )
            if by_clip.setdefault(name, transcript) != transcript:
                raise SourceError(
                    f"{path}, lines {lines[name]} and {line} differ for {name!r}. Keep one of them",
                    field=parameter("texts"),
                    path=path,
                    value=name,
                    problem=Problem.DUPLICATE,
                )
            lines.setdefault(name, line)
        return cls(by_clip)

    def describe_unmatched(self, names: Sequence[str]) -> list[str]:
        """Return lines that say how many clips have no text and how many rows no clip.

        Args:
            names: names of the clips.

        Raises:
            SourceError: no row of the table belongs to a clip.
        """
        if not self.by_clip:
            return []
        if not self.by_clip.keys() & set(names):
            raise SourceError(
                f"no row belongs to a scored file: the table has {min(self.by_clip)!r}, for "
                f"example, but not {names[0]!r} (a row may have no text)",
                field=parameter("texts"),
                problem=Problem.UNKNOWN,
            )
        without_text = [name for name in names if not self.by_clip.get(name, Transcript()).text]
        unmatched = sorted(self.by_clip.keys() - set(names))
        return [
            f"{parameter('texts')}: {len(examples)} of {total} {problem}, such as {examples[0]!r}"
            for problem, examples, total in (
                ("files have no text", without_text, len(names)),
                ("rows belong to no file", unmatched, len(self.by_clip)),
            )
            if examples
        ]


def parse_language(text: str, field: str) -> str:
    """Return the code of a language that a user names.

    Raises:
        SourceError: the text names no language.
    """
    try:
        return language_code(text)
    except ValueError as error:
        raise SourceError(f"{error}", field=field, value=text, problem=Problem.INVALID) from error


def _audio_column(path: Path, columns: Sequence[str]) -> str:
    column = next((name for name in AUDIO_COLUMNS if name in columns), None)
    if column is None or "text" not in columns:
        raise SourceError(
            f"{path} has the columns {', '.join(columns)}; it needs "
            f"`text` and one of {', '.join(AUDIO_COLUMNS)}",
            field=parameter("texts"),
            path=path,
            problem=Problem.MISSING,
        )
    return column
