"""Tests of wav2vec2 checkpoints: invalid files, and independence of process settings."""

import os
import pickle
import re

import numpy as np
import pytest
import torch
from torch import nn

from gensr_pref.audio import Sound
from gensr_pref.errors import InputError, Unusable
from gensr_pref.metrics.wav2vec2 import fill_weights, measure_in_batches, read_tensors, waveform
from gensr_pref.schema import Reason
from tests.refusals import raises, require_length


class Trap:
    """Object whose unpickling makes a folder."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def linear_on_meta():
    with torch.device("meta"):
        return nn.Linear(3, 2)


def test_code_in_a_checkpoint_does_not_run(tmp_path):
    path, folder = tmp_path / "weights.pt", tmp_path / "made"
    torch.save({"weight": torch.zeros(2), "trap": Trap(folder)}, path)
    with raises(InputError, path="weights.pt", problem="unreadable"):
        read_tensors(path)
    assert not folder.exists()
    with path.open("rb") as file:
        torch.load(file, weights_only=False)
    assert folder.exists()  # the trap works


@pytest.mark.parametrize("kind", ["empty", "text", "cut", "plain pickle"])
def test_a_damaged_file_is_refused(tmp_path, kind):
    path = tmp_path / "weights.pt"
    torch.save({"weight": torch.zeros(1000)}, path)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "text": b"<html>404</html>",
            "cut": whole[: len(whole) // 2],
            "plain pickle": pickle.dumps(Trap(tmp_path / "made")),
        }[kind]
    )
    with raises(InputError, path="weights.pt", problem="unreadable"):
        read_tensors(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"weight": 1.0}, torch.zeros(1)])
def test_content_other_than_tensors_by_name_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "weights.pt")
    with raises(InputError, path="weights.pt", problem="invalid"):
        read_tensors(tmp_path / "weights.pt")


def test_half_precision_becomes_single(tmp_path):
    torch.save({"weight": torch.ones(2, dtype=torch.float16)}, tmp_path / "weights.pt")
    assert read_tensors(tmp_path / "weights.pt")["weight"].dtype == torch.float32


@pytest.mark.parametrize(
    ("tensors", "named"),
    [
        ({"weight": torch.zeros(2, 3)}, "Missing.*bias"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "aux": torch.zeros(1)}, "aux"),
        ({"weight": torch.zeros(2, 4), "bias": torch.zeros(2)}, r"\[2, 4\].*\[2, 3\]"),
    ],
)
def test_tensors_of_another_model_are_refused(tmp_path, tensors, named):
    with raises(InputError, path="w.pt", problem="invalid") as caught:
        fill_weights(linear_on_meta(), tensors, tmp_path / "w.pt", "the layer of the test")
    assert re.search(named, str(caught.value))


def test_a_long_error_message_is_shortened(tmp_path):
    surplus = {f"surplus_{index}": torch.zeros(1) for index in range(200)}
    with raises(InputError, path="w.pt", problem="invalid") as caught:
        fill_weights(linear_on_meta(), surplus, tmp_path / "w.pt", "it")
    require_length(caught.value, 400, 200)


def test_weights_are_filled_for_inference(tmp_path):
    model = linear_on_meta()
    fill_weights(
        model, {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}, tmp_path / "w.pt", "it"
    )
    assert not model.training
    assert not model(torch.ones(3)).requires_grad
    assert model(torch.ones(3)).tolist() == [3, 3]


def test_a_sound_shorter_than_a_frame_is_too_short():
    wave = np.zeros(400, np.float32)
    assert waveform(Sound(wave, 16000), "cpu").shape == (1, 400)
    with raises(Unusable, reason="too_short"):
        waveform(Sound(wave[:399], 16000), "cpu")


@pytest.mark.parametrize(
    ("together", "shapes"),
    [
        (None, [(1, 500), (1, 400), (1, 500)]),
        (True, [(2, 500), (1, 400)]),
    ],
)
def test_batches_hold_sounds_of_one_length(together, shapes):
    sounds = [Sound(np.full(n, k, np.float32), 16000) for k, n in enumerate((500, 399, 400, 500))]
    asked = []

    def measure(waves):
        asked.append(tuple(waves.shape))
        return [{"level": float(row[0])} for row in waves]

    answers = measure_in_batches(sounds, "cpu", measure, together)
    assert asked == shapes
    assert [answers[k] for k in (0, 2, 3)] == [{"level": 0.0}, {"level": 2.0}, {"level": 3.0}]
    assert answers[1].reason is Reason.TOO_SHORT
