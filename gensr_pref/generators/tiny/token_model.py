"""Base of the autoregressive and the masked network: encoder, tokenizer and the first column.

y are the gains that a clip's tokens represent, m and s the mean and the standard deviation that the
encoder predicts for them, and

    z = (y - m) / s

is the residual, the form in which the networks receive tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gensr_pref.generators.tiny.bands import FEATURES
from gensr_pref.generators.tiny.code_head import Z_LIMIT, CodeHead, chosen_log_probability
from gensr_pref.generators.tiny.encoder import (
    Condition,
    Encoder,
    frame_mean,
    rms_normalise_channels,
)
from gensr_pref.generators.tiny.precision import at_least_float32
from gensr_pref.generators.tiny.tokenizer import Tokenizer, TokenizerConfig

CLIP_SCALE = 0.15  # initial s of a group's average gain, in units of the latent: 1.5 dB


@dataclass(frozen=True)
class TokenModelConfig:
    """Shape of a `TokenModel`, stored beside its weights."""

    encoder_width: int = 192
    encoder_dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 1, 2, 4)
    decoder_width: int = 160
    decoder_dilations: tuple[int, ...] = (1, 2, 4, 8)
    head_width: int = 64
    groups: int = 8
    codes: int = 64
    features: int = FEATURES
    tokenizer: str = ""  # digest of the codebooks, which are stored among the weights
    sample_rate: int = 16000  # Hz

    @classmethod
    def from_shape(cls, shape: Mapping[str, Any], tokenizer: Tokenizer) -> TokenModelConfig:
        """Make the configuration from the known fields of `shape` and the tokenizer's own."""
        known = {field.name for field in fields(cls)}
        return cls(
            **{key: value for key, value in shape.items() if key in known}
            | {
                "groups": tokenizer.groups,
                "codes": tokenizer.codes,
                "tokenizer": tokenizer.digest,
                "sample_rate": tokenizer.config.sample_rate,
            }
        )


class DecoderInput(NamedTuple):
    """A clip as the decoder and the heads receive it, frames before channels.

    Attributes:
        state: [B, F, decoder_width] projection of the encoder's hidden state and mean.
        pooled: [B, 1, encoder_width] average of the hidden state over the clip.
        mean: [B, F, channels] m.
        inverse_scale: [B, F, channels] 1 / s.
        group_mean: [B, 1, groups] average of m over the clip and a group's bands.
    """

    state: Tensor
    pooled: Tensor
    mean: Tensor
    inverse_scale: Tensor
    group_mean: Tensor


class TokenModel(nn.Module):
    """Encoder, codebooks and the distribution of the first column.

    Attributes:
        ordered: whether the groups of a frame are generated in order, each conditioned on those
            before it.
    """

    ordered: bool

    def __init__(self, config: TokenModelConfig, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        self.config = config
        self.tokenizer = tokenizer or Tokenizer(
            TokenizerConfig(config.groups, config.codes, sample_rate=config.sample_rate)
        )
        channels, width = self.tokenizer.channels, config.decoder_width
        bands = channels // config.groups
        self.encoder = Encoder(
            config.features, channels, config.encoder_width, config.encoder_dilations
        )
        self.hear = nn.Linear(config.encoder_width + channels, width)
        self.whole = nn.Linear(config.groups, width)
        self.head = CodeHead(
            config.groups, config.codes, bands, width, config.head_width, self.ordered
        )
        self.clip_head = CodeHead(
            config.groups, config.codes, 1, config.encoder_width, config.head_width, True
        )
        self.clip_log_scale = nn.Parameter(torch.full((config.groups,), CLIP_SCALE).log())

    def condition(self, x: Tensor, valid: Tensor | None = None) -> Condition:
        """Encode features [B, FEATURES, F]; see `Encoder.forward` for `valid`."""
        encoded: Condition = self.encoder(x, valid)
        return encoded

    def decoder_input(self, condition: Condition, valid: Tensor | None = None) -> DecoderInput:
        """Prepare encoded clips for the decoder and the heads; `valid` as in `condition`."""
        hidden = rms_normalise_channels(condition.hidden)
        mean = condition.mean
        state = self.hear(torch.cat([hidden, mean], 1).transpose(1, 2))
        return DecoderInput(
            state,
            frame_mean(hidden, valid)[:, None],
            at_least_float32(mean.transpose(1, 2)),
            at_least_float32((-condition.log_scale).exp().transpose(1, 2)),
            self.tokenizer.group_mean(_mean_to_average(at_least_float32(mean), valid))[:, None],
        )

    def residuals(self, tokens: Tensor, inputs: DecoderInput) -> Tensor:
        """Return the residuals [B, F, channels] of tokens of frames [B, groups, F]."""
        gains = self.tokenizer.frames(tokens).transpose(1, 2)
        return residual(gains, inputs.mean, inputs.inverse_scale)

    # --- the first column

    def clip_codebook(self) -> Tensor:
        """Return the codebook [groups, codes, 1] of the first column: levels of an average gain."""
        return self.tokenizer.levels().expand(self.config.groups, -1)[..., None]

    def first_column_residuals(self, first: Tensor, inputs: DecoderInput) -> Tensor:
        """Return the residuals [B, 1, groups] of first columns [B, groups]."""
        scale = torch.full_like(inputs.group_mean, 1 / CLIP_SCALE)
        gains = self.tokenizer.levels()[first.long()][:, None]
        return residual(gains, inputs.group_mean, scale)

    def clip_logits(self, first: Tensor, inputs: DecoderInput) -> Tensor:
        """Return the logits [B, G, K] of first columns [B, groups], given the groups before."""
        inverse_scale = (-self.clip_log_scale).exp().expand_as(inputs.group_mean)
        codebook = self.clip_codebook()
        pre_activation = self.clip_head.pre_activation(
            inputs.pooled, self.first_column_residuals(first, inputs)
        )
        base = self.clip_head.base(codebook, inputs.group_mean, inverse_scale)
        return (base + self.clip_head.correction(codebook, pre_activation, inverse_scale))[:, 0]

    def clip_log_probability(self, first: Tensor, inputs: DecoderInput) -> Tensor:
        """Return log p [B, groups] of first columns [B, groups]."""
        return chosen_log_probability(self.clip_logits(first, inputs), first)


def _mean_to_average(mean: Tensor, valid: Tensor | None) -> Tensor:
    """Return m [B, channels, F], or its average over the valid frames [B, channels, 1]."""
    return mean if valid is None else frame_mean(mean, valid)[..., None]


def residual(gains: Tensor, mean: Tensor, inverse_scale: Tensor) -> Tensor:
    """Return z = (y - m) / s, clamped to +-`Z_LIMIT`, so that an outlier frame cannot dominate."""
    return ((gains - mean) * inverse_scale).clamp(-Z_LIMIT, Z_LIMIT)
