"""Readers of the JSON columns of a run's tables, which may come from other people."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Required, TypedDict, TypeVar, cast

from gensr_pref.errors import CorruptPartError, Problem
from gensr_pref.untrusted import documents

T = TypeVar("T")
Step = dict[str, Any]  # its name (key `step`) and its parameters


class ClipSource(TypedDict, total=False):
    """The recording and the segment that a clip was cut from.

    Only the type of `source_id` is checked when it is read.

    Attributes:
        source_id: name of the recording within its corpus.
        start, frames: the segment, in frames at `rate`.
        rate: sample rate of the recording, in Hz.
        gain: factor of the clip's level, if it is not 1.
        rounding_snr_db: ratio of the clip to its 16-bit rounding error, if it is low.
    """

    source_id: Required[str]
    start: int
    frames: int
    rate: int
    gain: float
    rounding_snr_db: float


def parse_sampling(text: str) -> dict[str, object]:
    """Parse the parameters that a candidate was sampled with (column `sampling`).

    Raises:
        CorruptPartError: the text is not a JSON object.
    """
    return _parse_column("sampling", text, _object)


def parse_steps(text: str) -> list[Step]:
    """Parse a clip's degradation steps (column `degradation`), in order; `step` names each one.

    Raises:
        CorruptPartError: the text does not have the form that a build writes.
    """
    return _parse_column("degradation", text, _steps)


def parse_source(text: str) -> ClipSource:
    """Parse the recording and the segment that a clip was cut from (column `source`).

    Raises:
        CorruptPartError: the text does not have the form that a build writes.
    """
    return _parse_column("source", text, _source)


def unescape(text: str) -> str:
    """Decode the text between the quotes of a JSON string.

    Raises:
        CorruptPartError: the text is not valid there, such as an escape that JSON does not have.
    """
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError as error:
        raise _corrupt_column("source", error) from error


def _parse_column(column: str, text: str, read: Callable[[Any], T]) -> T:
    try:
        return read(documents.parse_json(text))
    except (ValueError, TypeError, KeyError) as error:
        raise _corrupt_column(column, error) from error


def _corrupt_column(column: str, error: Exception) -> CorruptPartError:
    return CorruptPartError(
        f"column {column!r} of a part holds a value that no build writes there: "
        f"{type(error).__name__}: {error}. Build the run again into a new folder",
        value=column,
        problem=Problem.DAMAGED,
    )


def _object(value: Any) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__}, not an object")
    return value


def _steps(value: Any) -> list[Step]:
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__}, not a list")
    for step in value:
        _require_text(_object(step), "step")
    return value


def _source(value: Any) -> ClipSource:
    _require_text(_object(value), "source_id")
    return cast(ClipSource, value)


def _require_text(value: dict[str, object], key: str) -> None:
    if not isinstance(value[key], str):
        raise TypeError(f"{key!r} is not a text")
