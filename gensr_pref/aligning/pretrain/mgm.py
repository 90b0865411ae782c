"""Pretraining of the masked generative model."""

from __future__ import annotations

import torch
from torch import Tensor

from gensr_pref.aligning.pretrain.recipe import MaskedShape
from gensr_pref.aligning.pretrain.token_losses import TokenBatch, total_loss
from gensr_pref.generators.tiny.code_head import chosen_log_probability
from gensr_pref.generators.tiny.masked import Masked, hidden_share
from gensr_pref.generators.tiny.token_model import TokenModelConfig
from gensr_pref.generators.tiny.tokenizer import Tokenizer


def new_mgm_model(shape: MaskedShape, tokenizer: Tokenizer) -> Masked:
    """Return a network of that shape with random weights."""
    return Masked(TokenModelConfig.from_shape(shape.model_dump(), tokenizer), tokenizer)


def mgm_losses(
    model: Masked, shape: MaskedShape, x: Tensor, y_1: Tensor, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return the loss of a batch and its parts; see `total_loss`.

    The share of hidden tokens follows the cosine schedule at a progress drawn per example;
    cross-entropy is over hidden tokens.
    """
    batch = TokenBatch.from_examples(model, x, y_1)
    hidden = draw_mask(batch.tokens[..., 1:].shape, generator)
    logits = model.logits(batch.tokens, ~hidden, batch.inputs)
    error = -chosen_log_probability(logits, batch.frames) * hidden.transpose(1, 2)
    return total_loss(model, shape, batch, error.sum() / hidden.sum().clamp(min=1))


def draw_mask(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return a mask [B, G, F], True for hidden tokens; progress is drawn per example."""
    progress = torch.rand(shape[0], generator=generator)
    share = torch.tensor([hidden_share(float(p)) for p in progress])
    return torch.rand(shape, generator=generator) < share[:, None, None]
