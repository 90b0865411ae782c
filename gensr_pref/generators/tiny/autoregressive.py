"""Autoregressive model of tokens: frame by frame, and group by group of bands within a frame.

p(tokens | x) = p(first column | x) * prod_f prod_g p(token_{g,f} | tokens of earlier frames,
                tokens of lower groups of frame f, first column, x)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gensr_pref.generators.tiny.code_head import chosen_log_probability
from gensr_pref.generators.tiny.token_model import DecoderInput, TokenModel, TokenModelConfig
from gensr_pref.generators.tiny.tokenizer import Tokenizer


class Autoregressive(TokenModel):
    """Causal convolutions over the residuals of earlier frames, on top of the encoder."""

    ordered = True

    def __init__(self, config: TokenModelConfig, tokenizer: Tokenizer | None = None) -> None:
        super().__init__(config, tokenizer)
        width = config.decoder_width
        self.enter = nn.Linear(self.tokenizer.channels + 1, width)
        self.blocks = nn.ModuleList(CausalBlock(width, d) for d in config.decoder_dilations)

    def states(
        self, z: Tensor, known: Tensor, first_residuals: Tensor, inputs: DecoderInput
    ) -> Tensor:
        """Return the decoder's states [B, F, decoder_width]; state f depends on frames before f.

        Args:
            z: [B, F, channels] residuals of all frames.
            known: [B, F] 1 if later frames are conditioned on a frame, 0 if it is hidden from them.
            first_residuals: [B, 1, groups] residuals of the first column.
            inputs: the clips.
        """
        previous = torch.cat([z * known[..., None], known[..., None]], -1)
        previous = functional.pad(previous, (0, 0, 1, 0))[:, :-1]  # frame f sees f - 1
        hidden = self.enter(previous) + inputs.state + self.whole(first_residuals)
        for block in self.blocks:
            hidden = block(hidden)
        return rms_normalise(hidden)

    def logits(
        self, first: Tensor, inputs: DecoderInput, history: Tensor, known: Tensor, below: Tensor
    ) -> Tensor:
        """Return the logits [B, F, G, K] of all frames, teacher-forced.

        Args:
            first: [B, G] the first column.
            inputs: the clips.
            history: [B, F, channels] residuals on which later frames are conditioned.
            known: [B, F] 1 if later frames are conditioned on a frame, 0 if it is hidden from them.
            below: [B, F, channels] residuals on which higher groups of the same frame are
                conditioned.
        """
        state = self.states(history, known, self.first_column_residuals(first, inputs), inputs)
        codebook = self.tokenizer.codebook
        base = self.head.base(codebook, inputs.mean, inputs.inverse_scale)
        pre_activation = self.head.pre_activation(state, below)
        return base + self.head.correction(codebook, pre_activation, inputs.inverse_scale)


class CausalBlock(nn.Module):
    """Residual convolution over this frame and the one `dilation` before it."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.gain = nn.Parameter(torch.ones(width))
        self.mix = nn.Linear(2 * width, width)
        self.out = nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map [B, F, width] to [B, F, width]."""
        inner = rms_normalise(hidden) * self.gain
        past = functional.pad(inner, (0, 0, self.dilation, 0))[:, : inner.shape[1]]
        mixed = functional.gelu(self.mix(torch.cat([past, inner], -1)))
        return hidden + self.out(mixed)  # type: ignore[no-any-return]


def rms_normalise(hidden: Tensor) -> Tensor:
    """Divide by the root mean square over the last axis (RMSNorm, arXiv 1910.07467)."""
    return hidden * torch.rsqrt(hidden.square().mean(-1, keepdim=True) + 1e-6)


def log_likelihood(model: Autoregressive, tokens: Tensor, x: Tensor) -> Tensor:
    """Return log p(tokens | x) [B], the sum of log p over all groups and columns.

    Args:
        model: the policy.
        tokens: [B, G, 1 + F].
        x: [B, FEATURES, F].
    """
    inputs = model.decoder_input(model.condition(x))
    known = torch.ones(len(x), x.shape[-1], device=x.device)
    return ar_log_probability(model, tokens, known, inputs).sum((1, 2))


def ar_log_probability(
    model: Autoregressive, tokens: Tensor, known: Tensor, inputs: DecoderInput
) -> Tensor:
    """Return log p of every token given those before it: [B, G, 1 + F].

    Args:
        model: the policy.
        tokens: [B, G, 1 + F].
        known: [B, F] 1 if later frames are conditioned on a frame, 0 if it is hidden from them.
        inputs: the clips.
    """
    z = model.residuals(tokens[..., 1:], inputs)
    logits = model.logits(tokens[..., 0], inputs, z, known, z)
    frames = chosen_log_probability(logits, tokens[..., 1:].transpose(1, 2))
    first = model.clip_log_probability(tokens[..., 0], inputs)
    return torch.cat([first[..., None], frames.transpose(1, 2)], -1)
