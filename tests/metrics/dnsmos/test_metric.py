"""Tests that DNSMOS equals speechmos, although windows share work and are computed in blocks."""

import tracemalloc

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.audio import Sound
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.dnsmos import cpu
from gensr_pref.metrics.dnsmos.metric import split_windows, window_starts
from gensr_pref.metrics.dnsmos.networks import RATE, WINDOW
from tests.metrics.sounds import cut, read_csv

TOLERANCE = 1e-5
PERIODIC = [800, 16_160, 51_200]  # lengths whose frames repeat with a short period
APERIODIC = [1_601, 51_201, 72_079, 250_000]


@pytest.fixture(scope="module")
def networks():
    return cpu.CpuNetworks()


@pytest.fixture(scope="module")
def recording(prompts):
    """47 s of prompts, end to end."""
    return Sound(np.resize(np.concatenate([sound.wave for sound, _ in prompts]), 47 * RATE), RATE)


def stock(sound):
    from speechmos import dnsmos

    values = dnsmos.run(np.clip(sound.wave, -1, 1), RATE)
    return {f"dnsmos_{name}": values[f"{name}_mos"] for name in ("sig", "bak", "ovrl", "p808")}


def assert_agrees(dnsmos, sound):
    [answer] = dnsmos.score(ClipSounds([sound]))
    assert answer == pytest.approx(stock(sound), abs=TOLERANCE), len(sound.wave)


def raw_scores(networks, wave):
    return networks.raw_scores(wave, window_starts(len(wave)))


@pytest.mark.parametrize("samples", [51_200, 53_333, 72_079, 160_159])
def test_every_score_equals_speechmos(dnsmos, recording, samples):
    """Three windows, with a short period and without; one sample less than half a window; two."""
    assert_agrees(dnsmos, Sound(recording.wave[40_000 : 40_000 + samples], RATE))


def test_the_level_is_not_normalised(dnsmos, recording):
    """VERSA divides by the peak first, which gives another number for a quiet file."""
    wave = 0.25 * recording.wave[40_000 : 40_000 + 72_080]  # one window of 9.01 s when doubled
    assert_agrees(dnsmos, Sound(wave, RATE))
    [ours] = dnsmos.score(ClipSounds([Sound(wave, RATE)]))
    normalised = stock(Sound(wave / np.abs(wave).max(), RATE))
    assert abs(ours["dnsmos_ovrl"] - normalised["dnsmos_ovrl"]) > 0.01


@pytest.mark.slow
@pytest.mark.parametrize(
    "samples", [1_600, 1_601, 16_000, 72_080, 72_081, 144_159, 144_160, 144_161, 160_000, 256_161]
)
def test_scores_of_critical_lengths_equal_speechmos(dnsmos, recording, samples):
    """0.1 s, half a window, a window, one hop more, and the last windows that are not dropped."""
    assert_agrees(dnsmos, Sound(recording.wave[:samples], RATE))


@pytest.mark.slow
def test_scores_of_a_recording_with_dropped_windows_equal_speechmos(dnsmos, recording):
    assert window_starts(len(recording.wave)) == [*range(7), *range(24, 38)]
    assert_agrees(dnsmos, recording)


def corpus_sounds(shared, part):
    """A fifth of 184 clips: whole, at a multiple of 320 samples, or at any length."""
    rng = np.random.default_rng(part)
    speech, noise, paired = (
        read_csv(shared / name) for name in ("speech.csv", "noise.csv", "paired.csv")
    )
    for at, row in enumerate([*speech[part::15], *noise[part::5], *paired[part::15]]):
        wave = audio.read(shared / row["path"]).wave
        shortest = min(1_600, len(wave))
        length = [len(wave), len(wave) // 320 * 320, int(rng.integers(shortest, len(wave) + 1))]
        yield Sound(wave[: length[at % 3]], RATE)


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.parametrize("part", range(5))
def test_scores_of_speech_noise_and_enhancers_equal_speechmos(dnsmos, shared, part):
    for sound in corpus_sounds(shared, part):
        assert_agrees(dnsmos, sound)


@pytest.mark.parametrize("samples", [1, 48, 16000, 72079, 72080, 144159, 144160, 160159, 160160])
def test_windows_equal_those_of_speechmos(samples):
    wave = np.arange(samples, dtype=np.float32)
    repeated = wave
    while len(repeated) < WINDOW:
        repeated = np.append(repeated, repeated)
    hops = int(np.floor(len(repeated) / RATE) - 9.01) + 1
    expected = [repeated[int(i * RATE) : int((i + 9.01) * RATE)] for i in range(hops)]
    expected = [window for window in expected if len(window) == WINDOW]
    windows = list(split_windows(wave))
    assert len(windows) == len(expected) >= 1
    assert all(np.array_equal(a, b) for a, b in zip(windows, expected, strict=True))


@pytest.mark.parametrize("samples", [*PERIODIC, *APERIODIC])
def test_sharing_changes_no_bit(networks, recording, samples):
    """Windows that are scored one by one share nothing."""
    wave = recording.wave[:samples]
    alone = np.concatenate([networks.raw_scores(window, [0]) for window in split_windows(wave)])
    assert np.array_equal(raw_scores(networks, wave), alone)


@pytest.mark.parametrize("samples", PERIODIC)
def test_one_period_of_frames_is_enough(networks, recording, samples, monkeypatch):
    """Work is really shared: fewer rows go through the first stage."""
    rows = []
    first = networks._p835._first
    monkeypatch.setattr(networks._p835, "_first", lambda x: rows.append(len(x)) or first(x))
    raw_scores(networks, recording.wave[:samples])
    assert rows[0] < 700
    assert set(rows[1:]) == {8}


def test_blocks_change_no_bit(networks, recording, monkeypatch):
    whole = raw_scores(networks, recording.wave)
    monkeypatch.setattr(cpu, "BLOCK", 3)
    assert np.array_equal(raw_scores(networks, recording.wave), whole)


@pytest.mark.slow
def test_memory_does_not_grow_with_length(networks, recording):
    """It stays at the memory of a block, 41 s."""
    peaks = []
    for seconds in (70, 210):
        wave = np.resize(recording.wave, seconds * RATE)
        tracemalloc.start()
        raw_scores(networks, wave)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.02 * peaks[0] < 60e6


def test_neither_order_nor_other_candidates_matter(dnsmos, clip, recording):
    sounds = [cut(clip.candidates[0], 1.23), cut(recording, 10.3), clip.candidates[1]]
    alone = [dnsmos.score(ClipSounds([sound]))[0] for sound in sounds]
    assert dnsmos.score(ClipSounds(sounds)) == alone
    assert dnsmos.score(ClipSounds(sounds[::-1])) == alone[::-1]


def test_samples_beyond_full_scale_are_clipped(dnsmos, clip):
    loud = Sound(cut(clip.clean, 1.2).wave * 8, RATE)
    clipped = Sound(np.clip(loud.wave, -1, 1), RATE)
    first, second = dnsmos.score(ClipSounds([loud, clipped]))
    assert first == second


def test_scores_of_a_clip_with_digital_silence_equal_speechmos(dnsmos, clip):
    wave = clip.candidates[0].wave.copy()
    wave[8_000:24_000] = 0
    assert_agrees(dnsmos, Sound(wave, RATE))
