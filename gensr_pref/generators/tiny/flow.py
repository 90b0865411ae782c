"""Flow matching on band gains: network, training error and solver.

The notation is that of INTP (arXiv 2505.04113, section 3.2), whose DPO loss uses the same error:

    y_t = (1 - t) y_0 + t y_1,    y_0 noise, y_1 data, t in [0, 1].

The network v(y_t, t, x) is regressed on y_1 - y_0; a sample is the solution of dy/dt = v(y, t, x)
from t = 0 to t = 1. The linear path is that of Y. Lipman et al., arXiv 2210.02747, section 4.1
(optimal transport), with sigma_min = 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from gensr_pref.generators.tiny.bands import FEATURES, GAIN_BANDS
from gensr_pref.generators.tiny.encoder import (
    Condition,
    ConvBlock,
    Encoder,
    frame_mean,
    rms_normalise_channels,
)
from gensr_pref.generators.tiny.precision import at_least_float32

Solver = Literal["euler", "midpoint"]
TIME = 64  # channels of the embedding of t


@dataclass(frozen=True)
class FlowConfig:
    """Shape of a `Flow`, stored beside its weights."""

    encoder_width: int = 192
    encoder_dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 1, 2, 4)
    velocity_width: int = 160
    velocity_dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2)
    features: int = FEATURES
    channels: int = GAIN_BANDS
    shared_noise: float = 0.25  # fraction of y_0's variance that is constant over a clip
    sample_rate: int = 16000  # Hz


class Flow(nn.Module):
    """Encoder of the noisy clip, and velocity field over its band gains."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(
            config.features, config.channels, config.encoder_width, config.encoder_dilations
        )
        self.field = VelocityField(config)

    def condition(self, x: Tensor, valid: Tensor | None = None) -> Condition:
        """Encode features [B, FEATURES, F]; see `Encoder.forward` for `valid`."""
        encoded: Condition = self.encoder(x, valid)
        return encoded

    def velocity(
        self, y_t: Tensor, t: Tensor, condition: Condition, valid: Tensor | None = None
    ) -> Tensor:
        """Return the velocity v(y_t, t, x) [B, channels, F] at times t [B].

        The network corrects the exact field of data distributed as N(m, s^2), with m and s of the
        encoder:

            v = m + (t s^2 - (1 - t)) / ((1 - t)^2 + t^2 s^2) (y_t - t m) + network.

        In pretraining s is trained by `scale_error` alone; alignment trains it like all other
        parameters.

        Args:
            y_t: [B, channels, F].
            t: [B].
            condition: output of the encoder.
            valid: [B, 1, F] 1 for frames of the clip, 0 for padding, which influences nothing;
                absent = all are valid.
        """
        m, t_ = condition.mean, t[:, None, None]
        s2 = (2 * condition.log_scale).exp()
        gaussian = (t_ * s2 - (1 - t_)) / ((1 - t_) ** 2 + t_**2 * s2)
        correction = at_least_float32(self.field(y_t, t, condition, valid))
        v: Tensor = m + gaussian * (y_t - t_ * m) + correction
        return v


