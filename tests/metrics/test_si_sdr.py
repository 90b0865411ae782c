"""Tests of SI-SDR: published values, its equation, and the limits of its scale."""

import numpy as np
import pytest

from gensr_pref.audio import Sound
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.si_sdr import LARGEST, SiSdr, si_sdr
from tests.metrics.sounds import cut
from tests.metrics.unusable import (
    assert_candidates_do_not_matter_to_each_other,
    assert_refuses_another_length,
    assert_refuses_what_holds_no_signal,
)


def score(clean, *candidates):
    answers = SiSdr().score(
        ClipSounds([Sound(c, 16_000) for c in candidates], Sound(clean, 16_000))
    )
    return [answer["si_sdr"] for answer in answers]


@pytest.mark.parametrize("ratio", [-30, 0, 20, 90])
def test_the_ratio_equals_its_definition(clip, ratio):
    clean = clip.clean.wave.astype(float)
    noise = np.random.default_rng(0).normal(size=len(clean))
    noise -= clean * (noise @ clean) / (clean @ clean)
    noise *= np.linalg.norm(clean) / np.linalg.norm(noise) * 10 ** (-ratio / 20)
    candidate = (0.3 * (clean + noise)).astype(np.float32)
    [value] = score(clip.clean.wave, candidate)
    assert value == pytest.approx(ratio, abs=1e-3)


def test_scale_and_polarity_do_not_matter(clip):
    clean, candidate = clip.clean.wave, clip.candidates[0].wave
    first, *others = score(clean, candidate, candidate * 0.25, -candidate)
    assert others == [pytest.approx(first, abs=1e-9)] * 2


def test_a_copy_has_the_upper_limit(clip):
    clean = clip.clean.wave
    assert score(clean, clean, clean * np.float32(0.3), -clean) == [LARGEST] * 3


def test_a_candidate_orthogonal_to_the_clean_clip_has_the_lower_limit():
    even, odd = np.zeros((2, 16_000), np.float32)
    even[::2], odd[1::2] = 0.5, 0.5
    even[2::4] *= -1
    assert score(even, odd) == [-LARGEST]


def test_an_offset_counts_as_an_error(clip):
    [with_offset] = score(clip.clean.wave, clip.clean.wave + np.float32(0.1))
    assert with_offset < 20


@pytest.mark.parametrize("samples", [1 << 16, (1 << 16) + 1, 200_001])
def test_chunks_change_nothing(samples):
    clean, noise = np.random.default_rng(0).normal(size=(2, samples)).astype(np.float32)
    s, e = clean.astype(float), (clean + noise).astype(float)
    target = s * (e @ s) / (s @ s)
    expected = 10 * np.log10((target @ target) / ((e - target) @ (e - target)))
    assert si_sdr(clean, clean + noise) == pytest.approx(expected, abs=1e-9)


def test_short_and_clipped_sounds_are_scored(clip):
    brief = [cut(sound, 0.1).wave for sound in (clip.clean, clip.candidates[0])]
    [value] = score(*brief)
    assert -LARGEST < value < LARGEST
    clipped = np.clip(clip.clean.wave * 20, -1, 1)
    [value] = score(clip.clean.wave, clipped)
    assert 0 < value < 20


def test_a_sound_without_a_signal_or_of_another_length_is_refused(clip):
    assert_refuses_what_holds_no_signal(SiSdr(), clip)
    assert_refuses_another_length(SiSdr(), clip)


def test_candidates_do_not_matter_to_each_other(clip):
    assert_candidates_do_not_matter_to_each_other(SiSdr(), clip)


def test_alignment_is_optional_and_the_score_does_not_vote():
    assert SiSdr(align=True).spec.align
    assert not SiSdr().spec.align
    assert not SiSdr().spec.scores[0].votes
