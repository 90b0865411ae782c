"""The section ``pairing`` of a run file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gensr_pref.config.run_file.fields import Model


class Pairing(Model):
    """The rule that makes pairs from scores, and its settings."""

    rule: str = Field(
        "unanimous",
        description="unanimous, top_bottom, weighted, golden, none (no pairs: only candidates and "
        "scores), or a function of your own as module:function",
    )
    pairs_per_clip: int = Field(1, ge=1, description="largest number of pairs of one clip")
    votes: list[str] | None = Field(None, description="scores that vote; null: as the panel says")
    margin: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="per score: the chosen candidate must be better by more than this",
    )
    tie: dict[str, Literal["allow", "veto"]] = Field(
        default_factory=dict,
        description="per score: whether a difference within the margin allows the pair or "
        "vetoes it",
    )
    min: dict[str, float] = Field(
        default_factory=dict, description="per score: lower bound for the chosen candidate"
    )
    max: dict[str, float] = Field(
        default_factory=dict,
        description="per score: upper bound for the chosen candidate, such as for wer",
    )
    across_generators: bool = Field(
        False, description="whether chosen and rejected may come from different generators"
    )
    score: str | None = Field(
        None,
        description="top_bottom: the score that ranks the candidates; null: the only voting score",
    )
    extremes: int = Field(
        1,
        ge=1,
        description="top_bottom: each of this many best candidates is paired with each of as "
        "many worst",
    )
    weights: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="weighted: weight of each score; empty: 1 for every voting score",
    )
    units: Literal["spread", "raw"] = Field(
        "spread",
        description="weighted: raw: scores as they are; spread: each score divided by its spread",
    )
    gap: float = Field(
        0.0,
        ge=0,
        description="weighted: the sum of the chosen candidate must be larger by more than this",
    )
