"""What a file of safetensors says that it holds, read without taking memory for any of it.

The format (huggingface.co/docs/safetensors): 8 bytes, little-endian, how long the header is; the
header, JSON of each tensor's `dtype`, `shape` and `data_offsets`; the values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensr_pref.errors import ConfigError, Problem
from gensr_pref.untrusted import documents

LARGEST_HEADER = 2**24  # bytes; that of a network of 10 000 tensors has 1 MB
LARGEST_FILE = 2**33  # bytes: a thousand times the networks here
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}  # of the number types that weights may have


@dataclass(frozen=True)
class Stated:
    """A tensor as the header states it; its `shape` in values, in the order of torch."""

    dtype: str
    shape: tuple[int, ...]


def stated_tensors(path: Path) -> dict[str, Stated]:
    """The tensors of a file by name.

    Raises:
        ConfigError: the file is not one of safetensors, is larger than `LARGEST_FILE`, holds
            anything but floating-point tensors, or another number of bytes than its header states.
        OSError: it cannot be read.
    """
    try:
        size, header = _header(path)
        found = {name: _stated(name, one) for name, one in header.items() if name != "__metadata__"}
        held = sum(_BYTES[one.dtype] * math.prod(one.shape) for one in found.values())
        if held != size:
            raise ValueError(f"it holds {size} bytes of values, its header states {held}")
    except ValueError as error:
        raise ConfigError(
            f"cannot be read as safetensors ({error}).", path=path, problem=Problem.UNREADABLE
        ) from error
    return found


def _header(path: Path) -> tuple[int, dict[str, Any]]:
    """How many bytes of values there are, and the header."""
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise ValueError(f"it has {size} bytes; {LARGEST_FILE} are the most")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 2 <= length <= min(LARGEST_HEADER, size - 8):
            raise ValueError("it has no header")
        header = documents.json_of(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    return size - 8 - length, header


def _stated(name: str, one: Any) -> Stated:
    shape = one.get("shape") if isinstance(one, dict) else None
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"its header states no shape of {name!r}")
    if one.get("dtype") not in _BYTES:
        raise ValueError(f"{name!r} is of type {one.get('dtype')!r}, not of {', '.join(_BYTES)}")
    return Stated(one["dtype"], tuple(shape))
