"""Header of a safetensors file, read and checked without allocating memory for the tensors.

The format (huggingface.co/docs/safetensors): the length of the header, 8 bytes little-endian; the
header, JSON with each tensor's `dtype`, `shape` and `data_offsets`; the values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gensr_pref.errors import ConfigError, Problem
from gensr_pref.untrusted import documents

LARGEST_HEADER = 2**24  # bytes; the header of a network of 10 000 tensors has 1 MB
LARGEST_FILE = 2**33  # bytes: a thousand times the networks here
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}  # per value, of the types that weights may have


@dataclass(frozen=True)
class TensorHeader:
    """Type and shape of a tensor as the header states them."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return _BYTES[self.dtype] * math.prod(self.shape)


def read_tensor_headers(path: Path) -> dict[str, TensorHeader]:
    """Return type and shape of the tensors in a file, by name.

    Raises:
        ConfigError: the file is not a safetensors file, is larger than `LARGEST_FILE`, holds
            anything but floating-point tensors, or has another size than its header states.
        OSError: the file cannot be read.
    """
    try:
        size, entries = _read_header(path)
        tensors = {
            name: _tensor_header(name, entry)
            for name, entry in entries.items()
            if name != "__metadata__"
        }
        stated = sum(tensor.size for tensor in tensors.values())
        if stated != size:
            raise ValueError(f"it holds {size} bytes of values, but its header states {stated}")
    except ValueError as error:
        raise ConfigError(
            f"cannot be read as safetensors ({error}).", path=path, problem=Problem.UNREADABLE
        ) from error
    return tensors


def _read_header(path: Path) -> tuple[int, Mapping[str, object]]:
    """Return the number of bytes of values, and the unchecked entries of the header by name."""
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise ValueError(f"it has {size} bytes; the limit is {LARGEST_FILE}")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 2 <= length <= min(LARGEST_HEADER, size - 8):
            raise ValueError("it has no header")
        header = documents.parse_json(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")
    return size - 8 - length, header


def _tensor_header(name: str, entry: object) -> TensorHeader:
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"its header states no shape of {name!r}")
    dtype = entry.get("dtype") if isinstance(entry, dict) else None
    if dtype not in _BYTES:
        raise ValueError(f"{name!r} has type {dtype!r}, not one of {', '.join(_BYTES)}")
    return TensorHeader(dtype, tuple(shape))
