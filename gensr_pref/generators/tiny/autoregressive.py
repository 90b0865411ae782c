"""The autoregressive model of tokens: frame by frame, and band group by band group within one.

p(tokens | x) = p(first column | x) * prod over f of prod over g of
p(token_{g,f} | tokens of earlier frames, tokens of lower groups of frame f, first column, x).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gensr_pref.generators.tiny.code_head import chosen_log_probability
from gensr_pref.generators.tiny.token_model import Heard, TokenModel, TokenModelConfig
from gensr_pref.generators.tiny.tokenizer import Tokenizer


class Autoregressive(TokenModel):
    """A causal convolution over the residuals of the frames before, on top of the encoder."""

    ordered = True

    def __init__(self, config: TokenModelConfig, tokenizer: Tokenizer | None = None) -> None:
        super().__init__(config, tokenizer)
        width = config.decoder_width
        self.enter = nn.Linear(self.tokenizer.channels + 1, width)
        self.blocks = nn.ModuleList(CausalBlock(width, d) for d in config.decoder_dilations)

    def decoded(self, z: Tensor, known: Tensor, departure: Tensor, heard: Heard) -> Tensor:
        """States [B, F, decoder_width], each of the frames before its own.

        Args:
            z: [B, F, channels] residuals of all frames.
            known: [B, F] 1 where the decoder may hear a frame, 0 where it is hidden from it.
            departure: [B, 1, groups] of the first column.
            heard: the clip.
        """
        told = torch.cat([z * known[..., None], known[..., None]], -1)
        told = functional.pad(told, (0, 0, 1, 0))[:, :-1]  # frame f hears f - 1
        hidden = self.enter(told) + heard.state + self.whole(departure)
        for block in self.blocks:
            hidden = block(hidden)
        return unit(hidden)

    def logits(
        self, first: Tensor, heard: Heard, history: Tensor, known: Tensor, below: Tensor
    ) -> Tensor:
        """Logits [B, F, G, K] of all frames, teacher-forced.

        Args:
            first: [B, G] the first column.
            heard: the clip.
            history: [B, F, channels] residuals that later frames hear.
            known: [B, F] 1 where they may hear them.
            below: [B, F, channels] residuals that higher groups of the same frame hear.
        """
        state = self.decoded(history, known, self.departure(first, heard), heard)
        codebook = self.tokenizer.codebook
        base = self.head.base(codebook, heard.mean, heard.inverse_scale)
        before = self.head.before(state, below)
        return base + self.head.correction(codebook, before, heard.inverse_scale)


class CausalBlock(nn.Module):
    """Residual convolution over this frame and the one `dilation` before it."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.gain = nn.Parameter(torch.ones(width))
        self.mix = nn.Linear(2 * width, width)
        self.out = nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, F, width] -> [B, F, width]."""
        inner = unit(hidden) * self.gain
        past = functional.pad(inner, (0, 0, self.dilation, 0))[:, : inner.shape[1]]
        mixed = functional.gelu(self.mix(torch.cat([past, inner], -1)))
        return hidden + self.out(mixed)  # type: ignore[no-any-return]


def unit(hidden: Tensor) -> Tensor:
    """Root-mean-square normalisation over the last axis."""
    return hidden * torch.rsqrt(hidden.square().mean(-1, keepdim=True) + 1e-6)


def log_likelihood(model: Autoregressive, tokens: Tensor, x: Tensor) -> Tensor:
    """log p(tokens | x) = sum over all groups and columns: [B].

    Args:
        model: the policy.
        tokens: [B, G, 1 + F].
        x: [B, FEATURES, F].
    """
    heard = model.heard(model.condition(x))
    known = torch.ones(len(x), x.shape[-1], device=x.device)
    return log_probability(model, tokens, known, heard).sum((1, 2))


def log_probability(model: Autoregressive, tokens: Tensor, known: Tensor, heard: Heard) -> Tensor:
    """log p of every token given those before it: [B, G, 1 + F].

    Args:
        model: the policy.
        tokens: [B, G, 1 + F].
        known: [B, F] 1 where later frames hear a frame, 0 where it is hidden from them.
        heard: the clips.
    """
    z = model.z(tokens[..., 1:], heard)
    logits = model.logits(tokens[..., 0], heard, z, known, z)
    frames = chosen_log_probability(logits, tokens[..., 1:].transpose(1, 2))
    first = model.clip_log_probability(tokens[..., 0], heard)
    return torch.cat([first[..., None], frames.transpose(1, 2)], -1)
