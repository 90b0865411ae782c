"""Masked generative model of tokens, and its decoding by confidence.

As in MaskGIT (H. Chang et al., arXiv 2202.04200), it is trained to predict hidden tokens from the
visible ones. Sampling starts with all tokens hidden and reveals the most confident ones in each
step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gensr_pref.generators.tiny.code_head import chosen_log_probability
from gensr_pref.generators.tiny.code_sampling import SamplingPlan
from gensr_pref.generators.tiny.encoder import ConvBlock, rms_normalise_channels
from gensr_pref.generators.tiny.token_model import DecoderInput, TokenModel, TokenModelConfig
from gensr_pref.generators.tiny.tokenizer import Tokenizer


class Masked(TokenModel):
    """Dilated convolutions over the residuals of visible tokens, on top of the encoder."""

    ordered = False

    def __init__(self, config: TokenModelConfig, tokenizer: Tokenizer | None = None) -> None:
        super().__init__(config, tokenizer)
        width = config.decoder_width
        self.enter = nn.Linear(self.tokenizer.channels + config.groups, width)
        self.blocks = nn.ModuleList(ConvBlock(width, d) for d in config.decoder_dilations)

    def logits(
        self, tokens: Tensor, visible: Tensor, inputs: DecoderInput, valid: Tensor | None = None
    ) -> Tensor:
        """Return the logits [B, F, G, K] of all tokens of frames, given the visible ones.

        Args:
            tokens: [B, G, 1 + F]; the first column is always visible.
            visible: [B, G, F] mask of the visible tokens of frames.
            inputs: the clips.
            valid: [B, 1, F] 1 for frames of the clip, 0 for padding; absent = all are valid.
        """
        mask = visible.transpose(1, 2).float()
        bands = self.tokenizer.channels // self.config.groups
        z = self.residuals(tokens[..., 1:], inputs) * mask.repeat_interleave(bands, -1)
        first_residuals = self.first_column_residuals(tokens[..., 0], inputs)
        hidden = self.enter(torch.cat([z, mask], -1)) + inputs.state + self.whole(first_residuals)
        hidden = hidden.transpose(1, 2)
        for block in self.blocks:
            hidden = block(hidden, valid=valid)
        pre_activation = self.head.pre_activation(rms_normalise_channels(hidden).transpose(1, 2))
        codebook = self.tokenizer.codebook
        base = self.head.base(codebook, inputs.mean, inputs.inverse_scale)
        return base + self.head.correction(codebook, pre_activation, inputs.inverse_scale)


def log_likelihood(model: Masked, tokens: Tensor, visible: Tensor, x: Tensor) -> Tensor:
    """Return the sum of log p(token | visible tokens, x) over the hidden tokens of frames: [B].

    The first column is not included; see `TokenModel.clip_log_probability`.

    Args:
        model: the policy.
        tokens: [B, G, 1 + F].
        visible: [B, G, F] mask of the visible tokens of frames.
        x: [B, FEATURES, F].
    """
    inputs = model.decoder_input(model.condition(x))
    log_p = masked_log_probability(model, tokens, visible, inputs)[..., 1:]
    return (log_p * ~visible).sum((1, 2))


def masked_log_probability(
    model: Masked,
    tokens: Tensor,
    visible: Tensor,
    inputs: DecoderInput,
    valid: Tensor | None = None,
) -> Tensor:
    """Return log p of every token given the visible ones: [B, G, 1 + F].

    A token of the first column is conditioned on the groups before it instead.

    Args:
        model: the policy.
        tokens: [B, G, 1 + F].
        visible: [B, G, F] mask of the visible tokens of frames.
        inputs: the clips.
        valid: [B, 1, F] 1 for frames of the clip, 0 for padding; absent = all are valid.
    """
    logits = model.logits(tokens, visible, inputs, valid)
    frames = chosen_log_probability(logits, tokens[..., 1:].transpose(1, 2))
    first = model.clip_log_probability(tokens[..., 0], inputs)
    return torch.cat([first[..., None], frames.transpose(1, 2)], -1)


# --- sampling ------------------------------------------------------------------------------------


def hidden_share(progress: float) -> float:
    """Return cos(pi/2 progress), the fraction of hidden tokens in MaskGIT's cosine schedule.

    It falls from 1 at progress 0 to 0 at progress 1.
    """
    return math.cos(0.5 * math.pi * progress)


def sample_tokens(
    model: Masked, inputs: DecoderInput, plans: Sequence[SamplingPlan], steps: int
) -> list[npt.NDArray[np.int32]]:
    """Sample the tokens [G, 1 + F] of each candidate of one clip, in one batch.

    Each step draws all hidden tokens and keeps the most confident ones, so many that the hidden
    fraction follows the cosine schedule. The confidence is

        log p(token) + (1 - progress) g,    g standard Gumbel noise,

    so that the order of revelation is random as well.

    Args:
        model: the network.
        inputs: the clip, B = 1.
        plans: sampling rules of each candidate.
        steps: number of steps.
    """
    device = inputs.state.device
    tokens = torch.cat([first_column(model, inputs, plan) for plan in plans])
    codebook = model.tokenizer.codebook.cpu().numpy()
    visible = torch.zeros(tokens[..., 1:].shape, dtype=torch.bool, device=device)
    expanded = DecoderInput(*(part.expand(len(plans), -1, -1) for part in inputs))
    for step in range(1, steps + 1):
        logits = model.logits(tokens, visible, expanded).transpose(1, 2).cpu()  # [B, G, F, K]
        revealed = [
            _reveal(*each, codebook, step / steps)
            for each in zip(logits, tokens[..., 1:].cpu(), visible.cpu(), plans, strict=True)
        ]
        tokens[..., 1:] = torch.stack([drawn for drawn, _ in revealed]).to(device)
        visible = torch.stack([mask for _, mask in revealed]).to(device)
    return [row.astype(np.int32) for row in tokens.cpu().numpy()]


def _reveal(
    logits: Tensor,
    tokens: Tensor,
    known: Tensor,
    plan: SamplingPlan,
    codebook: npt.NDArray[np.float32],
    progress: float,
) -> tuple[Tensor, Tensor]:
    """Draw the hidden tokens of one candidate; return all tokens and the visible mask [G, F].

    Args:
        logits: [G, F, K].
        tokens: [G, F] before the step.
        known: [G, F] mask of the tokens that are visible already and do not change.
        plan: sampling rules of the candidate.
        codebook: [G, K, D].
        progress: after the step, in (0, 1]; 1 is the last step.
    """
    uniform = plan.rng.random(tuple(tokens.shape))
    drawn = [plan.frames(*each) for each in zip(logits.numpy(), codebook, uniform, strict=True)]
    candidates = torch.from_numpy(np.stack(drawn))
    noise = torch.from_numpy(plan.rng.gumbel(size=tuple(tokens.shape)))
    confidence = chosen_log_probability(logits, candidates) + (1 - progress) * noise
    confidence[known] = math.inf
    count = confidence.numel() - int(hidden_share(progress) * confidence.numel())
    visible = torch.zeros(confidence.numel(), dtype=torch.bool)
    visible[confidence.flatten().topk(count).indices] = True
    return torch.where(known, tokens, candidates), visible.view(tokens.shape)


def first_column(model: Masked, inputs: DecoderInput, plan: SamplingPlan) -> Tensor:
    """Draw the first column, group by group; return tokens [1, G, 1 + F] that are 0 elsewhere."""
    groups, frames = model.config.groups, inputs.state.shape[1]
    tokens = torch.zeros(1, groups, 1 + frames, dtype=torch.long, device=inputs.state.device)
    levels = model.clip_codebook().cpu().numpy()
    for group, uniform in enumerate(plan.rng.random(groups)):
        logits = model.clip_logits(tokens[..., 0], inputs)[0, group]
        tokens[0, group, 0] = int(plan.first(logits.cpu().numpy(), levels[group], uniform))
    return tokens
