"""Tests of the shipped ar-tiny and mgm-tiny on real speech."""

import numpy as np
import pytest
import torch

from gensr_pref import audio
from gensr_pref.config import plugins
from gensr_pref.generators.tiny import autoregressive, masked
from gensr_pref.generators.tiny.ar_tiny import AutoregressiveTiny
from gensr_pref.generators.tiny.bands import features
from gensr_pref.generators.tiny.base import SHIPPED
from gensr_pref.generators.tiny.carrier import carrier
from gensr_pref.generators.tiny.fm_tiny import FlowMatchingTiny
from gensr_pref.generators.tiny.mgm_tiny import MaskedTiny
from gensr_pref.generators.tiny.token_generator import from_tokens
from tests.generators.clips import noisy_clip, sample_padded
from tests.refusals import refuses_option

KINDS = {"ar-tiny": AutoregressiveTiny, "mgm-tiny": MaskedTiny}


@pytest.fixture(scope="module", params=KINDS)
def model(request):
    made = KINDS[request.param]()
    made.load("cpu")
    return made


def test_is_registered_by_name(model) -> None:
    assert plugins.find("generator", model.name) is type(model)
    assert KINDS[model.name] is type(model)
    assert model.paradigm == model.name.removesuffix("-tiny")


def test_the_shipped_checkpoint_is_small_and_documented(model) -> None:
    folder = SHIPPED / model.name
    assert (folder / "model.safetensors").stat().st_size < 10_000_000
    assert sum(p.numel() for p in model.policy.parameters()) < 2_600_000
    assert (folder / "README.md").exists()
    assert len(model.revision) == 12


def test_both_use_the_shipped_tokenizer() -> None:
    from gensr_pref.aligning.pretrain.token_losses import SHIPPED_TOKENIZER
    from gensr_pref.generators.tiny.checkpoint import load_network
    from gensr_pref.generators.tiny.tokenizer import Tokenizer

    shipped = load_network(SHIPPED_TOKENIZER, Tokenizer).digest
    for kind in KINDS.values():
        made = kind()
        made.load("cpu")
        assert made.policy.tokenizer.digest == shipped


def test_a_seed_reproduces_its_candidate_and_another_seed_does_not(model) -> None:
    noisy, _ = noisy_clip(samples=16000)
    a, b, c = sample_padded(model, [noisy] * 3, [1, 2, 1])
    np.testing.assert_array_equal(a.audio, c.audio)
    np.testing.assert_array_equal(a.tokens, c.tokens)
    assert a.sampling == c.sampling
    assert not np.array_equal(audio.pcm16(a.audio), audio.pcm16(b.audio))
    assert a.sampling["spread"] != b.sampling["spread"]


def test_a_row_does_not_depend_on_its_batch(model) -> None:
    first, _ = noisy_clip(0, 12000)
    second, _ = noisy_clip(1, 15777)
    third, _ = noisy_clip(2, 8000)
    waves, seeds = [first, second, second, third, first], [1, 2, 3, 4, 5]
    together = sample_padded(model, waves, seeds)
    for wave, seed, candidate in zip(waves, seeds, together, strict=True):
        (alone,) = sample_padded(model, [wave], [seed])
        np.testing.assert_array_equal(candidate.audio, alone.audio)
        np.testing.assert_array_equal(candidate.tokens, alone.tokens)


@pytest.mark.parametrize("samples", [1, 48, 255, 256, 5000])
def test_output_is_as_long_as_the_input_and_finite(model, samples: int) -> None:
    wave = noisy_clip(samples=32000)[0][4000 : 4000 + samples]
    (candidate,) = sample_padded(model, [wave], [0])
    assert candidate.audio.shape == (samples,)
    assert candidate.audio.dtype == np.float32
    assert np.isfinite(candidate.audio).all()


@pytest.mark.parametrize("wave", [np.zeros(4000), np.full(4000, 1.0), np.eye(1, 4000)[0]])
def test_odd_signals_give_finite_audio(model, wave) -> None:
    (candidate,) = sample_padded(model, [wave.astype(np.float32)], [0])
    assert np.isfinite(candidate.audio).all()


def test_silence_stays_silent(model) -> None:
    (candidate,) = sample_padded(model, [np.zeros(4000, np.float32)], [0])
    assert np.abs(candidate.audio).max() == 0


