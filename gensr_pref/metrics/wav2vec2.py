"""What every metric on a wav2vec 2.0 encoder shares: its checkpoint, its input, its arithmetic.

The convolutions in front of wav2vec 2.0, HuBERT and WavLM turn 16 kHz into 50 frames a second: one
frame sees 400 samples, and frames are 320 apart.

    A. Baevski et al., "wav2vec 2.0", NeurIPS 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gensr_pref.audio import Sound
from gensr_pref.errors import InputError, Problem, Unusable
from gensr_pref.metrics import torch_checkpoint
from gensr_pref.metrics.base import Answer
from gensr_pref.metrics.precision import full_precision
from gensr_pref.schema import Reason

RATE = 16_000
RECEPTIVE_FIELD = 400  # samples that the first frame is made of


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors by name that a checkpoint file holds, as float32 on the CPU.

    Raises:
        InputError: not a file of `torch.save`, one that holds more than tensors, or a damaged one.
    """
    return torch_checkpoint.read(path, "a file of tensors by name", _floats)


def fill(model: nn.Module, tensors: dict[str, Tensor], path: Path, expected: str) -> None:
    """Give `model`, built on the meta device, its tensors, and make it ready to score.

    The weights of weight-normed layers may have the names of torch before 2.1 (``weight_g``,
    ``weight_v``) or those since; torch maps the old ones itself.

    Args:
        model: as built under ``torch.device("meta")``, so that no time goes into random weights.
        tensors: all that it needs and no more.
        path: the file they are from.
        expected: what that file should have been, for the message.

    Raises:
        InputError: a tensor is missing, of another shape, or one too many.
    """
    try:
        model.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        detail = shorten(str(error), torch_checkpoint.DETAIL)
        raise InputError(
            f"is not {expected}: {detail}", path=path, problem=Problem.INVALID
        ) from error
    model.eval().requires_grad_(False)


def in_batches(
    sounds: Sequence[Sound],
    device: str,
    measure: Callable[[Tensor], Sequence[Mapping[str, float]]],
    together: bool | None = None,
) -> list[Answer]:
    """What `measure` says of each 16 kHz sound, in order.

    A batch [B, T] holds sounds of one length, so that nothing is padded. On the CPU it holds one
    sound: several at once cost as much, and the last bits would depend on which.

    Args:
        sounds: at their true lengths; one that does not fill a frame is TOO_SHORT.
        device: where `measure` wants its batches.
        measure: one answer per row of a batch.
        together: whether sounds of one length share a batch; None: wherever that is faster, which
            is not on the CPU.
    """
    together = device != "cpu" if together is None else together
    answers: list[Answer] = [_too_short(sound) for sound in sounds]
    batches: dict[int, list[int]] = {}
    for place, sound in enumerate(sounds):
        if len(sound.wave) >= RECEPTIVE_FIELD:
            batches.setdefault(len(sound.wave) if together else -place, []).append(place)
    for places in batches.values():
        waves = torch.tensor(np.stack([sounds[place].wave for place in places]), device=device)
        with full_precision():
            measured = measure(waves)
        for place, answer in zip(places, measured, strict=True):
            answers[place] = answer
    return answers


def waveform(sound: Sound, device: str) -> Tensor:
    """A 16 kHz sound as a batch of one [1, T].

    Raises:
        Unusable: TOO_SHORT, it does not fill one frame.
    """
    if len(sound.wave) < RECEPTIVE_FIELD:
        raise _too_short(sound)
    return torch.tensor(sound.wave, device=device)[None]


def _floats(content: Any) -> dict[str, Tensor]:
    if not isinstance(content, dict) or not all(map(torch.is_tensor, content.values())):
        raise TypeError(f"it holds {type(content).__name__}, not tensors by name")
    return {name: tensor.float() for name, tensor in content.items()}


def _too_short(sound: Sound) -> Unusable:
    return Unusable(
        Reason.TOO_SHORT, f"{len(sound.wave)} samples; one frame takes {RECEPTIVE_FIELD}"
    )
