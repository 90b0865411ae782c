"""Safe reading of a torch checkpoint; every failure is one sentence that names the file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

from gensr_pref.errors import InputError, Problem

Result = TypeVar("Result")

LARGEST_FILE = 2**34  # bytes; Whisper large-v3 has 3.1 GB
# Tensors may share values, such as tied embeddings: together they may represent this many times the
# size of the file, and in any case this many bytes.
_SHARED = 4
_UNBACKED = 2**31
DETAIL = 300  # characters of torch's message that are shown; it can list hundreds of keys


def read_checkpoint(path: Path, expected: str, make: Callable[[Any], Result]) -> Result:
    """Read a file of `torch.save` on the CPU; return what `make` makes of its content.

    Only tensors and plain values are unpickled: a file that would run code is refused. torch's own
    message is not shown then, because it advises to load the file anyway.

    Args:
        path: of the file.
        expected: description of the expected file, for messages, such as "a Whisper checkpoint".
        make: converts the content; may raise anything if the content is not as expected.

    Raises:
        InputError: the file is not as expected; the message names it.
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
    """Refuse a file that is too large, or a zip with compressed entries.

    torch stores the entries of its zip uncompressed; a compressed entry could unpack to any size.
    """
    if not Path(path).is_file():
        return  # `torch.load` reports this better
    size = Path(path).stat().st_size
    packed = False
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            packed = any(e.compress_type != zipfile.ZIP_STORED for e in archive.infolist())
    if size > LARGEST_FILE or packed:
        why = "its entries are compressed" if packed else f"it has {size} bytes of {LARGEST_FILE}"
        raise InputError(
            f"is not {expected}: {why}",
            path=path,
            value="packed" if packed else size,
            problem=Problem.UNSUPPORTED,
        )


def _require_backed(content: Any, size: int) -> None:
    """Refuse tensors that represent far more values than the file can hold.

    A tensor may repeat a stored value any number of times (stride 0), and take memory when copied.
    """
    import torch

    total, waiting = 0, [content]
    while waiting:
        value = waiting.pop()
        if torch.is_tensor(value):
            total += value.numel() * value.element_size()
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
    if total > max(_SHARED * size, _UNBACKED):
        raise ValueError(f"its tensors represent {total} bytes, but the file has {size}")


def _kind(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or type(error).__name__
