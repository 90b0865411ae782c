"""Flow matching on band gains: the network, its training losses, and the solver.

The convention is INTP's (arXiv 2505.04113, section 3.2), which DPO will need:
y_t = (1 - t) y_0 + t y_1 with y_0 noise, y_1 data and t in [0, 1]; the network v(y_t, t, x) is
regressed on y_1 - y_0, and a sample is the solution of dy/dt = v from t = 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from gensr_pref.generators.tiny.bands import FEATURES, GAIN_BANDS
from gensr_pref.generators.tiny.encoder import Block, Condition, Encoder, averaged, normalised
from gensr_pref.generators.tiny.precision import at_least_float32

Solver = Literal["euler", "midpoint"]
TIME = 64  # channels of the embedding of t


@dataclass(frozen=True)
class FlowConfig:
    """The shape of a `Flow`; written beside its weights."""

    encoder_width: int = 192
    encoder_dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 1, 2, 4)
    velocity_width: int = 160
    velocity_dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2)
    features: int = FEATURES
    channels: int = GAIN_BANDS
    shared_noise: float = 0.25  # share of y_0's variance that is constant over a clip
    sample_rate: int = 16000  # Hz


class Flow(nn.Module):
    """An encoder of the noisy clip and a velocity field over its band gains."""

    architecture: ClassVar[str] = "flow"

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
        """v(y_t, t, x): [B, channels, F] at times t [B]; frames that are not `valid` have no say.

        The network corrects the exact field of data distributed as N(m, s^2), with the encoder's
        m and s, which it therefore need not learn:
        v = m + (t s^2 - (1 - t)) / ((1 - t)^2 + t^2 s^2) (y_t - t m) + network.
        In pretraining s learns from `scale_error` alone; alignment moves it, as all the rest.
        """
        m, t_ = condition.mean, t[:, None, None]
        s2 = (2 * condition.log_scale).exp()
        gaussian = (t_ * s2 - (1 - t_)) / ((1 - t_) ** 2 + t_**2 * s2)
        correction = at_least_float32(self.field(y_t, t, condition, valid))
        v: Tensor = m + gaussian * (y_t - t_ * m) + correction
        return v


class VelocityField(nn.Module):
    """The correction to the Gaussian velocity."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        width = config.velocity_width
        self.enter = nn.Conv1d(2 * config.channels, width, 3, padding=1)
        self.hear = nn.Conv1d(config.encoder_width, width, 1)
        self.time = nn.Sequential(
            nn.Linear(TIME, TIME), nn.GELU(), nn.Linear(TIME, TIME), nn.GELU()
        )
        self.blocks = nn.ModuleList(Block(width, d, TIME) for d in config.velocity_dilations)
        self.leave = nn.Conv1d(width, config.channels, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(
        self, y_t: Tensor, t: Tensor, condition: Condition, valid: Tensor | None = None
    ) -> Tensor:
        """y_t [B, channels, F], t [B], valid [B, 1, F] -> [B, channels, F]."""
        entering = torch.cat([y_t, condition.mean], 1)
        hidden = self.enter(entering if valid is None else entering * valid)
        hidden = hidden + self.hear(normalised(condition.hidden))
        when = self.time(sinusoids(t))
        for block in self.blocks:
            hidden = block(hidden, when, valid)
        return self.leave(normalised(hidden))  # type: ignore[no-any-return]


def sinusoids(t: Tensor) -> Tensor:
    """[B] in [0, 1] -> [B, TIME]."""
    rates = torch.exp(torch.linspace(0, math.log(200), TIME // 2, device=t.device))
    angles = t[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], -1)


# --- training ------------------------------------------------------------------------------------


def interpolate(y_0: Tensor, y_1: Tensor, t: Tensor) -> Tensor:
    """y_t = (1 - t) y_0 + t y_1, for [B, C, F] and t [B]."""
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
    """e(y_1) = mean over channels and frames of (v(y_t, t, x) - (y_1 - y_0))^2: [B].

    INTP's e, as a mean (over the `valid` frames [B, 1, F]) and without a factor 1/2.
    """
    v = flow.velocity(interpolate(y_0, y_1, t), t, condition, valid)
    squared = (v - (y_1 - y_0)).square()
    return averaged(squared, valid).mean(1) if valid is not None else squared.mean((1, 2))


# --- sampling ------------------------------------------------------------------------------------


def base_noise(
    shape: Sequence[int],
    shared: float,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    clip_temperature: float = 1.0,
) -> Tensor:
    """y_0 [B, C, F]: a part of its own in every frame, a part common to all frames of a clip.

    The common part, smooth over channels, lets candidates differ as wholes (more or less
    suppression, another tilt), which is meant to make preferences between them learnable.

    Args:
        shared: share of the variance that is common, in [0, 1].
        temperature: factor on the first part.
        clip_temperature: factor on the common part. At 1 and 1 every value has unit variance;
            training uses that.
    """
    rows, channels, frames = shape
    per_frame = torch.randn(rows, channels, frames, generator=generator)
    per_clip = torch.randn(rows, channels, 1, generator=generator)
    y_0: Tensor = temperature * math.sqrt(1 - shared) * per_frame
    return y_0 + clip_temperature * math.sqrt(shared) * (_smoothing(channels) @ per_clip)


def _smoothing(channels: int, width: float = 4.0) -> Tensor:
    """[C, C]; rows of unit norm, so that smoothed white noise keeps unit variance."""
    index = torch.arange(channels, dtype=torch.float32)
    kernel = torch.exp(-0.5 * ((index[:, None] - index) / width).square())
    norm: Tensor = kernel.norm(dim=1, keepdim=True)
    return kernel / norm


def solve(
    flow: Flow, y_0: Tensor, condition: Condition, steps: int, solver: Solver = "euler"
) -> Tensor:
    """y_1 from y_0 [B, C, F] by `steps` equal steps of Euler's or the midpoint rule."""
    y, h = y_0, 1 / steps
    for step in range(steps):
        t = torch.full((len(y),), step * h, device=y.device)
        v = flow.velocity(y, t, condition)
        if solver == "midpoint":
            v = flow.velocity(y + 0.5 * h * v, t + 0.5 * h, condition)
        y = y + h * v
    return y
