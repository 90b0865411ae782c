"""The protocol of a generator: noisy clips and seeds in, restored candidates out.

A generator of yours is a class with the members of `Generator`, or of `NamedGenerator` where it
must know which clip it is asked about; it imports nothing from here. It is found by an entry point
in the group ``gensr_pref.generators`` or named as ``module:Class``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Sound, Wave

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
