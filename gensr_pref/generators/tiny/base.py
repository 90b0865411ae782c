"""What the shipped generators share: a checkpoint, and rows that do not hear each other."""

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
from gensr_pref.generators.tiny.checkpoint import N, load, locate, require_loadable, save
from gensr_pref.generators.tiny.encoder import Condition
from gensr_pref.generators.tiny.flow import Flow
from gensr_pref.generators.tiny.token_model import TokenModel
from gensr_pref.process import one_thread

SHIPPED = Path(__file__).parent / "weights"
Wave = npt.NDArray[np.float32]
Prepared = TypeVar("Prepared")


@dataclass(frozen=True)
class Clip:
    """A noisy clip: its waveform [T], its carrier, and the network's features [1, FEATURES, F]."""

    wave: Wave
    carrier: Carrier
    x: Tensor

    @classmethod
    def of(cls, wave: Wave, device: str | torch.device, analysis: Analysis = WIDEBAND) -> Clip:
        """Prepare a waveform [T] at the analysis' rate."""
        heard = carrier(wave, analysis)
        return cls(wave, heard, features(heard)[None].to(device))

    @property
    def frames(self) -> int:
        """F."""
        return self.x.shape[-1]


class Tiny(ABC, Generic[N, Prepared]):
    """A generator of band gains with a checkpoint.

    A subclass says what it makes of a clip once (`_prepared`) and of seeds (`_candidates`).

    Args:
        checkpoint: folder with `model.safetensors` and `config.json`, or ``org/name`` on the Hub;
            absent = the shipped one.
        revision: commit, tag or branch of a checkpoint on the Hub; absent = main.

    Attributes:
        checkpoint: the folder; one of the Hub has been downloaded if it was not here.
        analysis: of the rate that the checkpoint is for.

    Raises:
        InputError: there is no such checkpoint.
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
        """Digest of the checkpoint; before it, of one on the Hub, ``org/name@COMMIT``."""
        if self._revision is None:
            self._revision = self._located.revision
        return self._revision

    @property
    def sample_rate(self) -> int:
        """Of input and output, in Hz, as the checkpoint says."""
        return self.analysis.rate

    def load(self, device: str = "cpu") -> None:
        """Read the checkpoint onto a device.

        Raises:
            InputError: it is missing, or is not a checkpoint of this network.
        """
        self._policy = load(self.checkpoint, self.network, device)

    @property
    def policy(self) -> N:
        """The network; `load` it first."""
        if self._policy is None:
            raise RuntimeError(f"{self.name} is not loaded; call load(device) first")
        return self._policy

    @torch.inference_mode()
    def sample(self, noisy: Wave, lengths: Sequence[int], seeds: Sequence[int]) -> list[Candidate]:
        """One candidate per row, as long as the row; see `generators.base.Generator`.

        A clip that fills several rows is encoded once, and there is never any padding. On a CPU the
        network sees one row at a time, on one thread, because the last bits of a float32 sum depend
        on the shape of the batch and on how threads share it: so a row gives the same bytes in
        whatever batch it comes, on however many cores. On any other device the rows of a clip are
        one batch, and a row may differ in rounding from the same row alone.
        """
        device = next(self.policy.parameters()).device
        candidates: list[Candidate] = []
        with one_thread():
            for wave, of_clip in _clips(noisy, lengths, seeds):
                clip = Clip.of(wave, device, self.analysis)
                prepared = self._prepared(clip)
                step = 1 if device.type == "cpu" else len(of_clip)
                for start in range(0, len(of_clip), step):
                    candidates += self._candidates(clip, prepared, of_clip[start : start + step])
        return candidates

    # --- what alignment asks for; see `generators.base.Alignable`

    def hear(self, noisy: Wave) -> Tensor:
        """[FEATURES, F] of a clip [T]."""
        return features(carrier(noisy, self.analysis))

    def encoded(self, policy: Flow | TokenModel, x: Tensor, frames: Tensor) -> Tensor:
        """What the encoder makes of x [P, FEATURES, F]: [P, C, F], the parts of a `Condition`."""
        valid = torch.arange(x.shape[-1], device=x.device)[None] < frames[:, None]
        condition: Condition = policy.condition(x, valid[:, None].to(x.dtype))
        return torch.cat(condition, 1)

    def save(self, folder: Path) -> None:
        """Write the policy as a checkpoint."""
        save(self.policy, folder)

    @abstractmethod
    def _prepared(self, clip: Clip) -> Prepared:
        """What all candidates of a clip share."""

    @abstractmethod
    def _candidates(self, clip: Clip, prepared: Prepared, seeds: Sequence[int]) -> list[Candidate]:
        """The candidates of seeds, as one batch."""


def _clips(
    noisy: Wave, lengths: Sequence[int], seeds: Sequence[int]
) -> Iterator[tuple[Wave, list[int]]]:
    """Each waveform once for rows of it that stand together, with the seeds of those rows."""
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
    """The parts of a `Condition` from what `Tiny.encoded` put together: [P, C, F]."""
    width = encoded.shape[1] - 2 * channels
    return Condition(*torch.split(encoded, [width, channels, channels], 1))


def true_gains(noisy: Wave, clean: Wave, analysis: Analysis) -> Tensor:
    """The latent [GAIN_BANDS, F] that leads from a clip [T] to a clean version of it.

    A version of another length is cut, or filled with zeros.
    """
    fitted = np.zeros_like(noisy)
    shared = min(len(noisy), len(clean))
    fitted[:shared] = clean[:shared]
    return latent_of(stft(torch.from_numpy(fitted), analysis), carrier(noisy, analysis))


def rendered(latent: Tensor, clip: Carrier, length: int) -> Wave:
    """The waveform [length] of a latent [GAIN_BANDS, F] over a clip's carrier."""
    wave = istft(apply_latent(latent.float(), clip), length)
    return wave.numpy().astype(np.float32, copy=False)


# --- options -------------------------------------------------------------------------------------


def bounds(
    option: str, given: float | Sequence[float], highest: float = 5.0
) -> tuple[float, float]:
    """A number, or a pair [low, high], as a pair.

    Raises:
        ValueError: not that, or outside 0 to `highest`.
    """
    pair = [given] * 2 if isinstance(given, int | float) else list(given)
    numbers = all(isinstance(t, int | float) and not isinstance(t, bool) for t in pair)
    if len(pair) != 2 or not numbers or not 0 <= pair[0] <= pair[1] <= highest:
        raise ValueError(
            f"{option} must be a number from 0 to {highest:g} or a pair [low, high], not {given!r}"
        )
    return float(pair[0]), float(pair[1])


def within(pair: tuple[float, float], uniform: float) -> float:
    """The number that lies at `uniform`, in [0, 1), between the bounds; as it is recorded."""
    low, high = pair
    return round(low + (high - low) * uniform, 6)


def whole(option: str, given: int) -> int:
    """A whole number from 1 up.

    Raises:
        ValueError: not that.
    """
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ValueError(f"{option} must be a whole number from 1 up, not {given!r}")
    return given
