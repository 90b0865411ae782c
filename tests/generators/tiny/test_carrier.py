"""Tests of the spectrum to which gains are applied, and of the gains."""

import numpy as np
import pytest
import torch

from gensr_pref.audio import pcm16, resample
from gensr_pref.generators.tiny.analysis import WIDEBAND, Analysis
from gensr_pref.generators.tiny.bands import (
    FEATURE_BANDS,
    FEATURES,
    GAIN_BANDS,
    apply_latent,
    features,
    latent_of,
    triangles,
)
from gensr_pref.generators.tiny.carrier import carrier, conceal, gaps, istft, stft
from tests.refusals import refuses_option

RATES = (8000, 11025, 16000, 22050, 24000, 44100, 48000, 96000)


def voice(samples: int = 16000, seed: int = 0, rate: int = 16000):
    """Make a buzz at 125 Hz with a falling spectrum and some noise, in place of speech."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / rate
    buzz = sum(np.sin(2 * np.pi * 125 * h * t) / h for h in range(1, 60))
    return (0.05 * buzz + 0.005 * rng.standard_normal(samples)).astype(np.float32)


def round_to_16_bits(wave):
    return (pcm16(wave) / 32768).astype(np.float32)


def test_frames_last_32_ms_at_every_rate() -> None:
    assert (WIDEBAND.n_fft, WIDEBAND.hop, WIDEBAND.bins) == (512, 256, 257)
    assert WIDEBAND.power(1e-6) == 1e-6
    assert [Analysis(rate).hop for rate in (8000, 24000, 44100, 48000)] == [128, 384, 704, 768]
    for rate in RATES:
        assert Analysis(rate).n_fft == 2 * Analysis(rate).hop
        assert Analysis(rate).n_fft / rate == pytest.approx(0.032, rel=0.01)


@pytest.mark.parametrize("rate", [0, 4000, 16000.0, "16000", True, 200_000])
def test_an_impossible_rate_is_refused(rate) -> None:
    refuses_option(lambda: Analysis(rate), "sample_rate")


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("samples", [1, 255, 256, 257, 16000, 16001])
def test_the_stft_is_inverted_exactly(samples: int, rate: int) -> None:
    wave, analysis = torch.from_numpy(voice(samples, rate=rate)), Analysis(rate)
    spectrum = stft(wave, analysis)
    assert spectrum.shape == (analysis.bins, -(-samples // analysis.hop) + 2)
    torch.testing.assert_close(istft(spectrum, samples), wave, atol=1e-5, rtol=0)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("bands", [GAIN_BANDS, FEATURE_BANDS])
def test_triangles_share_every_bin_and_use_every_band(bands: int, rate: int) -> None:
    analysis = Analysis(rate)
    weights = triangles(bands, analysis)
    assert weights.shape == (bands, analysis.bins)
    torch.testing.assert_close(weights.sum(0), torch.ones(analysis.bins))
    assert (weights.max(1).values > 0.3).all()
    assert weights[-1, -1] == 1  # the last band is at half the rate


@pytest.mark.parametrize("rate", RATES)
def test_the_same_gaps_are_filled_at_every_rate(rate: int) -> None:
    """The gaps are a lost packet of 20 ms and the band above 3 kHz."""
    analysis = Analysis(rate)
    wave = resample(resample(voice(2 * rate, rate=rate), rate, 6000), 6000, rate)
    lossy = round_to_16_bits(wave[: 2 * rate])
    start, stop = rate, rate + analysis.samples(0.02)
    lossy[start:stop] = 0
    filled, hole = conceal(lossy, analysis)
    assert (np.flatnonzero(hole)[[0, -1]] == [start, stop - 1]).all()
    error = np.square(filled[start:stop] - wave[start:stop]).mean()
    assert error < 0.2 * np.square(wave[start:stop]).mean()
    source = carrier(lossy, analysis)
    cutoff = float(torch.nonzero(source.missing)[0]) * rate / analysis.n_fft
    assert 2800 < cutoff < 3600
    assert features(source).shape == (FEATURES, -(-2 * rate // analysis.hop) + 2)


def test_a_clean_clip_needs_no_gain() -> None:
    wave = round_to_16_bits(voice())
    source = carrier(wave)
    unity = latent_of(stft(torch.from_numpy(wave)), source)
    torch.testing.assert_close(istft(apply_latent(unity, source), len(wave)).numpy(), wave,
                               atol=1e-5, rtol=0)  # fmt: skip


def test_features_do_not_depend_on_the_level() -> None:
    quiet, loud = features(carrier(voice() * 0.5)), features(carrier(voice()))
    assert quiet.shape[0] == FEATURES
    assert (quiet - loud).abs()[:, 2:-2].max() < 0.1  # 2 dB, where the floor is near


def test_a_missing_upper_band_is_filled_and_the_rest_untouched() -> None:
    narrow = round_to_16_bits(resample(resample(voice(), 16000, 8000), 8000, 16000))
    source = carrier(narrow)
    cutoff = int(torch.nonzero(source.missing)[0])
    assert 120 < cutoff < 136  # 4 kHz is bin 128
    torch.testing.assert_close(source.spectrum[:cutoff], stft(torch.from_numpy(narrow))[:cutoff])
    assert source.spectrum[cutoff:].abs().mean() > 1e-3


def test_a_full_band_has_nothing_missing() -> None:
    assert carrier(round_to_16_bits(voice())).missing.sum() == 0


def test_a_lost_packet_is_concealed_by_its_neighbour() -> None:
    wave = voice()
    lossy = wave.copy()
    lossy[8000:8320] = 0
    filled, hole = conceal(lossy)
    assert hole.sum() == 320
    assert gaps(lossy) == [(8000, 8320)]
    error = np.square(filled[8000:8320] - wave[8000:8320]).mean()
    assert error < 0.2 * np.square(wave[8000:8320]).mean()
    np.testing.assert_array_equal(filled[:8000], wave[:8000])
    np.testing.assert_array_equal(filled[8400:], wave[8400:])


def test_pauses_are_not_filled() -> None:
    wave = voice()
    wave[4000:9000] = 0
    assert gaps(wave) == []


def test_a_gap_at_either_end_is_no_error() -> None:
    wave = voice()
    wave[:320] = 0
    wave[-320:] = 0
    filled, _ = conceal(wave)
    assert np.isfinite(filled).all()
    assert len(filled) == len(wave)
