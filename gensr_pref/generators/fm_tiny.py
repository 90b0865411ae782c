"""fm-tiny: a small flow-matching model that restores 16 kHz speech.

It generates gains in dB for 40 bands and 62.5 frames per second over the noisy spectrum, in which
missing bands and lost packets have been filled first (`carrier`). What it was trained on, what it
restores and what it cannot: `weights/fm-tiny/README.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gensr_pref.generators.bands import RATE, apply_latent, features
from gensr_pref.generators.base import Candidate
from gensr_pref.generators.carrier import Carrier, carrier, istft
from gensr_pref.generators.checkpoint import load_flow, revision_of
from gensr_pref.generators.flow import Condition, Flow, Solver, base_noise, solve
from gensr_pref.threads import one_thread

SHIPPED = Path(__file__).parent / "weights" / "fm-tiny"
TEMPERATURE = (0.2, 0.6)
CLIP_TEMPERATURE = 1.5
STEPS = 4


class FlowMatchingTiny:
    """The generator ``fm-tiny``.

    Args:
        temperature: of the noise that differs from frame to frame. A pair [low, high] draws it
            for every candidate, uniformly, from the candidate's seed.
        clip_temperature: of the noise that is constant over a clip, by which candidates differ as
            wholes. With both at 0 all candidates of a clip are the same.
        steps: of the solver, from noise to sample.
        solver: "euler", or "midpoint" (two evaluations per step).
        checkpoint: folder with `model.safetensors` and `config.json`; absent = the shipped one.

    Raises:
        ValueError: an option outside its range.
    """

    name = "fm-tiny"
    paradigm = "fm"
    sample_rate = RATE
    paths = ("checkpoint",)

    def __init__(
        self,
        temperature: float | Sequence[float] = TEMPERATURE,
        clip_temperature: float | Sequence[float] = CLIP_TEMPERATURE,
        steps: int = STEPS,
        solver: Solver = "euler",
        checkpoint: str | None = None,
    ) -> None:
        self.temperature = _range("temperature", temperature)
        self.clip_temperature = _range("clip_temperature", clip_temperature)
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise ValueError(f"steps must be a whole number from 1 up, not {steps!r}")
        if solver not in get_args(Solver):
            raise ValueError(f"solver must be one of {', '.join(get_args(Solver))}, not {solver!r}")
        self.steps, self.solver = steps, solver
        self.checkpoint = Path(checkpoint) if checkpoint is not None else SHIPPED
        self._revision: str | None = None
        self._flow: Flow | None = None

    @property
    def revision(self) -> str:
        """Digest of the checkpoint."""
        if self._revision is None:
            self._revision = revision_of(self.checkpoint)
        return self._revision

    def load(self, device: str = "cpu") -> None:
        """Read the checkpoint onto a device.

        Raises:
            InputError: it is missing, or is not a checkpoint of this network.
        """
        self._flow = load_flow(self.checkpoint, device)

    @property
    def policy(self) -> Flow:
        """The network; `load` it first."""
        if self._flow is None:
            raise RuntimeError("fm-tiny is not loaded; call load(device) first")
        return self._flow

    @torch.inference_mode()
    def sample(
        self, noisy: npt.NDArray[np.float32], lengths: Sequence[int], seeds: Sequence[int]
    ) -> list[Candidate]:
        """One candidate per row, as long as the row; see `generators.base.Generator`.

        A clip that fills several rows is encoded once. The network sees one row at a time and no
        padding, on one thread, because the last bits of a float32 sum depend on the shape of the
        batch and on how threads share it: so a row gives the same bytes in whatever batch it
        comes, on however many cores.
        """
        clip: _Clip | None = None
        candidates = []
        with one_thread():
            for row, length, seed in zip(noisy, lengths, seeds, strict=True):
                wave = np.ascontiguousarray(row[:length], np.float32)
                if clip is None or not np.array_equal(clip.wave, wave):
                    clip = _Clip(wave, self.policy)  # the rows of a clip stand together
                candidates.append(self._candidate(clip, seed))
        return candidates

    def _candidate(self, clip: _Clip, seed: int) -> Candidate:
        generator = torch.Generator().manual_seed(int(seed))
        sampling: dict[str, Any] = {
            "temperature": _drawn(self.temperature, generator),
            "clip_temperature": _drawn(self.clip_temperature, generator),
            "steps": self.steps,
            "solver": self.solver,
        }
        flow = self.policy
        y_0 = base_noise(
            (1, flow.config.channels, clip.frames),
            flow.config.shared_noise,
            generator,
            sampling["temperature"],
            sampling["clip_temperature"],
        ).to(clip.condition.mean.device)
        y_1 = solve(flow, y_0, clip.condition, self.steps, self.solver)[0].cpu().half()
        return Candidate(
            audio=rendered(y_1, clip.carrier, len(clip.wave)),
            sampling=sampling,
            latent=np.ascontiguousarray(y_1.T.numpy()),
        )


class _Clip:
    """What all candidates of a clip share."""

    def __init__(self, wave: npt.NDArray[np.float32], flow: Flow) -> None:
        device = next(flow.parameters()).device
        self.wave = wave
        self.carrier: Carrier = carrier(wave)
        self.condition: Condition = flow.condition(features(self.carrier)[None].to(device))

    @property
    def frames(self) -> int:
        return self.carrier.spectrum.shape[-1]


def rendered(latent: Tensor, clip: Carrier, length: int) -> npt.NDArray[np.float32]:
    """The waveform [length] of a latent [GAIN_BANDS, F] over a clip's carrier."""
    wave = istft(apply_latent(latent.float(), clip), length)
    return wave.numpy().astype(np.float32, copy=False)


def from_latent(
    noisy: npt.NDArray[np.float32], latent: npt.NDArray[np.float16]
) -> npt.NDArray[np.float32]:
    """The audio [T] of a stored latent [F, GAIN_BANDS] for a clip [T]: what `sample` returned."""
    return rendered(torch.from_numpy(latent).T, carrier(noisy), len(noisy))


def _drawn(bounds: tuple[float, float], generator: torch.Generator) -> float:
    low, high = bounds
    return round(low + (high - low) * float(torch.rand((), generator=generator)), 6)


def _range(option: str, given: float | Sequence[float]) -> tuple[float, float]:
    bounds = [given] * 2 if isinstance(given, int | float) else list(given)
    numbers = all(isinstance(t, int | float) and not isinstance(t, bool) for t in bounds)
    if len(bounds) != 2 or not numbers or not 0 <= bounds[0] <= bounds[1] <= 5:
        raise ValueError(
            f"{option} must be a number from 0 to 5 or a pair [low, high], not {given!r}"
        )
    return float(bounds[0]), float(bounds[1])
