"""Rows of an export with audio as NumPy arrays, without torchcodec and FFmpeg.

`datasets` needs these two to decode Audio columns. Here the columns are read as bytes, which
soundfile decodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from gensr_pref import audio
from gensr_pref.errors import InputError, Problem


class DecodedAudio(TypedDict):
    """A sound: samples [T] float32, and their rate in Hz."""

    array: npt.NDArray[np.float32]
    sampling_rate: int


def load(
    source: str | Path,
    config: str | None = None,
    split: str = "train",
    revision: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of an export, from disk or from the Hub.

    The value of an Audio column (`prompt`, `chosen`, `rejected`, and `clean` and `audio` where they
    exist) is `DecodedAudio`, or None for null. docs/export.md lists the other columns.

    Args:
        source: folder that `gensr-pref export` wrote, or ``org/name`` on the Hub.
        config: ``default`` (pairs), or ``candidates``.
        split: ``train`` or ``validation``.
        revision: commit, tag or branch on the Hub.

    Raises:
        InputError: `datasets` cannot open it.
    """
    import datasets

    try:
        rows = datasets.load_dataset(
            str(source), config, split=split, revision=revision, streaming=True
        )
    except Exception as error:  # each loader of `datasets` raises its own
        raise InputError(
            f"cannot be read as a dataset: {error}", path=source, problem=Problem.UNREADABLE
        ) from error
    return _decode(disable_decoding(rows))


def disable_decoding(rows: Any) -> Any:
    """Return rows whose Audio columns are ``{"bytes", "path"}``, which needs no decoder.

    Args:
        rows: a ``Dataset`` or ``IterableDataset``.
    """
    import datasets

    for name in _audio_columns(rows):
        rows = rows.cast_column(name, datasets.Audio(decode=False))
    return rows


def _audio_columns(rows: Any) -> list[str]:
    import datasets

    features = (rows.features or {}).items()
    return [name for name, feature in features if isinstance(feature, datasets.Audio)]


def _decode(rows: Any) -> Iterator[dict[str, Any]]:
    names = _audio_columns(rows)
    for row in rows:
        yield {**row, **{name: _array(row[name]) for name in names}}


def _array(value: dict[str, Any] | None) -> DecodedAudio | None:
    sound = audio.from_column(value)
    return None if sound is None else {"array": sound.wave, "sampling_rate": sound.rate}
