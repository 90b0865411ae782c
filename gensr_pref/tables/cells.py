"""The one reader of cells: the text of a value in a user's table of any format.

| value | read as |
|---|---|
| null, NaN, only white space and invisible characters | missing (None) |
| text | the text without leading and trailing white space and invisible characters |
| a number | its digits: 0 is ``0``; 1984.0, which pandas writes beside a gap, is ``1984`` |
| true, false, a list, an object, bytes, a date, an infinite number | refused |

The word ``nan`` or ``null`` in a CSV file is text: only the format's own null is missing.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

from gensr_pref.errors import Problem, SourceError
from gensr_pref.tables.languages import UNDETERMINED, language_code

Row = Mapping[str, Any]

_INVISIBLE = ("Cc", "Cf")  # general categories of control and format characters


def cell_text(value: object) -> str | None:
    """Return the text of a cell; None where the value is missing.

    Args:
        value: of any type that a reader of CSV, JSON, Parquet or Arrow returns, including NumPy's.

    Raises:
        ValueError: the value is neither text nor a number nor missing; the message describes it.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _text(str(value))
    if _is_bool(value):
        raise ValueError(f"{str(value).lower()}, which is neither text nor a number")
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real | Decimal):
        return _number(value)
    raise ValueError(f"{_abbreviate(value)}, which is neither text nor a number")


def text_in(row: Row, column: str | None, where: str) -> str | None:
    """Return the text of a row's cell; None where the value or the column is missing.

    Args:
        row: the cells of one row by column.
        column: name of the column; None where the run file names none.
        where: the field, its table and the row, for the message.

    Raises:
        SourceError: the cell holds neither text nor a number; names row, column and value.
    """
    if column is None:
        return None
    try:
        return cell_text(row.get(column))
    except ValueError as error:
        raise SourceError(
            f"column {column!r} holds {error}; give text, a number or null",
            field=where,
            value=column,
            problem=Problem.INVALID,
        ) from error


def speaker_in(row: Row, column: str | None, where: str) -> str | None:
    """Return a speaker's label in Unicode form NFC, so that two encodings of a name are equal."""
    label = text_in(row, column, where)
    return None if label is None else unicodedata.normalize("NFC", label)


def language_in(row: Row, column: str | None, where: str) -> str | None:
    """Return the `language_code` of a cell; None where the value is missing or ``und``.

    Raises:
        SourceError: the text is not an ISO 639 code.
    """
    written = text_in(row, column, where)
    if written is None or written.lower() == UNDETERMINED:
        return None
    try:
        return language_code(written)
    except ValueError as error:
        raise SourceError(
            f"column {column!r}: {error}", field=where, value=column, problem=Problem.INVALID
        ) from error


def _text(value: str) -> str | None:
    first, last = 0, len(value)
    while first < last and _blank(value[first]):
        first += 1
    while last > first and _blank(value[last - 1]):
        last -= 1
    text = value[first:last]
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError(f"{text!a}, which contains half of a surrogate pair and is not text")
    return text or None


def _blank(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in _INVISIBLE


def _is_bool(value: object) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")  # NumPy's


def _number(value: Any) -> str | None:
    if value != value:  # NaN
        return None
    if not math.isfinite(value):
        raise ValueError(f"{value}, which is not a finite number")
    return str(int(value)) if value == int(value) else str(value)


def _abbreviate(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
