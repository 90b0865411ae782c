"""Tests of delay and polarity on real enhancers, changed real speech, and unrelated sounds."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from gensr_pref import audio
from gensr_pref.metrics import time_alignment
from gensr_pref.metrics.si_sdr import si_sdr
from gensr_pref.metrics.time_alignment import TimeAlignment
from tests.metrics.sounds import noisy, read_csv


def find(clean, candidate):
    return time_alignment.find_alignment(clean, candidate, 16_000)


def add_delay(wave, delay):
    if delay < 0:
        return wave[-delay:]
    return np.concatenate([np.zeros(delay, np.float32), wave])


@pytest.fixture
def clean(clip):
    return clip.clean.wave


@pytest.mark.corpus
@pytest.mark.slow
def test_delays_of_real_enhancers_equal_the_listed_ones(shared):
    rows = read_csv(shared / "paired.csv")
    paths = {(row["collection"], row["item"], row["role"]): row["path"] for row in rows}
    candidates = [row for row in rows if row["role"] == "candidate"]
    for row in candidates:
        against = paths[row["collection"], row["item"], row["align_to"]]
        reference, candidate = (audio.read(shared / path).wave for path in (against, row["path"]))
        alignment = find(reference, candidate)
        correlation = float(row["align_corr"])
        assert alignment.delay == int(row["align_lag_samples"]), row["path"]
        assert alignment.polarity == np.sign(correlation), row["path"]
        assert alignment.correlation == pytest.approx(correlation, abs=0.003), row["path"]
    assert len(candidates) == 111


@pytest.mark.parametrize("delay", [-3999, -400, -1, 0, 1, 160, 400, 3999])
@pytest.mark.parametrize("polarity", [1, -1])
def test_a_delay_and_a_polarity_are_found(clip, clean, delay, polarity):
    candidate = add_delay(noisy(clip.clean, 0.02).wave * np.float32(polarity), delay)
    alignment = find(clean, candidate)
    assert (alignment.delay, alignment.polarity) == (delay, polarity)
    assert np.sign(alignment.correlation) == polarity


@pytest.mark.parametrize(
    "change",
    [
        lambda wave: np.clip(wave, -0.05, 0.05),
        lambda wave: signal.sosfiltfilt(signal.butter(4, 0.2, output="sos"), wave),
        lambda wave: signal.sosfiltfilt(signal.butter(4, 0.15, "high", output="sos"), wave),
        lambda wave: wave * np.linspace(0.01, 1, len(wave)),
    ],
    ids=["clipped", "low-passed", "high-passed", "faded in"],
)
def test_a_delay_is_estimated_whatever_else_was_changed(clean, change):
    alignment = find(clean, -add_delay(change(clean).astype(np.float32), 230))
    assert (alignment.delay, alignment.polarity) == (230, -1)


def test_a_candidate_without_the_phase_is_not_aligned(clean, prompts):
    rng = np.random.default_rng(0)
    _, _, spectrum = signal.stft(clean, nperseg=1024)
    phases = np.exp(2j * np.pi * rng.random(spectrum.shape))
    _, resynthesis = signal.istft(np.abs(spectrum) * phases, nperseg=1024)
    other_speech = prompts[1][0].wave
    noise = rng.normal(size=len(clean))
    for candidate in (resynthesis, other_speech, noise):
        alignment = find(clean, candidate.astype(np.float32))
        assert (alignment.delay, alignment.polarity) == (0, 1)
        assert abs(alignment.correlation) < 0.2


def test_a_delay_beyond_the_search_is_not_guessed(clean):
    alignment = find(clean, add_delay(clean, 6000))
    assert (alignment.delay, alignment.polarity) == (0, 1)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_nothing_is_estimated_without_a_signal(clean, value):
    dead = np.full_like(clean, value)
    for pair in (
        (clean, dead),
        (dead, clean),
        (dead, dead),
        (clean, clean[:0]),
        (clean[:0], clean),
    ):
        assert find(*pair) == TimeAlignment()


def test_an_offset_has_no_delay(clean):
    offset = np.full_like(clean, 0.25)
    for pair in ((clean, offset), (offset, clean), (offset, offset)):
        assert find(*pair).delay == 0


def test_sounds_without_overlap_have_no_delay():
    early, late = np.zeros((2, 32_000), np.float32)
    early[:100], late[-100:] = 0.5, -0.5
    assert find(early, late) == TimeAlignment()


@pytest.mark.parametrize("delay", [-70, 0, 70])
def test_undo_returns_the_common_part(clean, delay):
    candidate = -add_delay(clean, delay)
    first, second = time_alignment.undo_alignment(find(clean, candidate), clean, candidate)
    assert len(first) == len(clean) - max(-delay, 0)
    assert np.array_equal(first, second)


def test_undo_without_a_delay_only_cuts_to_equal_length(clean):
    first, second = time_alignment.undo_alignment(TimeAlignment(), clean, clean[:-5])
    assert np.array_equal(first, clean[:-5])
    assert np.array_equal(second, clean[:-5])


def test_long_sounds_are_aligned_like_short_ones(prompts):
    """More than one block, the last one incomplete."""
    clean = np.concatenate([sound.wave for sound, _ in prompts[:4]])
    assert len(clean) > 3 * 32_000
    alignment = find(clean, add_delay(-clean, -123))
    assert (alignment.delay, alignment.polarity) == (-123, -1)
    assert alignment.correlation == pytest.approx(-1)


def test_half_a_sample_of_delay_remains(clean):
    """It lowers the SI-SDR as the docstring states."""
    spectrum, turns = np.fft.rfft(clean), np.fft.rfftfreq(len(clean))
    shifted = np.fft.irfft(spectrum * np.exp(-2j * np.pi * turns * 40.5), len(clean))
    candidate = shifted.astype(np.float32)
    alignment = find(clean, candidate)
    assert alignment.delay in (40, 41)
    assert 3 < si_sdr(*time_alignment.undo_alignment(alignment, clean, candidate)) < 25


def test_the_rate_scales_the_search(clip):
    sound = clip.clean.at(8000)
    alignment = time_alignment.find_alignment(sound.wave, add_delay(sound.wave, 1999), 8000)
    assert replace(alignment, correlation=1.0) == TimeAlignment(1999, 1, 1.0)


@pytest.mark.parametrize("delay", [-4005, 4001, 4010, 4016, 4020, 4100])
def test_a_delay_beyond_the_search_is_not_taken_for_its_limit(clean, delay):
    alignment = find(clean, add_delay(clean, delay))
    assert (alignment.delay, alignment.polarity) == (0, 1)


@pytest.mark.parametrize("hertz", [100, 200, 440, 1000, 3000])
@pytest.mark.parametrize("delay", [10, 30])
def test_a_tone_is_not_aligned(hertz, delay):
    tone = (0.5 * np.sin(2 * np.pi * hertz * np.arange(48_000) / 16_000)).astype(np.float32)
    alignment = find(tone, np.roll(tone, delay))
    assert (alignment.delay, alignment.polarity) == (0, 1)


def test_unmatched_seconds_are_noted(clean):
    assert find(clean, clean[1600:]).unmatched == 1600
    assert find(clean, np.concatenate([np.zeros(400, np.float32), clean])).unmatched == 0
