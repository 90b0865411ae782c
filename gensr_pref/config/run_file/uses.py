"""The entries of the lists ``generators`` and ``panel`` of a run file."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from gensr_pref.config.run_file.fields import Model

LABEL_PATTERN = r"^[\w.@+-]+$"  # of a generator: part of candidate ids


class GeneratorUse(Model):
    """A generator, its options, and the number of candidates per clip."""

    use: str = Field(description="a name from `gensr-pref generators`, or module:Class")
    name: str | None = Field(
        None,
        pattern=LABEL_PATTERN,
        description="label in candidate ids; required if one generator is used twice; null: "
        "the name of the generator",
    )
    candidates: int = Field(4, ge=1, description="number of candidates per clip")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the generator")
    seeds: str | None = Field(
        None,
        description="label that the random seeds are made from; generators with the same one "
        "draw the same noise; null: the label of this generator",
    )


class MetricUse(Model):
    """A metric of the panel, its options, and which of its scores vote."""

    metric: str = Field(description="a name from `gensr-pref metrics`, or module:Class")
    vote: bool | list[str] | None = Field(
        None,
        description="true or false: all scores of the metric vote, or none; a list: these "
        "scores vote; null: the default of the metric",
    )
    optional: bool = Field(
        False, description="true: if weights are missing, the metric is left out"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="options of the metric")
