"""The recipe of a pretraining: its speech and degradations, its network, its length."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gensr_pref.aligning.recipe import Average, Dpo
from gensr_pref.config import run_file
from gensr_pref.config.messages import WrongTogether
from gensr_pref.errors import ConfigError
from gensr_pref.generators.tiny.analysis import HIGHEST_RATE, LOWEST_RATE

Dilation = Annotated[int, Field(ge=1)]


class Speech(run_file.Model):
    """A source of clean speech, and how often it is drawn."""

    source: run_file.FileSource
    weight: float = Field(1.0, gt=0, description="relative to the other sources")


class EncoderShape(run_file.Model):
    """The size of the encoder, and its initial weights."""

    encoder_width: int = Field(192, ge=1)
    encoder_dilations: tuple[Dilation, ...] = (1, 2, 4, 8, 16, 32, 1, 2, 4)
    encoder_from: str | None = Field(
        None, description="folder of a checkpoint of any paradigm; its encoder is the initial one"
    )
    regression: float = Field(1.0, ge=0, description="weight of the encoder's own errors")


class FlowShape(EncoderShape):
    """Flow-matching model; see `FlowConfig`."""

    paradigm: Literal["fm"] = "fm"
    velocity_width: int = Field(160, ge=1)
    velocity_dilations: tuple[Dilation, ...] = (1, 2, 4, 8, 1, 2)
    shared_noise: run_file.Probability = 0.25
    draws: int = Field(2, ge=1, description="draws of (t, y_0) per example and step")


class TokenShape(EncoderShape):
    """The settings of both paradigms on tokens; see `TokenModelConfig`."""

    decoder_width: int = Field(160, ge=1)
    head_width: int = Field(64, ge=1)
    tokenizer: str | None = Field(None, description="folder of a tokenizer; absent = the shipped")
    marginal: float = Field(0.5, ge=0, description="weight of the encoder's own log-likelihood")
    clip: float = Field(0.1, ge=0, description="weight of the first column's log-likelihood")


class AutoregressiveShape(TokenShape):
    """Autoregressive model over frames and band groups."""

    paradigm: Literal["ar"] = "ar"
    decoder_dilations: tuple[Dilation, ...] = (1, 2, 4, 8)


class MaskedShape(TokenShape):
    """Masked generative model."""

    paradigm: Literal["mgm"] = "mgm"
    decoder_dilations: tuple[Dilation, ...] = (1, 2, 4, 8, 1, 2)


Shape = Annotated[FlowShape | AutoregressiveShape | MaskedShape, Field(discriminator="paradigm")]


class ExampleSettings(run_file.Model):
    """The settings of training examples, which the recipes pretrain and tokenize share."""

    seed: int = 0
    speech: list[Speech] = Field(min_length=1)
    sample_rate: int = Field(
        16000,
        ge=LOWEST_RATE,
        le=HIGHEST_RATE,
        description="rate of the model, Hz; speech is resampled",
    )
    degrade: run_file.Degrade
    rooms: int = Field(
        300, ge=0, description="simulated rooms to make once and draw from; 0 = a new one each time"
    )
    seconds: float = Field(3.0, gt=0.1, description="length of an example")
    threads: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        band_limit = self.degrade.band_limit
        if band_limit is not None and max(band_limit.rates_hz) >= self.sample_rate:
            raise WrongTogether(
                "degrade.band_limit.rates_hz",
                band_limit.rates_hz,
                f"{max(band_limit.rates_hz)} does not limit the band at sample_rate "
                f"{self.sample_rate}; give lower rates",
            )
        return self


class Pretrain(ExampleSettings):
    """A recipe file that trains a generator."""

    recipe: Literal["pretrain"] = "pretrain"
    pool: int = Field(1024, ge=1, description="examples kept in memory")
    fresh: int = Field(4, ge=1, description="new examples per step")
    batch: int = Field(8, ge=1, description="examples per step")
    steps: int = Field(4000, ge=1)
    minutes: float | None = Field(
        None, gt=0, description="end of the schedule by the clock, in place of steps"
    )
    learning_rate: float = Field(1e-3, gt=0)
    warm_up: int = Field(200, ge=0)
    weight_decay: float = Field(0.01, ge=0)
    ema: run_file.Probability = Field(0.999, description="decay of the averaged weights")
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    save_every: int = Field(200, ge=1, description="steps between saved states")
    model: Shape = Field(default_factory=FlowShape)


class Tokenize(ExampleSettings):
    """A recipe file that fits a tokenizer."""

    recipe: Literal["tokenize"]
    examples: int = Field(1000, ge=1, description="number of examples that are clustered")
    groups: int = Field(8, ge=1, description="groups of neighbouring bands; divides 40")
    codes: int = Field(64, ge=2, description="codes per group")


def load_recipe(path: Path, overrides: list[str]) -> Pretrain | Tokenize | Dpo | Average:
    """Read a recipe file; ``key=value`` overrides any field.

    Raises:
        ConfigError: the file cannot be read, or a field is wrong; the message names it.
    """
    data = run_file.override(run_file.read_yaml(path), overrides)
    known: dict[str, type[Pretrain] | type[Tokenize] | type[Dpo] | type[Average]]
    known = {"pretrain": Pretrain, "tokenize": Tokenize, "dpo": Dpo, "average": Average}
    name = str(data.get("recipe", "pretrain"))
    if name not in known:
        error = ConfigError(f"no recipe {name!r}.", field="recipe", value=name, known=known)
        raise ConfigError.join(path, [error])
    return run_file.parse(data, known[name], path)
