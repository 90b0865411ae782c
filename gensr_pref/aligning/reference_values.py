"""The reference's utilities of pairs under their draws, cached on disk."""

from __future__ import annotations

import os
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gensr_pref.aligning.batches import DrawSettings, PairBatch
from gensr_pref.aligning.feature_cache import Array
from gensr_pref.aligning.utility import Utility
from gensr_pref.identity import digest


@dataclass(frozen=True)
class ReferenceInputs:
    """Everything that the reference's values depend on, beside a pair and its `DrawSettings`.

    Attributes:
        data: digest of what features and targets were computed from.
        draws_of: digest of the generator whose `draw` and `window` are called.
        reference: digest of the reference model.
        encodes: whether it encodes features; otherwise it reads stored output of its encoder.
        precision: precision of its inner products.
        device: kind of device that it runs on.
    """

    data: str
    draws_of: str
    reference: str
    encodes: bool
    precision: str
    device: str

    def key(self, drawing: DrawSettings) -> str:
        """Return the key of the values of one pass."""
        return digest(asdict(self), asdict(drawing), torch.__version__)[:16]


class ReferenceValues:
    """The reference's utilities of both sides of pairs under their draws, cached on disk.

    Each pass has a file, whose name contains a key of everything that its values depend on. Values
    are computed batch by batch when they are first needed, in the same shapes as the policy's. Each
    pair's values are stored with their CRC-32; missing or damaged values are computed.

    Args:
        folder: folder of the files; None = no cache.
        made_from: what the values depend on.
        pairs: number of pairs.
    """

    def __init__(self, folder: Path | None, made_from: ReferenceInputs, pairs: int) -> None:
        self._folder, self._made_from, self._pairs = folder, made_from, pairs
        self._passes: dict[str, Any] = {}

    def get(self, batch: PairBatch, name: str, reference: Utility) -> Tensor:
        """Return log p_ref or -e_ref of chosen and rejected: [2, K, P].

        Args:
            batch: the pairs and their draws.
            name: name of the pass, which is part of the file's name.
            reference: computes missing values.
        """
        file = f"reference-{self._made_from.key(batch.drawing)}-{name}"
        stored = self._open_file(file, batch.draws)
        if stored is not None:
            rows = stored[batch.pairs]
            if all(zlib.crc32(row["values"].tobytes()) == row["crc"] for row in rows):
                values = torch.from_numpy(rows["values"].copy()).permute(1, 2, 0)
                return _unflip(batch, values.to(batch.rows.t.device))
        values = _compute(batch, reference)
        if stored is not None:
            stored[batch.pairs] = _records(_unflip(batch, values), stored.dtype)
        return values

    def _open_file(self, name: str, draws: int) -> Any:
        if self._folder is None:
            return None
        if name not in self._passes:
            path = self._folder / f"{name}.npy"
            kind = np.dtype([("values", "<f8", (2, draws)), ("crc", "<u4")])
            if not _is_table(path, self._pairs, kind):
                _make_file(path, self._pairs, kind)
            self._passes = {name: np.load(path, mmap_mode="r+")}
        return self._passes[name]


def _is_table(path: Path, pairs: int, kind: np.dtype[Any]) -> bool:
    """Check the type and the number of rows of a file of values."""
    try:
        table = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return False
    return bool(table.shape == (pairs,) and table.dtype == kind)


def _make_file(path: Path, pairs: int, kind: np.dtype[Any]) -> None:
    """Make a file of zeros whose checksums are wrong, so that none counts as computed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".part-{os.getpid()}")
    with part.open("wb") as file:
        np.save(file, np.zeros(pairs, kind))
    path.unlink(missing_ok=True)
    try:
        os.link(part, path)
    except FileExistsError:  # another process of this training made it first
        pass
    except OSError:  # a file system without links: the last file stays
        part.replace(path)
    part.unlink(missing_ok=True)


def _records(values: Tensor, kind: np.dtype[Any]) -> Array:
    """Return values [2, K, P] as rows of the file [P]."""
    by_pair = np.ascontiguousarray(values.permute(2, 0, 1).cpu().numpy())
    rows = np.zeros(len(by_pair), kind)
    rows["values"] = by_pair
    rows["crc"] = [zlib.crc32(values.tobytes()) for values in by_pair]
    return rows


@torch.no_grad()
def _compute(batch: PairBatch, reference: Utility) -> Tensor:
    """Compute the reference's values [2, K, P] of chosen and rejected, not of the clean target."""
    rows = batch.rows
    needed = 2 * batch.draws * len(batch.pairs)
    computed: Tensor = reference(
        replace(
            rows,
            clip=rows.clip[:needed],
            target=rows.target[:needed],
            lengths=rows.lengths[:needed],
            t=rows.t[:needed],
            draw=None if rows.draw is None else rows.draw[:needed],
        )
    )
    return computed.view(2, batch.draws, len(batch.pairs))


def _unflip(batch: PairBatch, values: Tensor) -> Tensor:
    """Convert values [2, K, P] from the table's order of sides to the batch's, or back."""
    return torch.where(batch.flipped, values.flip(0), values)
