"""The encoder that all three paradigms share: features of the noisy clip to what is expected of it.

It reads a clip once for all its candidates. Its output is a Gaussian guess at the clean gains,
which every generator corrects, and a hidden state, which every generator hears.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from gensr_pref.generators.tiny.precision import at_least_float32

LOG_SCALE = (math.log(0.05), math.log(2.0))  # 0.5 to 20 dB


class Condition(NamedTuple):
    """What the encoder makes of a clip, once for all its candidates.

    Attributes:
        hidden: [B, encoder_width, F].
        mean: [B, channels, F] m(x), a regression estimate of y_1.
        log_scale: [B, channels, F] log s(x), how far y_1 tends to be from it.
    """

    hidden: Tensor
    mean: Tensor
    log_scale: Tensor


class Encoder(nn.Module):
    """Dilated convolutions over frames, told of the clip's statistics."""

    def __init__(self, features: int, channels: int, width: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.enter = nn.Conv1d(features, width, 3, padding=1)
        self.statistics = nn.Linear(2 * features, width)
        self.blocks = nn.ModuleList(Block(width, d) for d in dilations)
        self.leave = nn.Conv1d(width, 2 * channels, 1)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Condition:
        """[B, FEATURES, F] -> `Condition`.

        Args:
            x: features; 0 where they are not valid.
            valid: [B, 1, F] 1 for frames of the clip, 0 for padding; absent = all are.
        """
        summary = torch.cat(_statistics(x, valid), -1)
        hidden = self.enter(x) + self.statistics(summary)[..., None]
        for block in self.blocks:
            hidden = block(hidden, valid=valid)
        mean, log_scale = at_least_float32(self.leave(normalised(hidden))).chunk(2, 1)
        return Condition(hidden, mean, log_scale.clamp(*LOG_SCALE))


class Block(nn.Module):
    """Residual dilated convolution, optionally modulated by a vector."""

    def __init__(self, width: int, dilation: int, told: int = 0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width, 1))
        self.mix = nn.Conv1d(width, width, 3, dilation=dilation, padding=dilation)
        self.out = nn.Conv1d(width, width, 1)
        self.modulate = nn.Linear(told, 2 * width) if told else None
        if self.modulate is not None:
            nn.init.zeros_(self.modulate.weight)

    def forward(
        self, hidden: Tensor, told: Tensor | None = None, valid: Tensor | None = None
    ) -> Tensor:
        """[B, width, F], [B, told] -> [B, width, F]; frames that are not `valid` are not heard."""
        inner = normalised(hidden) * self.gain
        if self.modulate is not None and told is not None:
            scale, shift = self.modulate(told)[..., None].chunk(2, 1)
            inner = inner * (1 + scale) + shift
        if valid is not None:
            inner = inner * valid
        return hidden + self.out(functional.gelu(self.mix(inner)))  # type: ignore[no-any-return]


def _statistics(x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and deviation over the valid frames of x [B, C, F], 0 elsewhere: [B, C] each."""
    if valid is None:
        return x.mean(-1), x.std(-1, unbiased=False)
    mean = averaged(x, valid)
    apart = (x - mean[..., None]) * valid
    return mean, averaged(apart.square(), valid).sqrt()


def averaged(values: Tensor, valid: Tensor | None) -> Tensor:
    """The mean over the valid frames of values [B, C, F]: [B, C]."""
    if valid is None:
        return values.mean(-1)
    return (values * valid).sum(-1) / valid.sum(-1)


def normalised(hidden: Tensor) -> Tensor:
    """Root-mean-square normalisation of every frame over its channels [B, C, F]."""
    return hidden * torch.rsqrt(hidden.square().mean(1, keepdim=True) + 1e-6)


def regression_error(condition: Condition, y_1: Tensor) -> Tensor:
    """Mean over channels and frames of (m(x) - y_1)^2: [B]."""
    return (condition.mean - y_1).square().mean((1, 2))


def scale_error(condition: Condition, y_1: Tensor) -> Tensor:
    """Mean negative log-likelihood of y_1 under N(m, s^2), up to a constant, for s alone: [B]."""
    squared = (condition.mean.detach() - y_1).square()
    log_s = condition.log_scale
    return (0.5 * squared * (-2 * log_s).exp() + log_s).mean((1, 2))
