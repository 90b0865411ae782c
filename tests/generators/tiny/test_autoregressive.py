"""Tests of the autoregressive model: its likelihood, and sampling that follows it."""

import numpy as np
import pytest
import torch

from gensr_pref.generators.tiny.autoregressive import Autoregressive, log_likelihood
from gensr_pref.generators.tiny.bands import FEATURES
from gensr_pref.generators.tiny.code_sampling import CodeSampler, SamplingPlan
from gensr_pref.generators.tiny.incremental import Decoding, gelu, rms_normalise_vector
from gensr_pref.generators.tiny.token_model import TokenModelConfig
from gensr_pref.generators.tiny.tokenizer import Tokenizer, TokenizerConfig

CONFIG = TokenModelConfig(
    encoder_width=12,
    encoder_dilations=(1,),
    decoder_width=16,
    decoder_dilations=(1, 2, 4),
    head_width=6,
    groups=4,
    codes=5,
)


@pytest.fixture
def model() -> Autoregressive:
    """Random weights everywhere, also where training starts from zero."""
    torch.manual_seed(0)
    tokenizer = Tokenizer(TokenizerConfig(4, 5))
    made = Autoregressive(CONFIG, tokenizer)
    for value in (*made.parameters(), tokenizer.codebook):
        torch.nn.init.normal_(value, std=0.3)
    return made.requires_grad_(False)


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, FEATURES, 9, generator=torch.Generator().manual_seed(1))


def tokens_like(x: torch.Tensor) -> torch.Tensor:
    shape = (len(x), 4, 1 + x.shape[-1])
    return torch.randint(5, shape, generator=torch.Generator().manual_seed(2))


def frame_logits(model, x, tokens) -> torch.Tensor:
    inputs = model.decoder_input(model.condition(x))
    z = model.residuals(tokens[..., 1:], inputs)
    return model.logits(tokens[..., 0], inputs, z, torch.ones_like(z[..., 0]), z)


def test_a_token_affects_only_later_ones(model, x) -> None:
    tokens = tokens_like(x)
    other = tokens.clone()
    other[:, 2, 1 + 4] = (other[:, 2, 1 + 4] + 1) % 5
    moved = (frame_logits(model, x, tokens) - frame_logits(model, x, other)).abs().amax((0, 3))
    assert moved[:4].max() == 0
    assert moved[4, :3].max() == 0
    assert moved[4, 3] > 1e-5
    assert moved[5].min() > 1e-5


def test_the_first_column_moves_every_frame(model, x) -> None:
    tokens = tokens_like(x)
    other = tokens.clone()
    other[:, 1, 0] = (other[:, 1, 0] + 2) % 5
    moved = (frame_logits(model, x, tokens) - frame_logits(model, x, other)).abs().amax((0, 3))
    assert moved.min() > 1e-6


def test_the_likelihoods_of_all_continuations_sum_to_one(model, x) -> None:
    """Sum over all values of the last two tokens given the others, for a clip of one frame."""
    frame = x[:1, :, :1]
    tokens = torch.zeros(25, 4, 2, dtype=torch.long)
    tokens[:, 2, 1], tokens[:, 3, 1] = torch.arange(25) // 5, torch.arange(25) % 5
    total = log_likelihood(model, tokens, frame.expand(25, -1, -1))
    inputs = model.decoder_input(model.condition(frame))
    given = model.clip_log_probability(tokens[:1, :, 0], inputs).sum()
    log_p = frame_logits(model, frame, tokens[:1]).log_softmax(-1)
    given = given + log_p[0, 0, 0, 0] + log_p[0, 0, 1, 0]
    torch.testing.assert_close(total.logsumexp(0), given)


def test_a_likelihood_does_not_depend_on_the_batch(model, x) -> None:
    tokens = tokens_like(x)
    together = log_likelihood(model, tokens, x)
    alone = torch.cat([log_likelihood(model, tokens[i : i + 1], x[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, alone)
    assert together.shape == (2,)
    assert (together < 0).all()


def test_a_gradient_reaches_every_weight(model, x) -> None:
    model.requires_grad_(True)
    log_likelihood(model, tokens_like(x), x).sum().backward()
    for name, value in model.named_parameters():
        assert value.grad is not None, name
        assert value.grad.abs().max() > 0, name


def test_incremental_decoding_equals_teacher_forcing(model, x, monkeypatch) -> None:
    """Each token is drawn from the logits of which the likelihood consists."""
    inputs = model.decoder_input(model.condition(x[:1]))
    recorded = []

    def record_logits(self: CodeSampler, logits, codes, uniform):
        recorded.append(logits.copy())
        return sample(self, logits, codes, uniform)

    sample = CodeSampler.__call__
    monkeypatch.setattr(CodeSampler, "__call__", record_logits)
    decoding = Decoding(model, inputs)
    sampled = decoding.tokens(
        SamplingPlan(np.random.default_rng(0), CodeSampler(), CodeSampler()), history=1
    )
    assert sampled.shape == (4, 10)
    tokens = torch.from_numpy(sampled).long()[None]
    first = model.clip_logits(tokens[..., 0], inputs)[0]
    forced = torch.cat([first, frame_logits(model, x[:1], tokens)[0].flatten(0, 1)])
    got = torch.from_numpy(np.stack(recorded))
    torch.testing.assert_close(got.log_softmax(-1), forced.log_softmax(-1), atol=2e-5, rtol=1e-5)


def test_a_history_of_zero_hides_earlier_frames_in_both(model, x, monkeypatch) -> None:
    inputs = model.decoder_input(model.condition(x[:1]))
    decoding = Decoding(model, inputs)
    tokens = torch.from_numpy(
        decoding.tokens(
            SamplingPlan(np.random.default_rng(0), CodeSampler(), CodeSampler(temperature=0)),
            history=0,
        )
    ).long()[None]
    z = model.residuals(tokens[..., 1:], inputs)
    logits = model.logits(tokens[..., 0], inputs, z, torch.zeros_like(z[..., 0]), z)
    assert torch.equal(logits[0].argmax(-1).T, tokens[0, :, 1:])


def test_gelu_and_normalisation_in_numpy_equal_torchs() -> None:
    v = np.random.default_rng(0).standard_normal(50).astype(np.float32)
    torch.testing.assert_close(
        torch.from_numpy(gelu(v)), torch.nn.functional.gelu(torch.from_numpy(v))
    )
    assert float(np.square(rms_normalise_vector(v)).mean()) == pytest.approx(1, abs=1e-4)
