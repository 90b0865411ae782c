"""The masked generative model of tokens, and its decoding by confidence.

Trained to name hidden tokens from those left visible (MaskGIT, arXiv 2202.04200); sampled by
starting with all hidden and uncovering the most confident in each step.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gensr_pref.generators.code_head import chosen_log_probability
from gensr_pref.generators.draw import Draw
from gensr_pref.generators.encoder import Block, normalised
from gensr_pref.generators.token_model import Heard, TokenModel, TokenModelConfig
from gensr_pref.generators.tokenizer import Tokenizer


class Masked(TokenModel):
    """Dilated convolutions over the residuals of visible tokens, on top of the encoder."""

    ordered = False

    def __init__(self, config: TokenModelConfig, tokenizer: Tokenizer | None = None) -> None:
        super().__init__(config, tokenizer)
        width = config.decoder_width
        self.enter = nn.Linear(self.tokenizer.channels + config.groups, width)
        self.blocks = nn.ModuleList(Block(width, d) for d in config.decoder_dilations)

    def logits(self, tokens: Tensor, visible: Tensor, heard: Heard) -> Tensor:
        """Logits [B, F, G, K] of all tokens of frames, given the visible ones.

        Args:
            tokens: [B, G, 1 + F]; the first column is always visible.
            visible: [B, G, F] whether a token of a frame is.
            heard: the clip.
        """
        seen = visible.transpose(1, 2).float()
        bands = self.tokenizer.channels // self.config.groups
        z = self.z(tokens[..., 1:], heard) * seen.repeat_interleave(bands, -1)
        departure = self.departure(tokens[..., 0], heard)
        hidden = self.enter(torch.cat([z, seen], -1)) + heard.state + self.whole(departure)
        hidden = hidden.transpose(1, 2)
        for block in self.blocks:
            hidden = block(hidden)
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
    found = chosen_log_probability(
        model.logits(tokens, visible, heard), tokens[..., 1:].transpose(1, 2)
    )
    return (found * ~visible.transpose(1, 2)).sum((1, 2))


# --- sampling ------------------------------------------------------------------------------------


def hidden_share(progress: float) -> float:
    """The cosine schedule: the share of tokens that are hidden, from 1 at 0 to 0 at 1."""
    return math.cos(0.5 * math.pi * progress)


def sampled(
    model: Masked, heard: Heard, rng: np.random.Generator, first: Draw, draw: Draw, steps: int
) -> npt.NDArray[np.int32]:
    """Tokens [G, 1 + F] of one candidate of one clip (B = 1).

    Each step draws all tokens that are hidden and keeps those it is surest of, so many that the
    share still hidden follows the cosine schedule. Sure is the log-probability of the token plus
    Gumbel noise, which fades out over the steps: the order is one more thing that is drawn.

    Args:
        model: the network.
        heard: the clip.
        rng: all that is random.
        first: how the first column is drawn.
        draw: how the others are.
        steps: how many.
    """
    device = heard.state.device
    tokens = first_column(model, heard, rng, first)
    groups, frames = model.config.groups, heard.state.shape[1]
    codebook = model.tokenizer.codebook.cpu().numpy()
    visible = torch.zeros(1, groups, frames, dtype=torch.bool, device=device)
    for step in range(1, steps + 1):
        logits = model.logits(tokens, visible, heard)[0].transpose(0, 1).cpu()  # [G, F, K]
        uniform = rng.random((groups, frames))
        drawn = [draw(*each) for each in zip(logits.numpy(), codebook, uniform, strict=True)]
        found = torch.from_numpy(np.stack(drawn))
        noise = torch.from_numpy(rng.gumbel(size=(groups, frames)))
        sure = chosen_log_probability(logits, found) + (1 - step / steps) * noise
        known = visible[0].cpu()
        sure[known] = math.inf
        frame_tokens = torch.where(known, tokens[0, :, 1:].cpu(), found)
        tokens[0, :, 1:] = frame_tokens.to(device)
        shown = groups * frames - int(hidden_share(step / steps) * groups * frames)
        kept = torch.zeros(groups * frames, dtype=torch.bool)
        kept[sure.flatten().topk(shown).indices] = True
        visible = kept.view(1, groups, frames).to(device)
    return tokens[0].cpu().numpy().astype(np.int32)


def first_column(model: Masked, heard: Heard, rng: np.random.Generator, first: Draw) -> Tensor:
    """Tokens [1, G, 1 + F] of which the first column is drawn, group by group; the others are 0."""
    groups, frames = model.config.groups, heard.state.shape[1]
    tokens = torch.zeros(1, groups, 1 + frames, dtype=torch.long, device=heard.state.device)
    levels = model.clip_codebook().cpu().numpy()
    for group, uniform in enumerate(rng.random(groups)):
        logits = model.clip_logits(tokens[..., 0], heard)[0, group]
        tokens[0, group, 0] = int(first(logits.cpu().numpy(), levels[group], uniform))
    return tokens
