"""The columns of a run's tables that hold JSON: read here, as anyone may have written them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from gensr_pref.errors import CorruptPartError, Problem
from gensr_pref.untrusted import documents

T = TypeVar("T")
Step = dict[str, Any]


def sampling_of(text: str) -> dict[str, Any]:
    """What a candidate was drawn with (column `sampling`).

    Raises:
        CorruptPartError: it is no JSON object.
    """
    return _told("sampling", text, _object)


def steps_of(text: str) -> list[Step]:
    """What was done to a clip (column `degradation`), in order; the name of each is its `step`.

    Raises:
        CorruptPartError: it is not what a build writes.
    """
    return _told("degradation", text, _steps)


def source_of(text: str) -> dict[str, Any]:
    """Which stretch of which recording a clip is (column `source`); its `source_id` is a text.

    Raises:
        CorruptPartError: it is not what a build writes.
    """
    return _told("source", text, _source)


def unescaped(text: str) -> str:
    """What stands between the quotes of a JSON string.

    Raises:
        CorruptPartError: nothing does, as with an escape that JSON does not have.
    """
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError as error:
        raise _strange("source", error) from error


def _told(column: str, text: str, read: Callable[[Any], T]) -> T:
    try:
        return read(documents.json_of(text))
    except (ValueError, TypeError, KeyError) as error:
        raise _strange(column, error) from error


def _strange(column: str, error: Exception) -> CorruptPartError:
    return CorruptPartError(
        f"column {column!r} of a part holds what no build writes there: "
        f"{type(error).__name__}: {error}. Build the run again into a new folder",
        value=column,
        problem=Problem.DAMAGED,
    )


def _object(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise TypeError(f"{type(found).__name__}, not an object")
    return found


def _steps(found: Any) -> list[Step]:
    if not isinstance(found, list):
        raise TypeError(f"{type(found).__name__}, not a list")
    for step in found:
        _text(_object(step), "step")
    return found


def _source(found: Any) -> dict[str, Any]:
    _text(_object(found), "source_id")
    return dict(found)


def _text(found: dict[str, Any], key: str) -> None:
    if not isinstance(found[key], str):
        raise TypeError(f"{key!r} is no text")
