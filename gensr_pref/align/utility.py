"""What the policy and the reference think of a batch: u and g of `objectives`, side by side."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gensr_pref.align.batches import Batch
from gensr_pref.generators.base import Alignable, Rows


class Measured(nn.Module):
    """A policy by what its generator says of rows: log p, or minus the flow-matching error.

    A module, so that accelerate can wrap it: gradients of several processes meet in its `forward`.

    Args:
        generator: whose methods are asked.
        policy: what they are asked of.
        encodes: whether `x` of a batch is features still, for the policy's encoder.
        precision: torch's type of the network's inner products.
    """

    def __init__(
        self, generator: Alignable, policy: nn.Module, encodes: bool, precision: torch.dtype
    ) -> None:
        super().__init__()
        self.generator, self.policy = generator, policy
        self.encodes = encodes and hasattr(generator, "encoded")
        self.precision = precision

    def forward(self, rows: Rows) -> Tensor:
        """log p or -e of each row: [N], float64."""
        device = rows.x.device.type
        with torch.autocast(device, self.precision, enabled=self.precision != torch.float32):
            if self.encodes:
                encoded = self.generator.encoded(self.policy, rows.x, rows.frames)  # type: ignore[attr-defined]
                rows = replace(rows, x=encoded)
            if self.generator.paradigm == "fm":
                return -self.generator.error(self.policy, rows).double()
            return self.generator.log_likelihood(self.policy, rows).double()


def counted(batch: Batch, paradigm: str) -> Tensor:
    """[S, K, P] how many tokens the log-likelihood of each row is a sum over; 1 for errors."""
    rows = batch.rows
    if paradigm == "fm":
        return batch.split(torch.ones_like(rows.t, dtype=torch.float64))
    if paradigm == "mgm" and rows.draw is not None:
        valid = rows.valid[:, None] & rows.draw.bool()
        return batch.split(valid.sum((1, 2)).double().clamp(min=1))
    return batch.split((rows.lengths * rows.target.shape[1]).double())


class ReferenceValues:
    """What the reference said of a pair's two sides under its draws, kept on disk.

    Values are of (pair, pass), and the folder is of everything else that they depend on. They are
    computed batch by batch where they are first needed, in the same shapes as the policy's.

    Args:
        folder: where they are kept; None = nowhere.
        pairs: how many there are.
        draws: K.
    """

    def __init__(self, folder: Path | None, pairs: int, draws: int) -> None:
        self._folder, self._shape = folder, (pairs, 2, draws)
        self._passes: dict[str, Any] = {}

    def of(self, batch: Batch, name: str, reference: Measured) -> Tensor:
        """log p_ref or -e_ref of chosen and rejected [2, K, P].

        Args:
            name: of the pass.
        """
        kept = self._kept(name)
        found = torch.from_numpy(kept[batch.pairs]) if kept is not None else None
        if found is None or bool(found.isnan().any()):
            found = _computed(batch, reference)
            if kept is not None:
                kept[batch.pairs] = _stored(batch, found).cpu().numpy()
            return found
        return _stored(batch, found.permute(1, 2, 0).to(batch.rows.t.device), back=True)

    def _kept(self, name: str) -> Any:
        if self._folder is None:
            return None
        if name not in self._passes:
            path = self._folder / f"{name}.npy"
            if not path.exists():
                self._folder.mkdir(parents=True, exist_ok=True)
                part = path.with_suffix(f".part-{os.getpid()}")
                with part.open("wb") as file:
                    np.save(file, np.full(self._shape, np.nan))
                with suppress(FileExistsError):  # another process of this training was first
                    os.link(part, path)
                part.unlink()
            self._passes = {name: np.load(path, mmap_mode="r+")}
        return self._passes[name]


@torch.no_grad()
def _computed(batch: Batch, reference: Measured) -> Tensor:
    """[2, K, P]; the clean target is nothing that the reference is asked about."""
    rows = batch.rows
    asked = 2 * batch.draws * len(batch.pairs)
    whole: Tensor = reference(
        replace(
            rows,
            clip=rows.clip[:asked],
            target=rows.target[:asked],
            lengths=rows.lengths[:asked],
            t=rows.t[:asked],
            draw=None if rows.draw is None else rows.draw[:asked],
        )
    )
    return whole.view(2, batch.draws, len(batch.pairs))


def _stored(batch: Batch, values: Tensor, back: bool = False) -> Tensor:
    """Values [2, K, P] as they are kept, [P, 2, K], or back: sides in the order of the table."""
    straight = torch.where(batch.flipped, values.flip(0), values)
    return straight if back else straight.permute(2, 0, 1)
