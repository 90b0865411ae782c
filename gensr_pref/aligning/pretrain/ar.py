"""Pretraining of the autoregressive model.

Teacher forcing on true histories alone gives the best likelihood and the worst samples: in
sampling, the model conditions on its own mistakes and repeats them. Therefore, most of its history
in training is hidden or replaced by its own samples.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gensr_pref.aligning.pretrain.recipe import AutoregressiveShape
from gensr_pref.aligning.pretrain.token_losses import TokenBatch, total_loss
from gensr_pref.generators.tiny.autoregressive import Autoregressive
from gensr_pref.generators.tiny.code_head import chosen_log_probability
from gensr_pref.generators.tiny.token_model import TokenModelConfig, residual
from gensr_pref.generators.tiny.tokenizer import Tokenizer


def new_ar_model(shape: AutoregressiveShape, tokenizer: Tokenizer) -> Autoregressive:
    """Return a network of that shape with random weights."""
    return Autoregressive(TokenModelConfig.from_shape(shape.model_dump(), tokenizer), tokenizer)


def ar_losses(
    model: Autoregressive,
    shape: AutoregressiveShape,
    x: Tensor,
    y_1: Tensor,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Return the loss of a batch and its parts; see `total_loss`.

    Probabilities are drawn per example: each frame is hidden from the later frames with one, and
    replaced by the model's own (`own_residuals`) with another. The lower groups, on which a
    frame's groups depend, are replaced with a third.
    """
    batch = TokenBatch.from_examples(model, x, y_1)
    true = model.residuals(batch.tokens[..., 1:], batch.inputs).detach()
    known = _random_mask(true, generator)
    own = own_residuals(model, batch, true, _random_mask(true, generator), generator)
    history = torch.where(_random_mask(true, generator)[..., None] > 0, own, true)
    below = torch.where(_random_mask(true, generator)[..., None] > 0, own, true)
    logits = model.logits(batch.tokens[..., 0], batch.inputs, history, known, below)
    return total_loss(model, shape, batch, -chosen_log_probability(logits, batch.frames).mean())


@torch.no_grad()
def own_residuals(
    model: Autoregressive,
    batch: TokenBatch,
    true: Tensor,
    known: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Return residuals [B, F, channels] of frames drawn from the model, all at once.

    Each frame is drawn given the earlier true frames that are `known` (Mihaylova and Martins
    2019, "Scheduled Sampling for Transformers"). It is moved towards the expected gain by an
    amount that is drawn per example, as `spread` does in sampling.
    """
    logits = model.logits(batch.tokens[..., 0], batch.inputs, true, known, true)
    p = logits.softmax(-1)
    uniform = torch.rand(p.shape[:-1], generator=generator)[..., None]
    total = p.cumsum(-1)
    code = torch.searchsorted(total, uniform * total[..., -1:], right=True)[..., 0]
    code = code.clamp(max=p.shape[-1] - 1)
    codebook = model.tokenizer.codebook
    gains = codebook[torch.arange(len(codebook)), code]
    mean = torch.einsum("bfgk,gkd->bfgd", p, codebook)
    spread = torch.rand(len(p), 1, 1, 1, generator=generator)
    gains = (mean + spread * (gains - mean)).flatten(2)
    return residual(gains, batch.inputs.mean, batch.inputs.inverse_scale)


def _random_mask(like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a mask [B, F] of 0 and 1, in which the share of ones is uniform per example."""
    share = torch.rand(len(like), 1, generator=generator)
    return (torch.rand(like.shape[:2], generator=generator) < share).float()
