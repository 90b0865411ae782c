"""Encoder of the noisy clip, shared by all three paradigms.

It runs once per clip, for all candidates. Its outputs are a Gaussian estimate N(m, s^2) of the
gains to the clean clip, which every generator corrects, and a hidden state, on which every
generator is conditioned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from gensr_pref.generators.tiny.precision import at_least_float32

LOG_SCALE = (math.log(0.05), math.log(2.0))  # bounds of log s: 0.5 to 20 dB


class Condition(NamedTuple):
    """Output of the encoder, computed once for all candidates of a clip.

    Attributes:
        hidden: [B, encoder_width, F].
        mean: [B, channels, F] m(x), a regression estimate of y_1.
        log_scale: [B, channels, F] log s(x), the logarithm of the standard deviation of y_1 - m(x).
    """

    hidden: Tensor
    mean: Tensor
    log_scale: Tensor


class Encoder(nn.Module):
    """Dilated convolutions over frames, with the clip's mean and deviation as a second input."""

    def __init__(self, features: int, channels: int, width: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.enter = nn.Conv1d(features, width, 3, padding=1)
        self.statistics = nn.Linear(2 * features, width)
        self.blocks = nn.ModuleList(ConvBlock(width, d) for d in dilations)
        self.leave = nn.Conv1d(width, 2 * channels, 1)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Condition:
        """Encode features x [B, FEATURES, F].

        Args:
            x: features; 0 in frames that are not valid.
            valid: [B, 1, F] 1 for frames of the clip, 0 for padding; absent = all are valid.
        """
        summary = torch.cat(_statistics(x, valid), -1)
        hidden = self.enter(x) + self.statistics(summary)[..., None]
        for block in self.blocks:
            hidden = block(hidden, valid=valid)
        mean, log_scale = at_least_float32(self.leave(rms_normalise_channels(hidden))).chunk(2, 1)
        return Condition(hidden, mean, log_scale.clamp(*LOG_SCALE))


class ConvBlock(nn.Module):
    """Residual dilated convolution, optionally modulated by a vector."""

    def __init__(self, width: int, dilation: int, modulation: int = 0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width, 1))
        self.mix = nn.Conv1d(width, width, 3, dilation=dilation, padding=dilation)
        self.out = nn.Conv1d(width, width, 1)
        self.modulate = nn.Linear(modulation, 2 * width) if modulation else None
        if self.modulate is not None:
            nn.init.zeros_(self.modulate.weight)

    def forward(
        self, hidden: Tensor, modulation: Tensor | None = None, valid: Tensor | None = None
    ) -> Tensor:
        """Map [B, width, F] to [B, width, F].

        Args:
            hidden: [B, width, F].
            modulation: [B, modulation] vector from which scale and shift are computed.
            valid: [B, 1, F] 1 for frames of the clip, 0 for padding, which influences nothing.
        """
        inner = rms_normalise_channels(hidden) * self.gain
        if self.modulate is not None and modulation is not None:
            scale, shift = self.modulate(modulation)[..., None].chunk(2, 1)
            inner = inner * (1 + scale) + shift
        if valid is not None:
            inner = inner * valid
        return hidden + self.out(functional.gelu(self.mix(inner)))  # type: ignore[no-any-return]


def _statistics(x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return mean and deviation [B, C] over the valid frames of x [B, C, F]."""
    if valid is None:
        return x.mean(-1), x.std(-1, unbiased=False)
    mean = frame_mean(x, valid)
    deviation = (x - mean[..., None]) * valid
    return mean, frame_mean(deviation.square(), valid).sqrt()


def frame_mean(values: Tensor, valid: Tensor | None) -> Tensor:
    """Return the mean [B, C] of values [B, C, F] over the valid frames."""
    if valid is None:
        return values.mean(-1)
    return (values * valid).sum(-1) / valid.sum(-1)


def rms_normalise_channels(hidden: Tensor) -> Tensor:
    """Divide every frame of [B, C, F] by the root mean square of its channels."""
    return hidden * torch.rsqrt(hidden.square().mean(1, keepdim=True) + 1e-6)


def regression_error(condition: Condition, y_1: Tensor) -> Tensor:
    """Return the mean over channels and frames of (m(x) - y_1)^2: [B]."""
    return (condition.mean - y_1).square().mean((1, 2))


def scale_error(condition: Condition, y_1: Tensor) -> Tensor:
    """Return the mean over channels and frames of (m - y_1)^2 / (2 s^2) + log s: [B].

    It is the negative log-likelihood of y_1 under N(m, s^2), up to a constant. m is detached, so
    that it trains s alone.
    """
    squared = (condition.mean.detach() - y_1).square()
    log_s = condition.log_scale
    return (0.5 * squared * (-2 * log_s).exp() + log_s).mean((1, 2))
