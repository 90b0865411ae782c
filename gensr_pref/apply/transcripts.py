"""What is said in the clips of a folder, from a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gensr_pref import audio
from gensr_pref.errors import Problem, SourceError, parameter
from gensr_pref.tables.cells import language_in, text_in
from gensr_pref.tables.languages import language_code
from gensr_pref.tables.rows import read_rows

AUDIO_COLUMNS = ("audio", "path", "file", "name")  # of a table of texts: the first that is there


@dataclass(frozen=True)
class Transcript:
    """What is said in one clip, and in which language; None where the table does not tell."""

    text: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Transcripts:
    """A table of texts.

    Attributes:
        of: what is said, by the name of the clip: its path without the suffix of an audio file.
    """

    of: Mapping[str, Transcript] = field(default_factory=dict)

    @property
    def sentences(self) -> tuple[str, ...]:
        """All texts, also of clips that are not there: no score may depend on which are."""
        return tuple(sorted({said.text for said in self.of.values() if said.text}))

    @classmethod
    def read(cls, path: Path | None) -> Transcripts:
        """The texts of a CSV, TSV or JSON lines file; none where there is no file.

        Raises:
            SourceError: it cannot be read, lacks a column, or says two things of one clip.
        """
        if path is None:
            return cls()
        rows = read_rows(path, parameter("texts"))
        columns = list(dict.fromkeys(name for _, row in rows for name in row))
        column = _audio_column(path, columns)
        found: dict[str, Transcript] = {}
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
            said = Transcript(text_in(row, "text", where), language_in(row, "language", where))
            if found.setdefault(name, said) != said:
                raise SourceError(
                    f"{path}, lines {lines[name]} and {line} say "
                    f"different things of {name!r}. Keep one of them",
                    field=parameter("texts"),
                    path=path,
                    value=name,
                    problem=Problem.DUPLICATE,
                )
            lines.setdefault(name, line)
        return cls(found)

    def describe_unmatched(self, names: Sequence[str]) -> list[str]:
        """Which clips have no text, and which texts no clip, in lines for a person.

        Raises:
            SourceError: nothing in the table is of any clip.
        """
        if not self.of:
            return []
        if not self.of.keys() & set(names):
            raise SourceError(
                f"no row is of a file that is scored. "
                f"{min(self.of)!r} is there, {names[0]!r} is looked for (a row may have no text)",
                field=parameter("texts"),
                problem=Problem.UNKNOWN,
            )
        without = [name for name in names if not self.of.get(name, Transcript()).text]
        beside = sorted(self.of.keys() - set(names))
        return [
            f"{parameter('texts')}: {count} of {whole} {what}, such as {some[0]!r}"
            for what, some, count, whole in (
                ("files have no text", without, len(without), len(names)),
                ("rows are of no file", beside, len(beside), len(self.of)),
            )
            if some
        ]


def parse_language(written: str, field: str) -> str:
    """The code of a language that a user names.

    Raises:
        SourceError: it is none.
    """
    try:
        return language_code(written)
    except ValueError as error:
        raise SourceError(
            f"{error}", field=field, value=written, problem=Problem.INVALID
        ) from error


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
