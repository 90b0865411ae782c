"""Base class of the shipped generators: checkpoint, sampling per row, options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gensr_pref.generators.base import Candidate
from gensr_pref.generators.tiny.analysis import WIDEBAND, Analysis
from gensr_pref.generators.tiny.bands import apply_latent, features, latent_of
from gensr_pref.generators.tiny.carrier import Carrier, carrier, istft, stft
from gensr_pref.generators.tiny.checkpoint import (
    N,
    load_network,
    locate,
    require_loadable,
    save_network,
)
from gensr_pref.generators.tiny.encoder import Condition
from gensr_pref.generators.tiny.flow import Flow
from gensr_pref.generators.tiny.token_model import TokenModel
from gensr_pref.process import one_thread

SHIPPED = Path(__file__).parent / "weights"
Wave = npt.NDArray[np.float32]
Prepared = TypeVar("Prepared")


@dataclass(frozen=True)
class Clip:
    """Noisy clip: waveform [T], carrier, and the network's features x [1, FEATURES, F]."""

    wave: Wave
    carrier: Carrier
    x: Tensor

    @classmethod
    def from_wave(
        cls, wave: Wave, device: str | torch.device, analysis: Analysis = WIDEBAND
    ) -> Clip:
        """Compute carrier and features of a waveform [T] at the analysis' rate."""
        source = carrier(wave, analysis)
        return cls(wave, source, features(source)[None].to(device))

    @property
    def frames(self) -> int:
        """Number of frames F."""
        return self.x.shape[-1]


class TinyGenerator(ABC, Generic[N, Prepared]):
    """Generator of band gains with a checkpoint.

    A subclass implements the work per clip (`_prepare`) and per seed (`_candidates`).

    Args:
        checkpoint: folder with `model.safetensors` and `config.json`, or ``org/name`` on the Hub;
            absent = the shipped one.
        revision: commit, tag or branch of a checkpoint on the Hub; absent = main.

    Attributes:
        checkpoint: the folder; a checkpoint of the Hub is downloaded if necessary.
        analysis: short-time analysis at the checkpoint's sample rate.

    Raises:
        InputError: the checkpoint does not exist.
        FetchError: the Hub cannot be reached or does not deliver.
        ValueError: a revision without an id on the Hub.
    """

    name: ClassVar[str]
    paradigm: ClassVar[str]
    network: ClassVar[Any]  # class of the policy
    paths = ("checkpoint",)

    def __init__(self, checkpoint: str | None, revision: str | None = None) -> None:
        self._located = locate(SHIPPED / self.name if checkpoint is None else checkpoint, revision)
        self.checkpoint = self._located.folder
        self.analysis = Analysis(require_loadable(self.checkpoint, self.network).sample_rate)
        self._revision: str | None = None
        self._policy: N | None = None

    @property
    def revision(self) -> str:
        """Digest of the checkpoint; for one on the Hub, ``org/name@COMMIT`` and the digest."""
        if self._revision is None:
            self._revision = self._located.revision
        return self._revision

    @property
    def sample_rate(self) -> int:
        """Sample rate of input and output, in Hz, from the checkpoint."""
        return self.analysis.rate

    def load(self, device: str = "cpu") -> None:
        """Read the checkpoint onto a device.

        Raises:
            InputError: the checkpoint is missing, or belongs to another network.
        """
        self._policy = load_network(self.checkpoint, self.network, device)

    @property
    def policy(self) -> N:
        """The network; available after `load`."""
        if self._policy is None:
            raise RuntimeError(f"{self.name} is not loaded; call load(device) first")
        return self._policy

    @torch.inference_mode()
    def sample(self, noisy: Wave, lengths: Sequence[int], seeds: Sequence[int]) -> list[Candidate]:
        """Return one candidate per row, as long as the row; see `generators.base.Generator`.

        Equal consecutive rows are one clip, which is encoded once. Nothing is padded. On a CPU the
        network processes one row at a time, on one thread, because the last bits of a float32 sum
        depend on the shape of the batch and on the division among threads. Thus a row gives the
        same bytes in any batch and on any number of cores. On any other device the rows of a clip
        are one batch, and a row may differ in rounding from the same row alone.
        """
        device = next(self.policy.parameters()).device
        candidates: list[Candidate] = []
        with one_thread():
            for wave, clip_seeds in _group_rows(noisy, lengths, seeds):
                clip = Clip.from_wave(wave, device, self.analysis)
                prepared = self._prepare(clip)
                step = 1 if device.type == "cpu" else len(clip_seeds)
                for start in range(0, len(clip_seeds), step):
                    batch = clip_seeds[start : start + step]
                    candidates += self._candidates(clip, prepared, batch)
        return candidates

    # --- methods for alignment; see `generators.base.Alignable`

    def hear(self, noisy: Wave) -> Tensor:
        """Return the features [FEATURES, F] of a noisy clip [T]."""
        return features(carrier(noisy, self.analysis))

    def encode_input(self, policy: Flow | TokenModel, x: Tensor, frames: Tensor) -> Tensor:
        """Encode x [P, FEATURES, F]; return [P, C, F], the concatenated parts of a `Condition`."""
        valid = torch.arange(x.shape[-1], device=x.device)[None] < frames[:, None]
        condition: Condition = policy.condition(x, valid[:, None].to(x.dtype))
        return torch.cat(condition, 1)

    def save(self, folder: Path) -> None:
        """Write the policy as a checkpoint."""
        save_network(self.policy, folder)

    @abstractmethod
    def _prepare(self, clip: Clip) -> Prepared:
        """Compute what all candidates of a clip share."""

    @abstractmethod
    def _candidates(self, clip: Clip, prepared: Prepared, seeds: Sequence[int]) -> list[Candidate]:
        """Generate one candidate per seed, as one batch."""


