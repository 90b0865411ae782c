"""The section ``corpus`` of a run file."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gensr_pref.config.messages import WrongTogether
from gensr_pref.config.run_file.degrade import Degrade
from gensr_pref.config.run_file.fields import Model, PositiveRange, Probability
from gensr_pref.config.run_file.sources import Source
from gensr_pref.tables.languages import language_code


class Validation(Model):
    """The part of the clips that is held out."""

    share: Probability = Field(0.05, description="share of the units that is held out; see `by`")
    by: Literal["speaker", "source", "clip"] = Field(
        "speaker",
        description="unit that is never divided between training and validation. speaker: all "
        "clips of a speaker (if unknown, of a recording); source: all clips of a "
        "recording; clip: pieces of one recording may be in both",
    )


class Corpus(Model):
    """The recordings, and how clips are made from them."""

    source: Source = Field(description="the recordings")
    sample_rate: int = Field(16000, ge=8000, description="rate of the clips in Hz")
    segment_seconds: PositiveRange = Field(
        (1.0, 20.0),
        description="shortest and longest clip in seconds; shorter recordings are left out, "
        "longer ones are cut into equal pieces",
    )
    languages: list[Annotated[str, AfterValidator(language_code)]] | None = Field(
        None,
        min_length=1,
        description="use only recordings in these languages (ISO 639 codes in the language "
        "column); null: all",
    )
    limit: int | None = Field(
        None,
        ge=1,
        description="largest number of clips; which clips depends only on their ids; null: all",
    )
    degrade: Degrade | None = Field(
        None, description="degradations of the recordings; null: the recordings are already noisy"
    )
    validation: Validation = Field(default_factory=Validation)

    @model_validator(mode="after")
    def _require_consistency(self) -> Self:
        if self.sample_rate % 50:
            raise WrongTogether(
                "sample_rate", self.sample_rate, f"must be a multiple of 50, not {self.sample_rate}"
            )
        if self.degrade is not None and self.source.kind == "paired":
            raise WrongTogether("degrade", None, "a paired source is noisy already; remove this")
        columns = getattr(self.source, "columns", None)
        if self.degrade is not None and columns is not None and columns.clean is not None:
            raise WrongTogether(
                "degrade",
                columns.clean,
                "a source with source.columns.clean is noisy already; remove one of the two",
            )
        band_limit = self.degrade.band_limit if self.degrade is not None else None
        if band_limit is not None and max(band_limit.rates_hz) >= self.sample_rate:
            raise WrongTogether(
                "degrade.band_limit.rates_hz",
                band_limit.rates_hz,
                f"{max(band_limit.rates_hz)} is no limit for clips at sample_rate "
                f"{self.sample_rate}; give lower rates",
            )
        return self
