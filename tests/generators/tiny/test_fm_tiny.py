"""Tests of the shipped generator fm-tiny on real speech."""

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.config import plugins
from gensr_pref.generators.tiny.base import SHIPPED
from gensr_pref.generators.tiny.fm_tiny import FlowMatchingTiny, from_latent
from tests.generators.clips import noisy_clip, sample_padded
from tests.refusals import refuses_option


@pytest.fixture(scope="module")
def model():
    made = FlowMatchingTiny()
    made.load("cpu")
    return made


def test_is_registered_by_name() -> None:
    assert plugins.find("generator", "fm-tiny") is FlowMatchingTiny


def test_the_shipped_checkpoint_is_small(model) -> None:
    assert (SHIPPED / "fm-tiny" / "model.safetensors").stat().st_size < 10_000_000
    assert sum(p.numel() for p in model.policy.parameters()) < 3_000_000
    assert (SHIPPED / "fm-tiny" / "README.md").exists()
    assert len(model.revision) == 12


def test_a_seed_reproduces_its_candidate_and_another_seed_does_not(model) -> None:
    noisy, _ = noisy_clip()
    a, b, c = sample_padded(model, [noisy] * 3, [1, 2, 1])
    np.testing.assert_array_equal(a.audio, c.audio)
    assert a.sampling == c.sampling
    assert not np.array_equal(audio.pcm16(a.audio), audio.pcm16(b.audio))
    assert a.sampling["temperature"] != b.sampling["temperature"]


def test_samples_equal_the_recorded_ones(model) -> None:
    """So the figures of the model card still hold; other machines round differently."""
    noisy, _ = noisy_clip(samples=16000)
    (candidate,) = sample_padded(model, [noisy], [11])
    assert candidate.sampling["temperature"] == 0.259617
    np.testing.assert_allclose(
        candidate.latent[::12, 7].astype(float),
        [-1.240234375, -1.01953125, 0.11737060546875, -0.190185546875, -0.2607421875, 1.0048828125],
        atol=0.005,
    )
    np.testing.assert_allclose(
        candidate.audio[1000::3000],
        [-0.008273, -0.089057, -0.104393, 0.018008, 0.076574],
        atol=5e-4,
    )


def test_a_row_does_not_depend_on_its_batch(model) -> None:
    first, _ = noisy_clip(0, 20000)
    second, _ = noisy_clip(1, 27777)
    third, _ = noisy_clip(2, 8000)
    together = sample_padded(model, [first, second, second, third, first], [1, 2, 3, 4, 5])
    for wave, seed, candidate in zip(
        [first, second, second, third, first], [1, 2, 3, 4, 5], together, strict=True
    ):
        (alone,) = sample_padded(model, [wave], [seed])
        np.testing.assert_array_equal(candidate.audio, alone.audio)
        np.testing.assert_array_equal(candidate.latent, alone.latent)


@pytest.mark.parametrize("samples", [1, 2, 48, 255, 256, 320, 5000])
def test_output_is_as_long_as_the_input_and_finite(model, samples: int) -> None:
    wave = noisy_clip(samples=32000)[0][4000 : 4000 + samples]
    (candidate,) = sample_padded(model, [wave], [0])
    assert candidate.audio.shape == (samples,)
    assert candidate.audio.dtype == np.float32
    assert np.isfinite(candidate.audio).all()


@pytest.mark.parametrize("wave", [np.zeros(8000), np.full(8000, 1.0), np.eye(1, 8000)[0]])
def test_odd_signals_give_finite_audio(model, wave) -> None:
    (candidate,) = sample_padded(model, [wave.astype(np.float32)], [0])
    assert np.isfinite(candidate.audio).all()
    assert np.isfinite(candidate.latent).all()


def test_silence_stays_silent(model) -> None:
    (candidate,) = sample_padded(model, [np.zeros(8000, np.float32)], [0])
    assert np.abs(candidate.audio).max() == 0


def test_the_latent_reproduces_the_audio(model) -> None:
    noisy, _ = noisy_clip(samples=20000)
    (candidate,) = sample_padded(model, [noisy], [7])
    assert candidate.latent.dtype == np.float16
    assert candidate.latent.shape[1] == 40
    np.testing.assert_array_equal(from_latent(noisy, candidate.latent), candidate.audio)


def test_the_temperature_is_drawn_within_its_range_and_recorded() -> None:
    model = FlowMatchingTiny(temperature=[0.3, 0.5], steps=2, solver="midpoint")
    model.load("cpu")
    noisy, _ = noisy_clip(samples=8000)
    candidates = sample_padded(model, [noisy] * 8, range(8))
    drawn_at = [candidate.sampling["temperature"] for candidate in candidates]
    assert all(0.3 <= temperature <= 0.5 for temperature in drawn_at)
    assert np.std(drawn_at) > 0.02
    assert candidates[0].sampling["steps"] == 2
    assert candidates[0].sampling["solver"] == "midpoint"


def test_the_clip_temperature_changes_candidates_as_wholes() -> None:
    """With noise that is constant over the clip alone, latents differ by nearly a constant."""
    model = FlowMatchingTiny(temperature=0, clip_temperature=2)
    model.load("cpu")
    noisy, _ = noisy_clip(samples=32000)
    a, b = sample_padded(model, [noisy] * 2, [1, 2])
    difference = a.latent.astype(float) - b.latent
    assert np.abs(difference.mean(0)).mean() > difference.std(0).mean()


def test_without_noise_all_candidates_are_equal() -> None:
    model = FlowMatchingTiny(temperature=0, clip_temperature=0)
    model.load("cpu")
    noisy, _ = noisy_clip(samples=8000)
    a, b = sample_padded(model, [noisy] * 2, [1, 2])
    np.testing.assert_array_equal(a.audio, b.audio)


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"temperature": -1}, "temperature"),
        ({"temperature": [0.9, 0.4]}, "temperature"),
        ({"temperature": [0.1, 0.2, 0.3]}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"clip_temperature": -0.1}, "clip_temperature"),
        ({"steps": 0}, "steps"),
        ({"steps": 2.5}, "steps"),
        ({"solver": "rk4"}, "solver"),
    ],
)
def test_options_out_of_range_are_refused(options, option: str) -> None:
    refuses_option(FlowMatchingTiny, option, **options)


@pytest.mark.slow
def test_it_beats_the_noisy_input(model) -> None:
    """PESQ and STOI over eight prompts of the sample, whose speakers were in the training data."""
    from pesq import pesq
    from pystoi import stoi

    gains = []
    for number in range(0, 24, 3):
        noisy, clean = noisy_clip(number, 48000)
        (candidate,) = sample_padded(model, [noisy], [number])
        gains.append(
            (
                pesq(16000, clean, candidate.audio, "wb") - pesq(16000, clean, noisy, "wb"),
                stoi(clean, candidate.audio, 16000) - stoi(clean, noisy, 16000),
            )
        )
    better_pesq, better_stoi = np.mean(gains, 0)
    assert better_pesq > 0.1
    assert better_stoi > 0