def test_the_tokens_reproduce_the_audio(model) -> None:
    noisy, _ = noisy_clip(samples=12345)
    (candidate,) = sample_padded(model, [noisy], [7])
    assert candidate.tokens.dtype == np.int32
    frames = -(-12345 // 256) + 2
    assert candidate.tokens.shape == (8, 1 + frames)
    rebuilt = from_tokens(noisy, candidate.tokens, model.policy.tokenizer)
    np.testing.assert_array_equal(rebuilt, candidate.audio)


def test_options_are_drawn_within_their_ranges_and_recorded(model) -> None:
    made = type(model)(temperature=[0.8, 0.9], spread=[0.3, 0.5], clip_temperature=0.2, top_p=0.9)
    made.load("cpu")
    noisy, _ = noisy_clip(samples=6000)
    candidates = sample_padded(made, [noisy] * 8, range(8))
    for option, (low, high) in {"temperature": (0.8, 0.9), "spread": (0.3, 0.5)}.items():
        values = [candidate.sampling[option] for candidate in candidates]
        assert all(low <= value <= high for value in values)
        assert np.std(values) > 0.01
    assert candidates[0].sampling["clip_temperature"] == 0.2
    assert candidates[0].sampling["top_p"] == 0.9


def test_candidates_at_temperature_zero_are_equal() -> None:
    made = AutoregressiveTiny(temperature=0, clip_temperature=0, history=1)
    made.load("cpu")
    noisy, _ = noisy_clip(samples=8000)
    a, b = sample_padded(made, [noisy] * 2, [1, 2])
    np.testing.assert_array_equal(a.audio, b.audio)


def test_without_spread_candidates_differ_by_the_first_column_alone(model) -> None:
    """The average gain of a candidate then follows the first column."""
    made = type(model)(spread=0, clip_temperature=3)
    made.load("cpu")
    noisy, _ = noisy_clip(samples=32000)
    candidates = sample_padded(made, [noisy] * 4, range(4))
    firsts = {tuple(candidate.tokens[:, 0]) for candidate in candidates}
    assert len(firsts) == 4
    gains = [
        made.policy.tokenizer.decode(torch.from_numpy(c.tokens)[None])[0].mean() for c in candidates
    ]
    expected = [
        made.policy.tokenizer.levels()[torch.from_numpy(c.tokens[:, 0]).long()].mean()
        for c in candidates
    ]
    assert np.corrcoef(gains, expected)[0, 1] > 0.5


def test_the_likelihood_prefers_its_own_samples_to_shuffled_ones(model) -> None:
    noisy, _ = noisy_clip(samples=16000)
    (candidate,) = sample_padded(model, [noisy], [0])
    x = features(carrier(noisy))[None]
    tokens = torch.from_numpy(candidate.tokens).long()[None]
    shuffled = tokens.clone()
    order = torch.randperm(tokens.shape[-1] - 1, generator=torch.Generator().manual_seed(0))
    shuffled[..., 1:] = tokens[..., 1 + order]
    with torch.inference_mode():
        if model.paradigm == "ar":
            own, other = (
                autoregressive.log_likelihood(model.policy, t, x) for t in (tokens, shuffled)
            )
        else:
            visible = torch.zeros(tokens[..., 1:].shape, dtype=torch.bool)
            own, other = (
                masked.log_likelihood(model.policy, t, visible, x) for t in (tokens, shuffled)
            )
    assert own > other + 100


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"temperature": -1}, "temperature"),
        ({"temperature": [0.9, 0.4]}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"clip_temperature": 6}, "clip_temperature"),
        ({"spread": 1.1}, "spread"),
        ({"spread": [0.1, 0.2, 0.3]}, "spread"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_p": True}, "top_p"),
    ],
)
def test_options_out_of_range_are_refused(model, options, option: str) -> None:
    refuses_option(type(model), option, **options)


def test_options_of_one_paradigm_are_checked() -> None:
    refuses_option(AutoregressiveTiny, "history", history=1.5)
    refuses_option(MaskedTiny, "steps", steps=0)


@pytest.mark.parametrize("model", [AutoregressiveTiny, MaskedTiny, FlowMatchingTiny])
def test_sampling_before_loading_is_refused(model) -> None:
    with pytest.raises(RuntimeError, match=model.name):
        sample_padded(model(), [np.zeros(320, np.float32)], [0])


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