def _group_rows(
    noisy: Wave, lengths: Sequence[int], seeds: Sequence[int]
) -> Iterator[tuple[Wave, list[int]]]:
    """Yield the waveform of each run of equal consecutive rows, and the seeds of those rows."""
    waves = [
        np.ascontiguousarray(row[:length], np.float32)
        for row, length in zip(noisy, lengths, strict=True)
    ]
    start = 0
    while start < len(waves):
        stop = start + 1
        while stop < len(waves) and np.array_equal(waves[start], waves[stop]):
            stop += 1
        yield waves[start], [int(seed) for seed in seeds[start:stop]]
        start = stop


def condition_of(encoded: Tensor, channels: int) -> Condition:
    """Split the output [P, C, F] of `TinyGenerator.encode_input` into a `Condition`."""
    width = encoded.shape[1] - 2 * channels
    return Condition(*torch.split(encoded, [width, channels, channels], 1))


def true_gains(noisy: Wave, clean: Wave, analysis: Analysis) -> Tensor:
    """Return the latent [GAIN_BANDS, F] of the oracle gains from a clip [T] to its clean version.

    A clean version of another length is cut, or padded with zeros.
    """
    fitted = np.zeros_like(noisy)
    shared = min(len(noisy), len(clean))
    fitted[:shared] = clean[:shared]
    return latent_of(stft(torch.from_numpy(fitted), analysis), carrier(noisy, analysis))


def render(latent: Tensor, clip: Carrier, length: int) -> Wave:
    """Apply a latent [GAIN_BANDS, F] to a clip's carrier; return the waveform [length]."""
    wave = istft(apply_latent(latent.float(), clip), length)
    return wave.numpy().astype(np.float32, copy=False)


# --- options -------------------------------------------------------------------------------------


def number_or_range(
    option: str, given: float | Sequence[float], highest: float = 5.0
) -> tuple[float, float]:
    """Return an option that is a number or a pair [low, high] as a pair.

    Raises:
        ValueError: it is neither, or outside 0 to `highest`.
    """
    pair = [given] * 2 if isinstance(given, int | float) else list(given)
    numbers = all(isinstance(t, int | float) and not isinstance(t, bool) for t in pair)
    if len(pair) != 2 or not numbers or not 0 <= pair[0] <= pair[1] <= highest:
        raise ValueError(
            f"{option} must be a number from 0 to {highest:g} or a pair [low, high], not {given!r}"
        )
    return float(pair[0]), float(pair[1])


def value_at(pair: tuple[float, float], uniform: float) -> float:
    """Map `uniform` in [0, 1) to the range; round to the 6 digits that are recorded."""
    low, high = pair
    return round(low + (high - low) * uniform, 6)


def positive_integer(option: str, given: int) -> int:
    """Return an option that must be a whole number from 1 up.

    Raises:
        ValueError: it is not.
    """
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ValueError(f"{option} must be a whole number from 1 up, not {given!r}")
    return given
