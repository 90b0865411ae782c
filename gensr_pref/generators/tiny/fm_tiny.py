"""fm-tiny: a small flow-matching model that restores 16 kHz speech.

It generates gains in dB for 40 bands and 62.5 frames per second. They are applied to the noisy
spectrum, after its missing bands and lost packets are filled (`carrier`). Training data, abilities
and limits: `weights/fm-tiny/README.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypedDict, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gensr_pref.generators.base import Candidate, Rows
from gensr_pref.generators.tiny.analysis import Analysis
from gensr_pref.generators.tiny.base import (
    Clip,
    TinyGenerator,
    Wave,
    condition_of,
    number_or_range,
    positive_integer,
    render,
    true_gains,
    value_at,
)
from gensr_pref.generators.tiny.carrier import carrier
from gensr_pref.generators.tiny.encoder import Condition
from gensr_pref.generators.tiny.flow import Flow, Solver, base_noise, flow_matching_error, solve

TEMPERATURE = (0.2, 0.6)
CLIP_TEMPERATURE = 1.5
STEPS = 4


class FlowSampling(TypedDict):
    """Sampling settings of a candidate.

    Keys:
        temperature, clip_temperature: the values that were drawn for this candidate.
        steps, solver: options of the generator.
    """

    temperature: float
    clip_temperature: float
    steps: int
    solver: Solver


class _Start(NamedTuple):
    """Start of a candidate's flow: its sampling settings and y_0 [1, C, F]."""

    sampling: FlowSampling
    y_0: Tensor


class FlowMatchingTiny(TinyGenerator[Flow, Condition]):
    """The generator ``fm-tiny``.

    Args:
        temperature: scale of the noise that differs from frame to frame. For a pair [low, high] it
            is drawn uniformly for every candidate, from the candidate's seed.
        clip_temperature: scale of the noise that is constant over a clip and makes candidates
            differ as wholes. With both at 0 all candidates of a clip are the same.
        steps: number of solver steps from noise to sample.
        solver: "euler", or "midpoint" (two evaluations per step).
        checkpoint: folder with `model.safetensors` and `config.json`, or ``org/name`` on the Hub;
            absent = the shipped one.
        revision: commit, tag or branch of a checkpoint on the Hub; absent = main.

    Raises:
        ValueError: an option outside its range.
    """

    name = "fm-tiny"
    paradigm = "fm"
    network = Flow

    def __init__(
        self,
        temperature: float | Sequence[float] = TEMPERATURE,
        clip_temperature: float | Sequence[float] = CLIP_TEMPERATURE,
        steps: int = STEPS,
        solver: Solver = "euler",
        checkpoint: str | None = None,
        revision: str | None = None,
    ) -> None:
        super().__init__(checkpoint, revision)
        self.temperature = number_or_range("temperature", temperature)
        self.clip_temperature = number_or_range("clip_temperature", clip_temperature)
        if solver not in get_args(Solver):
            raise ValueError(f"solver must be one of {', '.join(get_args(Solver))}, not {solver!r}")
        self.steps, self.solver = positive_integer("steps", steps), solver

    def _prepare(self, clip: Clip) -> Condition:
        return self.policy.condition(clip.x)

    def _candidates(self, clip: Clip, prepared: Condition, seeds: Sequence[int]) -> list[Candidate]:
        starts = [self._draw_start(clip, seed) for seed in seeds]
        y_0 = torch.cat([start.y_0 for start in starts]).to(prepared.mean.device)
        repeated = Condition(*(part.expand(len(seeds), -1, -1) for part in prepared))
        y_1 = solve(self.policy, y_0, repeated, self.steps, self.solver).cpu().half()
        return [
            Candidate(
                audio=render(latent, clip.carrier, len(clip.wave)),
                sampling=start.sampling,
                latent=np.ascontiguousarray(latent.T.numpy()),
            )
            for start, latent in zip(starts, y_1, strict=True)
        ]

    # --- methods for alignment; see `generators.base.Alignable`

    def encode(self, noisy: Wave, clean: Wave) -> npt.NDArray[np.float16]:
        """Return the latent [F, GAIN_BANDS] of the oracle gains from a clip [T] to a clean one."""
        latent = true_gains(noisy, clean, self.analysis)
        return np.ascontiguousarray(latent.half().T.numpy())

    def draw(self, shape: Sequence[int], t: float, randomness: torch.Generator) -> Tensor:
        """Draw y_0 [F, GAIN_BANDS] as in pretraining: unit variance, partly common to all frames.

        See `flow.base_noise`.
        """
        frames, channels = shape
        shared = self.policy.config.shared_noise
        return base_noise((1, channels, frames), shared, randomness)[0].T

    def error(self, policy: Flow, rows: Rows) -> Tensor:
        """Return the flow-matching error of each row [N]; see `flow.flow_matching_error`."""
        assert rows.draw is not None
        valid = rows.input_mask[rows.clip]
        condition = condition_of(rows.x, policy.config.channels)
        repeated = Condition(*(part[rows.clip] for part in condition))
        y_1, y_0 = rows.target.transpose(1, 2), rows.draw.transpose(1, 2)
        return flow_matching_error(policy, y_1, y_0 * valid, rows.t, repeated, valid)

    def _draw_start(self, clip: Clip, seed: int) -> _Start:
        """Draw the sampling settings and y_0 of a candidate from its seed."""
        generator = torch.Generator().manual_seed(seed)
        sampling: FlowSampling = {
            "temperature": value_at(self.temperature, _uniform(generator)),
            "clip_temperature": value_at(self.clip_temperature, _uniform(generator)),
            "steps": self.steps,
            "solver": self.solver,
        }
        config = self.policy.config
        y_0 = base_noise(
            (1, config.channels, clip.frames),
            config.shared_noise,
            generator,
            sampling["temperature"],
            sampling["clip_temperature"],
        )
        return _Start(sampling, y_0)


def from_latent(noisy: Wave, latent: npt.NDArray[np.float16], rate: int = 16000) -> Wave:
    """Return the audio [T] of a stored latent [F, GAIN_BANDS], equal to the output of `sample`.

    Args:
        noisy: the clip [T] at the model's rate, as it was given to `sample`.
        latent: of the candidate.
        rate: sample rate of the model, in Hz.
    """
    return render(torch.from_numpy(latent).T, carrier(noisy, Analysis(rate)), len(noisy))


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))
