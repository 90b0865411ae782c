"""A checkpoint file of torch as what it holds, or as one sentence about what is wrong with it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

from gensr_pref.errors import InputError, Problem

Made = TypeVar("Made")

LARGEST_FILE = 2**34  # bytes; Whisper large-v3 has 3.1 GB
_SHARED = 4  # tensors may share values, such as tied embeddings,
_UNBACKED = 2**31  # and may in any case stand for so many bytes
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

    _require_size(path, expected)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        _require_backed(content, Path(path).stat().st_size)
    except Exception as error:  # a damaged pickle can raise anything
        raise InputError(
            f"is not {expected}: it cannot be read ({_kind(error)}). It is damaged, "
            "of another kind, or holds more than tensors and plain values; that could be code and "
            "is never loaded",
            path=path,
            value=_kind(error),
            problem=Problem.UNREADABLE,
        ) from None
    try:
        return make(content)
    except Exception as error:
        why = shorten(f"{type(error).__name__}: {error}", DETAIL)
        raise InputError(
            f"is not {expected}, or damaged: {why}",
            path=path,
            problem=Problem.INVALID,
        ) from error


def _require_size(path: Path, expected: str) -> None:
    """Refuse a file that is too large, or a zip whose entries would unpack to more than there is.

    torch stores the entries of its zip as they are.
    """
    if not Path(path).is_file():
        return  # which `torch.load` says better
    size = Path(path).stat().st_size
    packed = False
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            packed = any(one.compress_type != zipfile.ZIP_STORED for one in archive.infolist())
    if size > LARGEST_FILE or packed:
        why = "its entries are packed" if packed else f"it has {size} bytes of {LARGEST_FILE}"
        raise InputError(
            f"is not {expected}: {why}",
            path=path,
            value="packed" if packed else size,
            problem=Problem.UNSUPPORTED,
        )


def _require_backed(content: Any, size: int) -> None:
    """Refuse tensors that stand for far more values than the file can hold.

    A tensor may repeat a stored value without end (stride 0), and take memory when it is copied.
    """
    import torch

    held, waiting = 0, [content]
    while waiting:
        one = waiting.pop()
        if torch.is_tensor(one):
            held += one.numel() * one.element_size()
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one
    if held > max(_SHARED * size, _UNBACKED):
        raise ValueError(f"its tensors stand for {held} bytes, the file has {size}")


def _kind(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or type(error).__name__
