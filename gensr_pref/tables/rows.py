"""The one reader of text tables: CSV, TSV and JSON Lines, in UTF-8."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gensr_pref.errors import ConfigError, Problem, SourceError

Row = dict[str, Any]


def read_rows(path: Path, field: str) -> list[tuple[int, Row]]:
    """Return the rows of a table, each with its line number.

    Args:
        path: the table; its suffix determines its format.
        field: the field of the run file that names the table, for messages.

    Raises:
        SourceError: the file does not exist, is not UTF-8 text of its format, or holds no rows.
        ConfigError: the suffix is not that of a supported format.
    """
    readers = {".csv": _csv, ".tsv": _tsv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".json": _jsonl}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(
            f"{path.name!r} has an unknown format; its suffix is none of {', '.join(readers)}",
            field=field,
            value=path.name,
            problem=Problem.UNSUPPORTED,
        )
    if path.exists() and not path.is_file():  # reading a named pipe would wait forever
        raise SourceError(
            f"{path} is not a regular file", field=field, path=path, problem=Problem.INVALID
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(reader(lines))
    except (OSError, ValueError, csv.Error) as error:
        raise SourceError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}",
            field=field,
            path=path,
            problem=Problem.UNREADABLE,
        ) from error
    if not rows:
        raise SourceError(f"{path} holds no rows", field=field, path=path, problem=Problem.EMPTY)
    return rows


def _csv(lines: Iterable[str], delimiter: str = ",") -> Iterator[tuple[int, Row]]:
    reader = csv.DictReader(lines, delimiter=delimiter, strict=True)
    reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
    _refuse_duplicates(list(reader.fieldnames), "column")
    for row in reader:
        beyond = row.pop(None, [])  # cells without a column
        if any(beyond):
            raise ValueError(
                f"line {reader.line_num} has more cells than the header has columns; put quotes "
                f"around a cell that contains {delimiter!r}"
            )
        yield reader.line_num, row


def _tsv(lines: Iterable[str]) -> Iterator[tuple[int, Row]]:
    return _csv(lines, "\t")


def _jsonl(lines: Iterable[str]) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_object)
        except json.JSONDecodeError as error:
            raise ValueError(f"line {number} is not JSON: {error}") from error
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number}: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} holds {type(row).__name__}, not an object")
        yield number, row


def _object(pairs: list[tuple[str, Any]]) -> Row:
    _refuse_duplicates([name for name, _ in pairs], "key")
    return dict(pairs)


def _refuse_duplicates(names: list[str], what: str) -> None:
    if len(set(names)) < len(names):
        twice = min(name for name in names if names.count(name) > 1)
        raise ValueError(f"{what} {twice!r} appears twice")
