"""Protocol of a generator: noisy clips and seeds in, restored candidates out.

A generator is a class with the members of `Generator`, or of `LookupGenerator` if it must know
which clip it restores. A run file names it by its entry point in the group
``gensr_pref.generators``, or as ``module:Class``. docs/generators.md and examples/own_generator.py
show complete ones; `gensr_pref.generators.tiny.fm_tiny` is one of this package.

**Imports.** A generator of your own may import anything and needs only `Candidate` from here
(``from gensr_pref import Candidate``). A generator inside this package imports only from the floors
below `generators/` (CONTRIBUTING.md), never from `corpus`, `metrics`, `pairing` or anything above.
Import heavy packages in `load`, so that a run file can be checked without them.

**Input.** `sample` receives noisy waveforms as one float32 array [B, T] in [-1, 1] at the
generator's `sample_rate`, padded with zeros on the right, with the true length and a seed of each
row. A clip with N candidates fills N rows.

**Output.** One `Candidate` per row, in order. Its audio is as long as the row's input, to within
20 ms (`LENGTH_TOLERANCE_S`). It depends on that row's input and seed only, not on other rows.

**Failure.** If a row cannot be restored, return an exception as its entry, preferably
``Unusable(reason, detail)`` with a `gensr_pref.schema.Reason`. If `sample` raises, each row is
tried again alone, and only the rows that raise fail. Any exception but `Unusable` is recorded as
GENERATOR_ERROR, or OUT_OF_MEMORY. Failures are data; the run goes on. Never return silence or the
input as a stand-in for a restored candidate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Sound, Wave

if TYPE_CHECKING:
    from torch import Generator as Randomness
    from torch import Tensor, nn

LENGTH_TOLERANCE_S = 0.02  # allowed difference of output and input, as of noisy and clean


@dataclass(frozen=True)
class Candidate:
    """One restored version of a clip.

    Attributes:
        audio: float [T'] at `rate`.
        sampling: settings with which it was drawn (temperature, steps, ...), JSON-able; stored
            beside it.
        tokens: [codebooks, frames] int32, if the model's likelihood is over tokens.
        latent: [frames, channels] float16, if the model's error is over a latent.
        rate: of `audio` in Hz; None: the generator's `sample_rate`.
    """

    audio: Wave
    sampling: Mapping[str, Any] = field(default_factory=dict)
    tokens: npt.NDArray[np.int32] | None = None
    latent: npt.NDArray[np.float16] | None = None
    rate: int | None = None


@dataclass(frozen=True)
class Origin:
    """Identity of a clip: its id, and the segment of the recording that it was cut from.

    Attributes:
        clip_id: id of the clip in the run.
        recording: the recording's name within its source, such as a relative path.
        rate: of the recording, in Hz.
        start, frames: of the segment, in samples at `rate`.
        total: samples of the whole recording, at `rate`.
        degraded: whether this run degraded the clip, so that no existing file can restore it.
    """

    clip_id: str
    recording: str
    rate: int
    start: int
    frames: int
    total: int
    degraded: bool = False


class Generator(Protocol):
    """Model that restores clips. The constructor's keyword arguments are its options.

    Attributes:
        name: label of its candidates; letters, digits and ``. _ - @ +``.
        revision: identifies the weights: a version, a commit or a digest of the checkpoint.
        sample_rate: of its input and its output, in Hz; the build resamples the input.
    """

    name: str
    revision: str
    sample_rate: int

    def load(self, device: str) -> None:
        """Load the weights onto a torch device; called once, in the process that samples."""

    def sample(
        self, noisy: npt.NDArray[np.float32], lengths: Sequence[int], seeds: Sequence[int]
    ) -> Sequence[Candidate | Exception]:
        """Return one candidate per row, in order, or the exception that says why there is none.

        Args:
            noisy: [B, T] at `sample_rate`, padded with zeros on the right; several candidates of
                one clip are equal rows.
            lengths: [B] true lengths in samples.
            seeds: [B]; everything random about row b is drawn from seeds[b] alone.
        """
        ...


class LookupGenerator(Protocol):
    """Generator that must know which clip it restores; it needs no `sample`.

    Attributes:
        name, revision: as in `Generator`.
        sample_rate: None if every candidate states its own rate.
    """

    name: str
    revision: str
    sample_rate: int | None

    def load(self, device: str) -> None:
        """Load the weights, as in `Generator`."""

    def check(self, clips: Sequence[Origin], candidates: int) -> None:
        """Refuse a run that cannot succeed; called once, before any work.

        Args:
            clips: all clips of the run.
            candidates: number of candidates per clip.

        Raises:
            InputError: with a message that says what is wrong and what to do.
        """
        ...

    def candidates_of(
        self, clip: Origin, noisy: Sound, seeds: Sequence[int]
    ) -> Sequence[Candidate | Exception]:
        """Return one candidate per seed, in the order of their indices, or an exception.

        Args:
            clip: identity of the clip.
            noisy: the noisy sound, at the rate of the run's clips.
            seeds: one per candidate.
        """
        ...


@dataclass(frozen=True)
class Rows:
    """Batch of targets whose likelihood or error is computed: N rows over P clips.

    The chosen and the rejected candidate of a clip, and their draws, are rows of one batch, so that
    the part that depends on the clip alone (`x`) is computed once. Everything is padded with zeros
    on the right; the value of a row must not depend on the padding.

    Attributes:
        x: [P, C, F] conditioning input of the policy: the output of `Alignable.hear`, or of
            `encode_input` on it.
        frames: [P] true F of each clip.
        clip: [N] index of the clip of each row, in 0..P-1.
        target: [N, codebooks, T] int64 tokens, or [N, T, channels] float32 latents.
        lengths: [N] true T of each row.
        t: [N] in (0, 1): time of flow matching, or progress of masked decoding.
        draw: [N, ...] the output of `Alignable.draw` for each row; None if it returned None.
    """

    x: Tensor
    frames: Tensor
    clip: Tensor
    target: Tensor
    lengths: Tensor
    t: Tensor
    draw: Tensor | None = None

    @property
    def input_mask(self) -> Tensor:
        """Mask [P, 1, F] of the conditioning input: 1.0 for a clip's frames, 0.0 for padding."""
        return _within(self.frames, self.x.shape[-1])[:, None].to(self.x.dtype)

    @property
    def valid(self) -> Tensor:
        """Mask [N, T] of the targets: True for items of a target, False for padding."""
        steps = self.target.shape[1 if self.target.is_floating_point() else 2]
        return _within(self.lengths, steps)


def _within(lengths: Tensor, size: int) -> Tensor:
    import torch

    return torch.arange(size, device=lengths.device)[None] < lengths[:, None]


class Alignable(Generator, Protocol):
    """Generator that `gensr_pref.aligning` can train on pairs; see docs/alignment.md.

    If its paradigm is ``ar`` or ``mgm`` it implements `log_likelihood`, if it is ``fm``, `error`;
    the other one is never called. Both must be differentiable in the policy's parameters. Their
    only randomness is ``rows.t`` and ``rows.draw``, so that chosen and rejected, policy and
    reference are compared under the same draw.

    Optional members, each with a default:

    - ``draw(shape, t, randomness)``: the randomness of a row beside t, for a target of that
      shape, from a `torch.Generator` on the CPU. Default: standard normal noise for ``fm``; a mask
      of the tokens that are hidden, with the cosine schedule's probability, for ``mgm``; None for
      ``ar``.
    - ``encode_input(policy, x, frames)``: [P, C, F] -> [P, C', F], the part of the policy that
      depends on `x` alone. With ``train: decoder`` it is frozen and its output is stored.
    - ``window(target, start, frames)``: the part of a target [G, T] or [T, channels] that belongs
      to `frames` frames of `x`. Default: the same range of T, if T = F.

    Attributes:
        paradigm: ``ar``, ``mgm`` or ``fm``.
        policy: the network that is trained; available after `load`, and passed to every method
            that uses it.
    """

    paradigm: str
    policy: nn.Module

    def hear(self, noisy: Wave) -> Tensor:
        """Return the conditioning input [C, F] of a noisy clip [T]; it involves no weights."""
        ...

    def encode(self, noisy: Wave, clean: Wave) -> npt.NDArray[Any]:
        """Return the target that represents a clean (or restored) version of a clip.

        Returns:
            [codebooks, T] int32 tokens or [T, channels] float16 latent, as in a `Candidate`.
        """
        ...

    def log_likelihood(self, policy: nn.Module, rows: Rows) -> Tensor:
        """Return log p(target | x) [N], summed over tokens (``mgm``: over hidden tokens)."""
        ...

    def error(self, policy: nn.Module, rows: Rows) -> Tensor:
        """Return the flow-matching error [N] at (t, y_0 = ``rows.draw``), a mean over valid values.

        ``(v(y_t, t, x) - (y_1 - y_0))^2`` with y_1 the target and y_t = (1 - t) y_0 + t y_1.
        """
        ...

    def draw(self, shape: Sequence[int], t: float, randomness: Randomness) -> Tensor | None:
        """Return the randomness of a row; see the class."""
        ...

    def save(self, folder: Path) -> None:
        """Write the policy so that the option ``checkpoint: folder`` loads it."""
        ...
