"""The protocol of a generator: noisy clips and seeds in, restored candidates out.

A generator of yours is a class with the members of `Generator`, or of `NamedGenerator` where it
must know which clip it is asked about; it imports nothing from here. It is found by an entry point
in the group ``gensr_pref.generators`` or named as ``module:Class``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Sound, Wave

if TYPE_CHECKING:
    from torch import Generator as Randomness
    from torch import Tensor, nn

LENGTH_TOLERANCE_S = 0.02  # by which output and input may differ, as noisy and clean may


@dataclass(frozen=True)
class Candidate:
    """One restored version of a clip.

    Attributes:
        audio: [T'] at the generator's rate.
        sampling: how it was drawn (temperature, steps, ...), JSON-able; recorded beside it.
        tokens: [codebooks, frames] int32 where the model's likelihood is over tokens.
        latent: [frames, channels] float16 where the model's error is over a latent.
        rate: of `audio` in Hz; None where it is the generator's.
    """

    audio: Wave
    sampling: dict[str, Any] = field(default_factory=dict)
    tokens: npt.NDArray[np.int32] | None = None
    latent: npt.NDArray[np.float16] | None = None
    rate: int | None = None


@dataclass(frozen=True)
class Origin:
    """Which clip a clip is, and which stretch of which recording.

    Attributes:
        clip_id: its name in the run.
        recording: the recording's name within its source, such as a relative path.
        rate: of the recording, in Hz.
        start, frames: of the stretch, at `rate`.
        total: frames of the whole recording, at `rate`.
        degraded: whether this run degraded it, so that nothing outside the run is its restoration.
    """

    clip_id: str
    recording: str
    rate: int
    start: int
    frames: int
    total: int
    degraded: bool = False


class Generator(Protocol):
    """A model that restores. Its constructor's keyword arguments are its options in a run file.

    Attributes:
        name: how its candidates are labelled.
        revision: which weights: a version, a commit or a digest of the checkpoint.
        sample_rate: of its input and of its output, in Hz; the engine resamples the input.
    """

    name: str
    revision: str
    sample_rate: int

    def load(self, device: str) -> None:
        """Load weights onto a device; called once, in the process that samples."""

    def sample(
        self, noisy: npt.NDArray[np.float32], lengths: Sequence[int], seeds: Sequence[int]
    ) -> Sequence[Candidate | Exception]:
        """One candidate per row, or what went wrong with it.

        Args:
            noisy: [B, T], zero-padded on the right; rows may repeat, for several candidates.
            lengths: [B] true lengths in samples.
            seeds: [B]; everything random about row b is drawn from seeds[b] alone.
        """
        ...


class NamedGenerator(Protocol):
    """A generator that must know which clip it is asked about; it needs no `sample`.

    Attributes:
        name, revision, load: as a `Generator`'s.
        sample_rate: None where every candidate names its own rate.
    """

    name: str
    revision: str
    sample_rate: int | None

    def load(self, device: str) -> None:
        """As a `Generator`'s."""

    def check(self, clips: Sequence[Origin], candidates: int) -> None:
        """Refuse a run that could not succeed; called once, before any work.

        Args:
            clips: all clips of the run.
            candidates: how many of each will be asked for.

        Raises:
            InputError: what is wrong and what to do about it.
        """
        ...

    def candidates_of(
        self, clip: Origin, noisy: Sound, seeds: Sequence[int]
    ) -> Sequence[Candidate | Exception]:
        """One candidate per seed, in the order of the candidates' indices, or what went wrong.

        Args:
            clip: which clip.
            noisy: what it sounds like, at the clips' rate.
            seeds: one per candidate.
        """
        ...


@dataclass(frozen=True)
class Rows:
    """A batch of targets whose likelihood or error is asked for: N rows over P clips.

    A clip's chosen and rejected side, and their draws, are rows of one batch, so what is read of a
    clip alone (`x`) needs to be computed once. Everything is padded with zeros on the right; what
    a row is worth must not depend on that.

    Attributes:
        x: [P, C, F] what the policy hears of the clips: what `hear` gave, or `encoded` of it.
        frames: [P] true F of each clip.
        clip: [N] which of the P clips a row is of.
        target: [N, codebooks, T] int64 tokens, or [N, T, channels] float32 latents.
        lengths: [N] true T of each row.
        t: [N] in (0, 1): the time of flow matching, the progress of masked decoding.
        draw: [N, ...] what `draw` gave for the row; None where it gave nothing.
    """

    x: Tensor
    frames: Tensor
    clip: Tensor
    target: Tensor
    lengths: Tensor
    t: Tensor
    draw: Tensor | None = None

    @property
    def heard(self) -> Tensor:
        """[P, 1, F] 1.0 for frames of the clips, 0.0 for padding."""
        return _within(self.frames, self.x.shape[-1])[:, None].to(self.x.dtype)

    @property
    def valid(self) -> Tensor:
        """[N, T] whether an item of a target is one, or padding."""
        steps = self.target.shape[1 if self.target.is_floating_point() else 2]
        return _within(self.lengths, steps)


def _within(lengths: Tensor, size: int) -> Tensor:
    import torch

    return torch.arange(size, device=lengths.device)[None] < lengths[:, None]


class Alignable(Generator, Protocol):
    """A generator that `gensr_pref.aligning` can train on pairs; see docs/alignment.md.

    It has `log_likelihood` where its paradigm is ``ar`` or ``mgm``, `error` where it is ``fm``;
    the other is not asked for. Both must be differentiable in the policy's parameters, and depend
    on nothing random but ``rows.t`` and ``rows.draw``, so that chosen and rejected, policy and
    reference are compared under the same draw.

    Optional members, each with a default:

    - ``draw(shape, t, randomness)``: what is random about a row beside t, for a target of that
      shape, from a `torch.Generator` on the CPU. Default: for ``fm`` standard normal noise, for
      ``mgm`` whether each token is hidden, at the cosine schedule's share, for ``ar`` None.
    - ``encoded(policy, x, frames)``: [P, C, F] -> [P, C', F], the part of the policy that reads
      `x` alone. With ``train: decoder`` it is kept as it is and its output is stored.
    - ``window(target, start, frames)``: the part of a target [G, T] or [T, channels] that belongs
      to so many frames of `x`. Default: the same stretch of T, where T = F.

    Attributes:
        paradigm: ``ar``, ``mgm`` or ``fm``.
        policy: what is trained; there after `load`, and handed to every method that uses it.
    """

    paradigm: str
    policy: nn.Module

    def hear(self, noisy: Wave) -> Tensor:
        """[C, F] what the policy is conditioned on, of a clip [T]; no weights take part."""
        ...

    def encode(self, noisy: Wave, clean: Wave) -> npt.NDArray[Any]:
        """The target that stands for a clean (or restored) version of a clip.

        Returns:
            [codebooks, T] int32 tokens or [T, channels] float16 latent, as in a `Candidate`.
        """
        ...

    def log_likelihood(self, policy: nn.Module, rows: Rows) -> Tensor:
        """log p(target | x): [N], a sum over tokens (``mgm``: over those that are hidden)."""
        ...

    def error(self, policy: nn.Module, rows: Rows) -> Tensor:
        """The flow-matching error at (t, y_0 = ``rows.draw``): [N], a mean over valid values."""
        ...

    def draw(self, shape: Sequence[int], t: float, randomness: Randomness) -> Tensor | None:
        """See above."""
        ...

    def save(self, folder: Path) -> None:
        """Write the policy so that the option ``checkpoint: folder`` loads it."""
        ...
