"""A whole run file, and how it is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from gensr_pref.config.run_file.corpus import Corpus
from gensr_pref.config.run_file.engine import Engine
from gensr_pref.config.run_file.fields import Model
from gensr_pref.config.run_file.pairing import Pairing
from gensr_pref.config.run_file.uses import GeneratorUse, MetricUse
from gensr_pref.config.settings import load_any


class Credit(Model):
    """A work that the clips were made from, to be credited in an export; changes no data."""

    of: Literal["speech", "noise", "rooms", "other"] = Field(
        description="what the work was used as"
    )
    name: str = Field(min_length=1, description="name of the work, as its authors write it")
    licence: str = Field(
        min_length=1, description="SPDX identifier if there is one, such as CC-BY-4.0"
    )
    by: str | None = Field(None, description="whom the licence requires to be named")
    url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="where the work is published"
    )
    cite: str | None = Field(None, description="the paper to cite")


class Run(Model):
    """A complete run file."""

    name: str = Field("run", description="name of the run")
    seed: int = Field(0, description="random seed; all other seeds are derived from it")
    credits: list[Credit] = Field(
        default_factory=list,
        description="the recordings and their licences, for the dataset card; can be added to "
        "a finished run by building it again",
    )
    corpus: Corpus = Field(description="the clips")
    generators: list[GeneratorUse] = Field(
        min_length=1, description="the generators that sample the candidates"
    )
    panel: list[MetricUse] = Field(
        min_length=1, description="the metrics that score the candidates"
    )
    pairing: Pairing = Field(default_factory=Pairing, description="the rule that makes the pairs")
    engine: Engine = Field(default_factory=Engine, description="how the work is run")
    provenance: dict[str, Any] | None = Field(
        None,
        exclude=True,
        description="written by a build into its run.yaml; ignored when a run file is read",
    )


def load(path: Path, overrides: Sequence[str] = ()) -> Run:
    """Read a run file.

    Args:
        path: YAML.
        overrides: ``key=value`` with dotted keys (``corpus.limit=8``, ``panel.0.vote=false``);
            values are YAML.

    Raises:
        ConfigError: the file cannot be read, or a field is wrong; the message names it.
    """
    return load_any(path, Run, overrides=overrides)[0]
