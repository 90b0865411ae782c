"""The utility u of a batch under the policy or the reference; see `objectives`."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from gensr_pref.aligning.batches import PairBatch
from gensr_pref.generators.base import Alignable, Rows


class Utility(nn.Module):
    """The utility of rows under a policy: log p, or minus the flow-matching error.

    It is a module so that accelerate can wrap it and combine the gradients of several processes.

    Args:
        generator: generator whose `log_likelihood` or `error` is called.
        policy: network that is passed to it.
        encodes: whether `x` of a batch holds features, which the policy's encoder must encode.
        precision: torch's type of the network's inner products.
        frozen: whether the encoder is not trained.
    """

    def __init__(
        self,
        generator: Alignable,
        policy: nn.Module,
        encodes: bool,
        precision: torch.dtype,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        self.generator, self.policy = generator, policy
        self.encodes = encodes and hasattr(generator, "encode_input")
        self.precision, self.frozen = precision, frozen

    def forward(self, rows: Rows) -> Tensor:
        """Return log p or -e of each row: [N], float64."""
        device = rows.x.device.type
        with torch.autocast(device, self.precision, enabled=self.precision != torch.float32):
            if self.encodes:
                rows = replace(rows, x=self._encode(rows))
            if self.generator.paradigm == "fm":
                return -self.generator.error(self.policy, rows).double()
            return self.generator.log_likelihood(self.policy, rows).double()

    def _encode(self, rows: Rows) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            encoded: Tensor = self.generator.encode_input(self.policy, rows.x, rows.frames)  # type: ignore[attr-defined]
        return encoded


def token_counts(batch: PairBatch, paradigm: str) -> Tensor:
    """Return the number of tokens in each row's log-likelihood: [S, K, P]; 1 for errors."""
    rows = batch.rows
    if paradigm == "fm":
        return batch.split(torch.ones_like(rows.t, dtype=torch.float64))
    if paradigm == "mgm" and rows.draw is not None:
        valid = rows.valid[:, None] & rows.draw.bool()
        return batch.split(valid.sum((1, 2)).double().clamp(min=1))
    return batch.split((rows.lengths * rows.target.shape[1]).double())
