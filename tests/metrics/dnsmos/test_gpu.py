"""Tests that DNSMOS in torch, on the CPU, equals speechmos."""

import pytest

from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.dnsmos import gpu
from gensr_pref.metrics.dnsmos.metric import Dnsmos, _torch_scores
from tests.metrics.dnsmos.test_metric import TOLERANCE, stock
from tests.metrics.sounds import cut


@pytest.fixture(scope="module")
def batched():
    """Metric with the code for a GPU, on the CPU."""
    metric = Dnsmos()
    metric._raw_scores = _torch_scores("cpu")
    return metric


def test_every_score_equals_speechmos(batched, clip):
    sounds = [cut(clip.clean, 2.3), cut(clip.candidates[2], 1.25)]
    for sound, answer in zip(sounds, batched.score(ClipSounds(sounds)), strict=True):
        assert answer == pytest.approx(stock(sound), abs=TOLERANCE)


@pytest.mark.slow
def test_windows_of_several_candidates_share_batches(batched, clip, monkeypatch):
    monkeypatch.setattr(gpu, "BATCH", 2)
    sounds = [cut(clip.clean, seconds) for seconds in (2.6, 1.4, 2.5)]
    alone = [batched.score(ClipSounds([sound]))[0] for sound in sounds]
    for together, expected in zip(batched.score(ClipSounds(sounds)), alone, strict=True):
        assert together == pytest.approx(expected, abs=TOLERANCE)  # 40 float32 steps of a MOS of 3
