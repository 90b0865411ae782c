"""Shared code of metrics on a wav2vec 2.0 encoder: checkpoint, batches, precision.

The first layers of wav2vec 2.0, HuBERT and WavLM are convolutions that map 16 kHz to 50 frames per
second: a frame has a receptive field of 400 samples, and frames are 320 samples apart.

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
from gensr_pref.process import full_precision
from gensr_pref.schema import Reason

RATE = 16_000
RECEPTIVE_FIELD = 400  # samples of a frame


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint file, by name, as float32 on the CPU.

    Raises:
        InputError: the file was not written by `torch.save`, holds more than tensors, or is
            damaged.
    """
    return torch_checkpoint.read_checkpoint(path, "a file of tensors by name", _floats)


def fill_weights(model: nn.Module, tensors: dict[str, Tensor], path: Path, expected: str) -> None:
    """Assign its tensors to a model that was built on the meta device, and freeze it.

    The weights of weight-normed layers may have the names of torch before 2.1 (``weight_g``,
    ``weight_v``) or later ones; torch maps the old names itself.

    Args:
        model: built under ``torch.device("meta")``, so that no random weights are drawn.
        tensors: exactly those that the model needs.
        path: file of the tensors, for the message.
        expected: description of the expected file, for the message.

    Raises:
        InputError: a tensor is missing, superfluous or of another shape.
    """
    try:
        model.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        detail = shorten(str(error), torch_checkpoint.DETAIL)
        raise InputError(
            f"is not {expected}: {detail}", path=path, problem=Problem.INVALID
        ) from error
    model.eval().requires_grad_(False)


def measure_in_batches(
    sounds: Sequence[Sound],
    device: str,
    measure: Callable[[Tensor], Sequence[Mapping[str, float]]],
    together: bool | None = None,
) -> list[Answer]:
    """Return the answer of `measure` for each 16 kHz sound, in order.

    A batch [B, T] holds sounds of the same length, so that nothing is padded. On the CPU it holds
    one sound: a larger batch is not faster, and the last bits would depend on its other sounds.

    Args:
        sounds: at their true lengths; one shorter than a frame is TOO_SHORT.
        device: device of the batches.
        measure: returns one answer per row of a batch.
        together: whether sounds of the same length share a batch; None: except on the CPU.
    """
    together = device != "cpu" if together is None else together
    answers: list[Answer] = [_too_short(sound) for sound in sounds]
    batches: dict[int, list[int]] = {}
    for index, sound in enumerate(sounds):
        if len(sound.wave) >= RECEPTIVE_FIELD:
            batches.setdefault(len(sound.wave) if together else -index, []).append(index)
    for indices in batches.values():
        waves = torch.tensor(np.stack([sounds[index].wave for index in indices]), device=device)
        with full_precision(), torch.inference_mode():
            measured = measure(waves)
        for index, answer in zip(indices, measured, strict=True):
            answers[index] = answer
    return answers


def waveform(sound: Sound, device: str) -> Tensor:
    """Return a 16 kHz sound as a batch of one [1, T].

    Raises:
        Unusable: TOO_SHORT, it is shorter than one frame.
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
