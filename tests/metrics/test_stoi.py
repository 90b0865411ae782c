"""Tests of STOI and ESTOI: pystoi's values, block borders, and sounds without a score."""

from dataclasses import replace

import numpy as np
import pytest

from gensr_pref.audio import Sound
from gensr_pref.errors import Unusable
from gensr_pref.metrics import stoi as module
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.stoi import Stoi
from tests.metrics.sounds import cut, noisy
from tests.metrics.unusable import (
    assert_candidates_do_not_matter_to_each_other,
    assert_refuses_another_length,
    assert_refuses_what_holds_no_signal,
)
from tests.refusals import raises


def end_to_end(prompts, seconds):
    return cut(Sound(np.concatenate([sound.wave for sound, _ in prompts]), 16_000), seconds)


def assert_equals_pystoi(clean, candidates):
    from pystoi import stoi

    answers = Stoi().score(ClipSounds(candidates, clean))
    for candidate, answer in zip(candidates, answers, strict=True):
        for name, extended in (("stoi", False), ("estoi", True)):
            expected = stoi(clean.wave, candidate.wave, 16_000, extended=extended)
            assert answer[name] == pytest.approx(expected, abs=1e-9), name


def test_equals_pystoi_over_several_blocks(prompts):
    """Blocks of resampling, frames and segments, of which the last ones are incomplete."""
    clean = end_to_end(prompts, 15.7)
    assert len(clean.wave) > 512 * module.STEP_IN * 2
    assert_equals_pystoi(clean, [noisy(clean, 0.001), noisy(clean, 0.1, seed=1)])


def test_equals_pystoi_at_low_level(clip):
    quiet = Sound(clip.clean.wave * np.float32(0.001), 16_000)
    assert_equals_pystoi(quiet, [Sound(clip.candidates[0].wave * np.float32(0.0002), 16_000)])


def test_equals_pystoi_for_a_clipped_candidate(clip):
    assert_equals_pystoi(clip.clean, [Sound(np.clip(clip.clean.wave * 20, -1, 1), 16_000)])


@pytest.mark.parametrize("samples", [1, 7, 8, 9, 63, 64, 65, 32_767, 32_768, 40_001])
def test_the_resampler_equals_pystoi(samples):
    from pystoi.utils import resample_oct

    wave = np.random.default_rng(0).normal(size=samples).astype(np.float32)
    expected = resample_oct(wave.astype(float), 10_000, 16_000)
    # Sums of some 60 products, of about 5 in all without their signs: 60 * 5 * 2^-52.
    assert np.allclose(module._resample(wave), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("frames", "segments"), [(1, 1), (7, 13), (100_000, 100_000)])
def test_block_sizes_change_nothing(clip, monkeypatch, frames, segments):
    expected = Stoi().score(clip)
    monkeypatch.setattr(module, "FRAMES_PER_BLOCK", frames)
    monkeypatch.setattr(module, "SEGMENTS_PER_BLOCK", segments)
    for blocked, answer in zip(Stoi().score(clip), expected, strict=True):
        assert blocked == {name: pytest.approx(value, abs=1e-12) for name, value in answer.items()}


def test_digital_silence_has_a_low_estoi(clip):
    """pystoi's ESTOI adds random noise there; its mean over draws equals the value here."""
    gone = clip.candidates[0].wave.copy()
    gone[4000:] = 0
    [answer] = Stoi().score(replace(clip, candidates=[Sound(gone, 16_000)]))
    assert 0 < answer["estoi"] < 0.2


def test_a_copy_is_perfect(clip):
    [answer] = Stoi().score(replace(clip, candidates=[clip.clean]))
    assert answer == {"stoi": pytest.approx(1, abs=1e-9), "estoi": pytest.approx(1, abs=1e-9)}


def test_a_tenth_of_a_second_is_too_short(clip):
    brief = replace(clip, clean=cut(clip.clean, 0.1), candidates=[cut(clip.candidates[0], 0.1)])
    with raises(Unusable, reason="too_short"):
        Stoi().score(brief)


def test_a_sound_without_a_signal_or_of_another_length_is_refused(clip):
    assert_refuses_what_holds_no_signal(Stoi(), clip)
    assert_refuses_another_length(Stoi(), clip)


def test_candidates_do_not_matter_to_each_other(clip):
    assert_candidates_do_not_matter_to_each_other(Stoi(), clip)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_segments(prompts):
    """5 minutes need the sound at 10 kHz (24 MB), envelopes (2 x 3 MB) and one block (20 MB).

    All segments at once would take 84 MB for each of seven arrays.
    """
    import tracemalloc

    clean = Sound(np.resize(end_to_end(prompts, 30).wave, 300 * 16_000), 16_000)
    clip = ClipSounds([noisy(clean, 0.01)], clean)
    Stoi().score(replace(clip, candidates=[]))
    tracemalloc.start()
    Stoi().score(clip)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 70e6
