"""A checkpoint file of torch as what it holds, or as one sentence about what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

from gensr_pref.errors import InputError

Made = TypeVar("Made")

DETAIL = 300  # characters of torch's list of 200 keys that are worth reading


def read(path: Path, expected: str, make: Callable[[Any], Made]) -> Made:
    """What `make` makes of the content of a file of `torch.save`, on the CPU.

    Only tensors and plain values are unpickled: a file that would run code is refused. torch's own
    words on that are kept from the user, whom they advise to load it all the same.

    Args:
        path: of the file.
        expected: what it should be, for the message, such as "a Whisper checkpoint".
        make: may raise anything where the content is something else.

    Raises:
        InputError: it is not what was expected; the message names the file.
    """
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        raise InputError(
            f"{str(path)!r} is not {expected}: it cannot be read ({_kind(error)}). It is damaged, "
            "of another kind, or holds more than tensors and plain values; that could be code and "
            "is never loaded"
        ) from None
    try:
        return make(content)
    except Exception as error:
        why = shorten(f"{type(error).__name__}: {error}", DETAIL)
        raise InputError(f"{str(path)!r} is not {expected}, or damaged: {why}") from error


def _kind(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or type(error).__name__