class VelocityField(nn.Module):
    """Network that corrects the Gaussian velocity."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        width = config.velocity_width
        self.enter = nn.Conv1d(2 * config.channels, width, 3, padding=1)
        self.hear = nn.Conv1d(config.encoder_width, width, 1)
        self.time = nn.Sequential(
            nn.Linear(TIME, TIME), nn.GELU(), nn.Linear(TIME, TIME), nn.GELU()
        )
        self.blocks = nn.ModuleList(ConvBlock(width, d, TIME) for d in config.velocity_dilations)
        self.leave = nn.Conv1d(width, config.channels, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(
        self, y_t: Tensor, t: Tensor, condition: Condition, valid: Tensor | None = None
    ) -> Tensor:
        """Return the correction [B, channels, F]; arguments as in `Flow.velocity`."""
        entering = torch.cat([y_t, condition.mean], 1)
        hidden = self.enter(entering if valid is None else entering * valid)
        hidden = hidden + self.hear(rms_normalise_channels(condition.hidden))
        time = self.time(sinusoids(t))
        for block in self.blocks:
            hidden = block(hidden, time, valid)
        return self.leave(rms_normalise_channels(hidden))  # type: ignore[no-any-return]


def sinusoids(t: Tensor) -> Tensor:
    """Embed times t [B] in [0, 1] as sines and cosines [B, TIME]."""
    rates = torch.exp(torch.linspace(0, math.log(200), TIME // 2, device=t.device))
    angles = t[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], -1)


# --- training ------------------------------------------------------------------------------------


def interpolate(y_0: Tensor, y_1: Tensor, t: Tensor) -> Tensor:
    """Return y_t = (1 - t) y_0 + t y_1, for y_0 and y_1 [B, C, F] and t [B]."""
    t_ = t[:, None, None]
    return (1 - t_) * y_0 + t_ * y_1


def flow_matching_error(
    flow: Flow,
    y_1: Tensor,
    y_0: Tensor,
    t: Tensor,
    condition: Condition,
    valid: Tensor | None = None,
) -> Tensor:
    """Return e(y_1) = mean over channels and frames of (v(y_t, t, x) - (y_1 - y_0))^2: [B].

    It is the e of INTP (arXiv 2505.04113, section 3.2), as a mean over the `valid` frames
    [B, 1, F] and without a factor 1/2.
    """
    v = flow.velocity(interpolate(y_0, y_1, t), t, condition, valid)
    squared = (v - (y_1 - y_0)).square()
    return frame_mean(squared, valid).mean(1) if valid is not None else squared.mean((1, 2))


# --- sampling ------------------------------------------------------------------------------------


def base_noise(
    shape: Sequence[int],
    shared: float,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    clip_temperature: float = 1.0,
) -> Tensor:
    """Draw y_0 [B, C, F]: noise of each frame, plus noise common to all frames of a clip.

        y_0 = temperature sqrt(1 - shared) e_frame + clip_temperature sqrt(shared) S e_clip

    with e_frame [B, C, F] and e_clip [B, C, 1] standard normal and S a smoothing over channels. The
    common part makes candidates differ as wholes (more or less suppression, another spectral
    tilt), which is meant to make preferences between them learnable.

    Args:
        shape: B, C, F.
        shared: fraction of the variance that is common, in [0, 1].
        generator: source of randomness; absent = torch's global one.
        temperature: factor of the frames' noise.
        clip_temperature: factor of the common noise. If both are 1, as in training, every value has
            unit variance.
    """
    rows, channels, frames = shape
    per_frame = torch.randn(rows, channels, frames, generator=generator)
    per_clip = torch.randn(rows, channels, 1, generator=generator)
    y_0: Tensor = temperature * math.sqrt(1 - shared) * per_frame
    return y_0 + clip_temperature * math.sqrt(shared) * (_smoothing(channels) @ per_clip)


def _smoothing(channels: int, width: float = 4.0) -> Tensor:
    """Return S [C, C]; its rows have unit norm, so that smoothed white noise has unit variance."""
    index = torch.arange(channels, dtype=torch.float32)
    kernel = torch.exp(-0.5 * ((index[:, None] - index) / width).square())
    norm: Tensor = kernel.norm(dim=1, keepdim=True)
    return kernel / norm


def solve(
    flow: Flow, y_0: Tensor, condition: Condition, steps: int, solver: Solver = "euler"
) -> Tensor:
    """Integrate from y_0 [B, C, F] to y_1 by `steps` equal steps of Euler's or the midpoint rule.

    euler:     y += h v(y, t)
    midpoint:  y += h v(y + h/2 v(y, t), t + h/2)
    """
    y, h = y_0, 1 / steps
    for step in range(steps):
        t = torch.full((len(y),), step * h, device=y.device)
        v = flow.velocity(y, t, condition)
        if solver == "midpoint":
            v = flow.velocity(y + 0.5 * h * v, t + 0.5 * h, condition)
        y = y + h * v
    return y
