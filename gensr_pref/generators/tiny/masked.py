"""The masked generative model of tokens, and its decoding by confidence.

Trained to name hidden tokens from those left visible (MaskGIT, arXiv 2202.04200); sampled by
starting with all hidden and uncovering the most confident in each step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gensr_pref.generators.tiny.code_head import chosen_log_probability
from gensr_pref.generators.tiny.code_sampling import Plan
from gensr_pref.generators.tiny.encoder import Block, normalised
from gensr_pref.generators.tiny.token_model import Heard, TokenModel, TokenModelConfig
from gensr_pref.generators.tiny.tokenizer import Tokenizer


class Masked(TokenModel):
    """Dilated convolutions over the residuals of visible tokens, on top of the encoder."""

    ordered = False

    def __init__(self, config: TokenModelConfig, tokenizer: Tokenizer | None = None) -> None:
        super().__init__(config, tokenizer)
        width = config.decoder_width
        self.enter = nn.Linear(self.tokenizer.channels + config.groups, width)
        self.blocks = nn.ModuleList(Block(width, d) for d in config.decoder_dilations)

    def logits(
        self, tokens: Tensor, visible: Tensor, heard: Heard, valid: Tensor | None = None
    ) -> Tensor:
        """Logits [B, F, G, K] of all tokens of frames, given the visible ones.

        Args:
            tokens: [B, G, 1 + F]; the first column is always visible.
            visible: [B, G, F] whether a token of a frame is.
            heard: the clip.
            valid: [B, 1, F] 1 for frames of the clip, 0 for padding; absent = all are.
        """
        seen = visible.transpose(1, 2).float()
        bands = self.tokenizer.channels // self.config.groups
        z = self.z(tokens[..., 1:], heard) * seen.repeat_interleave(bands, -1)
        departure = self.departure(tokens[..., 0], heard)
        hidden = self.enter(torch.cat([z, seen], -1)) + heard.state + self.whole(departure)
        hidden = hidden.transpose(1, 2)
        for block in self.blocks:
            hidden = block(hidden, valid=valid)
        before = self.head.before(normalised(hidden).transpose(1, 2))
        codebook = self.tokenizer.codebook
        base = self.head.base(codebook, heard.mean, heard.inverse_scale)
        return base + self.head.correction(codebook, before, heard.inverse_scale)


def log_likelihood(model: Masked, tokens: Tensor, visible: Tensor, x: Tensor) -> Tensor:
    """Sum of log p(token | visible tokens, x) over the hidden tokens of frames: [B].

    The first column is not part of it: see `TokenModel.clip_log_probability`.

    Args:
        model: the policy.
        tokens: [B, G, 1 + F].
        visible: [B, G, F] whether a token of a frame is visible.
        x: [B, FEATURES, F].
    """
    heard = model.heard(model.condition(x))
    found = log_probability(model, tokens, visible, heard)[..., 1:]
    return (found * ~visible).sum((1, 2))


def log_probability(
    model: Masked, tokens: Tensor, visible: Tensor, heard: Heard, valid: Tensor | None = None
) -> Tensor:
    """log p of every token given the visible ones, of the first column in its order: [B, G, 1 + F].

    Args:
        model: the policy.
        tokens: [B, G, 1 + F].
        visible: [B, G, F] whether a token of a frame is visible.
        heard: the clips.
        valid: [B, 1, F] 1 for frames of the clip, 0 for padding; absent = all are.
    """
    logits = model.logits(tokens, visible, heard, valid)
    frames = chosen_log_probability(logits, tokens[..., 1:].transpose(1, 2))
    first = model.clip_log_probability(tokens[..., 0], heard)
    return torch.cat([first[..., None], frames.transpose(1, 2)], -1)


# --- sampling ------------------------------------------------------------------------------------


def hidden_share(progress: float) -> float:
    """The cosine schedule: the share of tokens that are hidden, from 1 at 0 to 0 at 1."""
    return math.cos(0.5 * math.pi * progress)


def sampled(
    model: Masked, heard: Heard, plans: Sequence[Plan], steps: int
) -> list[npt.NDArray[np.int32]]:
    """Tokens [G, 1 + F] of each of B candidates of one clip, in one batch.

    Each step draws all tokens that are hidden and keeps those it is surest of, so many that the
    share still hidden follows the cosine schedule. Sure is the log-probability of the token plus
    Gumbel noise, which fades out over the steps: the order is one more thing that is drawn.

    Args:
        model: the network.
        heard: the clip, B = 1.
        plans: how each candidate is drawn.
        steps: how many.
    """
    device = heard.state.device
    tokens = torch.cat([first_column(model, heard, plan) for plan in plans])
    codebook = model.tokenizer.codebook.cpu().numpy()
    visible = torch.zeros(tokens[..., 1:].shape, dtype=torch.bool, device=device)
    whole = Heard(*(part.expand(len(plans), -1, -1) for part in heard))
    for step in range(1, steps + 1):
        logits = model.logits(tokens, visible, whole).transpose(1, 2).cpu()  # [B, G, F, K]
        uncovered = [
            _uncovered(*each, codebook, step / steps)
            for each in zip(logits, tokens[..., 1:].cpu(), visible.cpu(), plans, strict=True)
        ]
        tokens[..., 1:] = torch.stack([found for found, _ in uncovered]).to(device)
        visible = torch.stack([shown for _, shown in uncovered]).to(device)
    return [row.astype(np.int32) for row in tokens.cpu().numpy()]


def _uncovered(
    logits: Tensor,
    tokens: Tensor,
    known: Tensor,
    plan: Plan,
    codebook: npt.NDArray[np.float32],
    progress: float,
) -> tuple[Tensor, Tensor]:
    """Tokens [G, F] of one candidate after a step, and which of them stay.

    Args:
        logits: [G, F, K].
        tokens: [G, F] before it.
        known: [G, F] whether a token stays as it is.
        plan: how the others are drawn.
        codebook: [G, K, D].
        progress: from 0 to 1, which is the last step.
    """
    uniform = plan.rng.random(tuple(tokens.shape))
    drawn = [plan.draw(*each) for each in zip(logits.numpy(), codebook, uniform, strict=True)]
    found = torch.from_numpy(np.stack(drawn))
    noise = torch.from_numpy(plan.rng.gumbel(size=tuple(tokens.shape)))
    sure = chosen_log_probability(logits, found) + (1 - progress) * noise
    sure[known] = math.inf
    shown = sure.numel() - int(hidden_share(progress) * sure.numel())
    kept = torch.zeros(sure.numel(), dtype=torch.bool)
    kept[sure.flatten().topk(shown).indices] = True
    return torch.where(known, tokens, found), kept.view(tokens.shape)


def first_column(model: Masked, heard: Heard, plan: Plan) -> Tensor:
    """Tokens [1, G, 1 + F] of which the first column is drawn, group by group; the others are 0."""
    groups, frames = model.config.groups, heard.state.shape[1]
    tokens = torch.zeros(1, groups, 1 + frames, dtype=torch.long, device=heard.state.device)
    levels = model.clip_codebook().cpu().numpy()
    for group, uniform in enumerate(plan.rng.random(groups)):
        logits = model.clip_logits(tokens[..., 0], heard)[0, group]
        tokens[0, group, 0] = int(plan.first(logits.cpu().numpy(), levels[group], uniform))
    return tokens
