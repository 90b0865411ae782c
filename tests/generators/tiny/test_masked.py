"""Tests of the masked model: hidden tokens have no influence, and decoding reveals all."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from gensr_pref.generators.tiny.bands import FEATURES
from gensr_pref.generators.tiny.code_sampling import CodeSampler, SamplingPlan
from gensr_pref.generators.tiny.masked import Masked, hidden_share, log_likelihood, sample_tokens
from gensr_pref.generators.tiny.token_model import TokenModelConfig
from gensr_pref.generators.tiny.tokenizer import Tokenizer, TokenizerConfig

CONFIG = TokenModelConfig(
    encoder_width=12,
    encoder_dilations=(1,),
    decoder_width=16,
    decoder_dilations=(1, 2),
    head_width=6,
    groups=4,
    codes=5,
)


@pytest.fixture
def model() -> Masked:
    """Random weights everywhere, also where training starts from zero."""
    torch.manual_seed(0)
    tokenizer = Tokenizer(TokenizerConfig(4, 5))
    made = Masked(CONFIG, tokenizer)
    for value in (*made.parameters(), tokenizer.codebook):
        torch.nn.init.normal_(value, std=0.3)
    return made.requires_grad_(False)


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, FEATURES, 9, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(5, (2, 4, 10), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def visible() -> torch.Tensor:
    return torch.rand(2, 4, 9, generator=torch.Generator().manual_seed(3)) < 0.5


def test_hidden_tokens_have_no_influence_and_visible_ones_have(model, x, tokens, visible) -> None:
    inputs = model.decoder_input(model.condition(x))
    before = model.logits(tokens, visible, inputs)
    other = tokens.clone()
    other[..., 1:][~visible] = (other[..., 1:][~visible] + 1) % 5
    assert torch.equal(model.logits(other, visible, inputs), before)
    other[..., 1:][visible] = (other[..., 1:][visible] + 1) % 5
    assert (model.logits(other, visible, inputs) - before).abs().max() > 1e-4


def test_the_likelihood_is_that_of_the_hidden_tokens(model, x, tokens, visible) -> None:
    log_p = model.logits(tokens, visible, model.decoder_input(model.condition(x))).log_softmax(-1)
    wanted = [
        sum(
            float(log_p[b, f, g, tokens[b, g, 1 + f]])
            for g in range(4)
            for f in range(9)
            if not visible[b, g, f]
        )
        for b in range(2)
    ]
    total = log_likelihood(model, tokens, visible, x)
    torch.testing.assert_close(total, torch.tensor(wanted), atol=1e-4, rtol=1e-4)


def test_with_nothing_hidden_the_log_likelihood_is_zero(model, x, tokens) -> None:
    everything = torch.ones(2, 4, 9, dtype=torch.bool)
    assert log_likelihood(model, tokens, everything, x).abs().max() == 0


def test_a_likelihood_does_not_depend_on_the_batch(model, x, tokens, visible) -> None:
    together = log_likelihood(model, tokens, visible, x)
    alone = [
        log_likelihood(model, tokens[i : i + 1], visible[i : i + 1], x[i : i + 1]) for i in range(2)
    ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-4)


def test_the_schedule_is_a_quarter_of_a_cosine() -> None:
    assert hidden_share(0) == 1
    assert hidden_share(0.5) == pytest.approx(0.5**0.5)
    assert hidden_share(1) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 5, 40])
def test_decoding_reveals_all_tokens_and_keeps_visible_ones(
    model, x, steps: int, monkeypatch
) -> None:
    calls = []

    def record_call(self, tokens, visible, inputs):
        calls.append((tokens.clone(), visible.clone()))
        return logits(self, tokens, visible, inputs)

    logits = Masked.logits
    monkeypatch.setattr(Masked, "logits", record_call)
    inputs = model.decoder_input(model.condition(x[:1]))
    [decoded] = sample_tokens(
        model, inputs, [SamplingPlan(np.random.default_rng(0), CodeSampler(), CodeSampler())], steps
    )
    assert decoded.shape == (4, 10)
    assert len(calls) == steps
    assert not calls[0][1].any()
    for (_, before), (tokens, after) in pairwise(calls):
        assert (after | ~before).all()
        assert after.sum() >= before.sum()
        assert (tokens[0, :, 1:].numpy()[after[0]] == decoded[:, 1:][after[0]]).all()
    assert ((decoded >= 0) & (decoded < 5)).all()


class Quiet:
    """Source of random numbers without Gumbel noise."""

    def random(self, size):
        return np.full(size, 0.5)

    def gumbel(self, size):
        return np.zeros(size)


def test_the_most_confident_tokens_come_first(model, x, monkeypatch) -> None:
    """Without noise, the tokens that a step reveals are more confident than the others."""
    shown = []

    def record_call(self, tokens, visible, inputs):
        result = logits(self, tokens, visible, inputs)
        shown.append((visible, result))
        return result

    logits = Masked.logits
    monkeypatch.setattr(Masked, "logits", record_call)
    inputs = model.decoder_input(model.condition(x[:1]))
    sample_tokens(
        model, inputs, [SamplingPlan(Quiet(), CodeSampler(), CodeSampler(temperature=0))], 2
    )
    sure = shown[0][1][0].log_softmax(-1).amax(-1).T
    uncovered = shown[1][0][0]
    assert sure[uncovered].min() >= sure[~uncovered].max()
