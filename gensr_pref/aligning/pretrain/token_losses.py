"""The pretraining loss of both paradigms on tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from gensr_pref.aligning.pretrain.recipe import TokenShape
from gensr_pref.errors import ConfigError, Problem
from gensr_pref.generators.tiny.base import SHIPPED
from gensr_pref.generators.tiny.checkpoint import load_network
from gensr_pref.generators.tiny.code_head import chosen_log_probability
from gensr_pref.generators.tiny.encoder import Condition, regression_error, scale_error
from gensr_pref.generators.tiny.token_model import DecoderInput, TokenModel
from gensr_pref.generators.tiny.tokenizer import Tokenizer

SHIPPED_TOKENIZER = SHIPPED / "gain-tokens"


def tokenizer_folder(shape: TokenShape, base: Path) -> Path:
    """Return the folder of the tokenizer that a recipe names, or of the shipped one."""
    return base / shape.tokenizer if shape.tokenizer is not None else SHIPPED_TOKENIZER


def tokenizer_of(shape: TokenShape, sample_rate: int, base: Path) -> Tokenizer:
    """Return the tokenizer that a recipe names, by a path relative to `base`, or the shipped one.

    Raises:
        ConfigError: it was fitted at another sample rate (Hz), with other bands.
    """
    folder = tokenizer_folder(shape, base)
    tokenizer = load_network(folder, Tokenizer)
    if tokenizer.config.sample_rate != sample_rate:
        raise ConfigError(
            f"{folder} is for {tokenizer.config.sample_rate} Hz, sample_rate is "
            f"{sample_rate}. Fit one for that rate first "
            f"(pipelines/tokenize_gains.yaml with sample_rate={sample_rate})",
            field="model.tokenizer",
            value=tokenizer.config.sample_rate,
            problem=Problem.CONFLICT,
        )
    return tokenizer


@dataclass(frozen=True)
class TokenBatch:
    """A batch of tokens, with what the network computes from its features.

    Attributes:
        tokens: [B, G, 1 + F].
        y_1: latent [B, channels, F].
        condition: output of the encoder.
        inputs: the part of it that the decoder and the heads read.
    """

    tokens: Tensor
    y_1: Tensor
    condition: Condition
    inputs: DecoderInput

    @classmethod
    def from_examples(cls, model: TokenModel, x: Tensor, y_1: Tensor) -> TokenBatch:
        """Encode features [B, FEATURES, F] and latent [B, channels, F]."""
        condition = model.condition(x)
        return cls(model.tokenizer.encode(y_1), y_1, condition, model.decoder_input(condition))

    @property
    def frames(self) -> Tensor:
        """Tokens of frames [B, F, G], in the order of logits."""
        return self.tokens[..., 1:].transpose(1, 2)


def total_loss(
    model: TokenModel, shape: TokenShape, batch: TokenBatch, cross_entropy: Tensor
) -> dict[str, Tensor]:
    """Return the loss of a batch and its parts, which are means over tokens in nats.

    loss = ce + marginal * e + clip * c + regression * (m + s / 10): the cross-entropies of the
    decoder, of the encoder alone, and of the first column, then the encoder's regression and scale
    errors. The encoder has losses of its own so that the decoder starts from a useful encoding.
    """
    codebook, inputs = model.tokenizer.codebook, batch.inputs
    marginal = model.head.base(codebook, inputs.mean, inputs.inverse_scale)
    e = -chosen_log_probability(marginal, batch.frames).mean()
    c = -model.clip_log_probability(batch.tokens[..., 0], inputs).mean()
    m = regression_error(batch.condition, batch.y_1).mean()
    s = scale_error(batch.condition, batch.y_1).mean()
    loss = cross_entropy + shape.marginal * e + shape.clip * c + shape.regression * (m + 0.1 * s)
    return {"loss": loss, "ce": cross_entropy, "e": e, "c": c, "m": m}
