"""Tests of the tokenizer: tokens encode gains, and the codebooks are those of k-means."""

import pytest
import torch

from gensr_pref.aligning.pretrain.token_losses import SHIPPED_TOKENIZER
from gensr_pref.generators.tiny.bands import GAIN_BANDS
from gensr_pref.generators.tiny.checkpoint import load_network
from gensr_pref.generators.tiny.tokenizer import Tokenizer, TokenizerConfig, fit_tokenizer


@pytest.fixture
def tokenizer() -> Tokenizer:
    return load_network(SHIPPED_TOKENIZER, Tokenizer)


def test_the_gains_of_a_code_are_encoded_as_that_code(tokenizer) -> None:
    tokens = torch.randint(64, (2, 8, 30), generator=torch.Generator().manual_seed(0))
    gains = tokenizer.frames(tokens)
    assert gains.shape == (2, GAIN_BANDS, 30)
    assert torch.equal(tokenizer.encode(gains)[..., 1:], tokens)


def test_a_token_is_the_nearest_code(tokenizer) -> None:
    latent = torch.randn(1, GAIN_BANDS, 20, generator=torch.Generator().manual_seed(0))
    token = tokenizer.encode(latent)[0, 3, 1 + 7]
    distance = (tokenizer.codebook[3] - latent[0, 15:20, 7]).norm(dim=1)
    assert token == distance.argmin()


def test_the_first_column_is_the_average_gain_to_half_a_level(tokenizer) -> None:
    latent = torch.randn(1, GAIN_BANDS, 50, generator=torch.Generator().manual_seed(0)) * 0.3
    tokens = tokenizer.encode(latent)
    mean = tokenizer.decode(tokens)[0, :5].mean()
    step = tokenizer.levels()[1] - tokenizer.levels()[0]
    assert abs(tokenizer.levels()[tokens[0, 0, 0]] - mean) <= step / 2 + 1e-6


def test_the_first_column_does_not_affect_the_sound(tokenizer) -> None:
    tokens = torch.randint(64, (1, 8, 6))
    other = tokens.clone()
    other[..., 0] = (other[..., 0] + 1) % 64
    assert torch.equal(tokenizer.decode(tokens), tokenizer.decode(other))


def test_a_code_is_the_mean_of_the_gains_it_represents() -> None:
    latents = torch.randn(1, 2, 500, generator=torch.Generator().manual_seed(0))
    made = fit_tokenizer(latents, groups=2, codes=3, seed=0)
    tokens = made.encode(latents)[0, :, 1:]
    for group in range(2):
        for code in range(3):
            mean = latents[0, group][tokens[group] == code].mean()
            torch.testing.assert_close(made.codebook[group, code, 0], mean, atol=0.02, rtol=0)


def test_more_codes_leave_less_error() -> None:
    latents = torch.randn(2, GAIN_BANDS, 200, generator=torch.Generator().manual_seed(0))
    errors = []
    for codes in (2, 8, 32):
        made = fit_tokenizer(latents, 8, codes, 0)
        errors.append(float((made.decode(made.encode(latents)) - latents).square().mean()))
    assert errors[0] > 1.1 * errors[1] > 1.2 * errors[2]


def test_a_code_without_points_is_moved() -> None:
    latents = torch.tensor([0.0, 0, 0, 0, 5, 5, 9]).view(1, 1, -1)
    for seed in range(10):
        made = fit_tokenizer(latents, 1, 3, seed)
        assert sorted(made.codebook.flatten().tolist()) == [0, 5, 9]


def test_the_seed_determines_the_codebooks() -> None:
    latents = torch.randn(2, GAIN_BANDS, 60, generator=torch.Generator().manual_seed(0))
    first, again, other = (fit_tokenizer(latents, 8, 4, seed).digest for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\b3\b.*\b4\b"):
        fit_tokenizer(torch.randn(1, GAIN_BANDS, 3), 8, 4, 0)


def test_bands_must_divide_into_groups() -> None:
    with pytest.raises(ValueError, match=r"\b40\b.*\b7\b"):
        Tokenizer(TokenizerConfig(groups=7))
