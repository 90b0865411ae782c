"""DNSMOS in torch, on the CPU, is speechmos's too."""

import numpy as np
import pytest
import torch

from gensr_pref.metrics import dnsmos, dnsmos_torch
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.dnsmos import Dnsmos

from .sounds import cut
from .test_dnsmos import TOLERANCE, stock


@pytest.fixture(scope="module")
def batched():
    """The metric as it is on a GPU, but for the device."""
    metric = Dnsmos()
    metric._raw_scores = dnsmos._in_batches("cpu")
    return metric


def test_every_score_is_speechmos_s(batched, clip):
    sounds = [cut(clip.clean, 1.9), clip.candidates[2]]
    for sound, answer in zip(sounds, batched.score(ClipSounds(sounds)), strict=True):
        assert answer == pytest.approx(stock(sound), abs=TOLERANCE)


def test_windows_of_several_candidates_share_batches(batched, clip, monkeypatch):
    monkeypatch.setattr(dnsmos_torch, "BATCH", 2)
    sounds = [cut(clip.clean, seconds) for seconds in (2.6, 1.4, 2.5)]
    alone = [batched.score(ClipSounds([sound]))[0] for sound in sounds]
    for together, expected in zip(batched.score(ClipSounds(sounds)), alone, strict=True):
        assert together == pytest.approx(expected, abs=1e-6)


def test_no_tf32_and_the_setting_is_given_back():
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic
    with pytest.raises(ZeroDivisionError), dnsmos_torch.full_precision():
        assert (cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic) == (False, False, True)
        raise ZeroDivisionError
    assert before == (cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic)
    assert before[0]


def test_weights_are_those_of_the_files():
    """Number and form of what was read, of 291 683 + 50 017 that torch would otherwise invent."""
    for module in (dnsmos_torch.P835(), dnsmos_torch.P808()):
        assert all(np.isfinite(p.detach().numpy()).all() for p in module.parameters())
