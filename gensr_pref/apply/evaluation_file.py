"""What an evaluation is asked for: its file, or the same in words of a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from gensr_pref.apply.default_panel import choose_panel
from gensr_pref.apply.score import engine_for
from gensr_pref.config import run_file
from gensr_pref.config.messages import WrongTogether
from gensr_pref.errors import ConfigError, Problem, parameter

PLACEBO = "placebo"  # the base again, with other seeds
SAMPLES = 4
_FILES = (".yaml", ".yml")
_LABELLED = re.compile(r"(?:(?P<label>[\w.@+-]+)=)?(?P<rest>[^=:]+(?::.+)?)", re.DOTALL)
_NEXT_OPTION = re.compile(r",(?=[A-Za-z_][\w.]*=)")


class Evaluation(run_file.Model):
    """An evaluation file."""

    name: str = "evaluation"
    seed: int | None = Field(
        None, description="null: that of clips if it is a run file or run directory, otherwise 0"
    )
    clips: str | None = Field(
        None,
        description="held-out clips: a run file, a manifest, a folder with noisy/ and clean/, or "
        "the validation split of a run directory or exported dataset",
    )
    corpus: run_file.Corpus | None = Field(
        None, description="where the held-out clips come from, in place of clips"
    )
    limit: int | None = Field(
        None, ge=1, description="largest number of clips; which clips depends only on their ids"
    )
    generators: list[run_file.GeneratorUse] = Field(min_length=1)
    samples: int = Field(SAMPLES, ge=1, description="samples of each clip by each generator")
    base: str | None = Field(
        None,
        description="label of the generator that the others are compared with; null: the first",
    )
    placebo: bool = Field(True, description="add the base again, with other seeds")
    controls: list[str] = Field(
        default_factory=list, description="policies that should not be better, such as one that "
        "was trained on random labels"
    )  # fmt: skip
    panel: list[run_file.MetricUse] | None = Field(
        None, description="null: that of `clips`, where it is a run; else what there is need for"
    )
    hold_out: list[str] | None = Field(
        None,
        description="metrics or scores that did not choose the pairs; null: as the panel votes",
    )
    over: Literal["clip", "speaker"] = Field(
        "clip",
        description="cluster of the confidence intervals; speaker: all clips of a speaker "
        "form one cluster",
    )
    engine: run_file.Engine = Field(default_factory=run_file.Engine)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.clips is None) == (self.corpus is None):
            raise WrongTogether(
                "clips",
                self.clips,
                "give one of clips and corpus, where the held-out clips come from",
            )
        return self


def parse_words(words: Sequence[str], options: Mapping[str, Any]) -> tuple[Evaluation, Path]:
    """The evaluation of a command line, and the folder that its relative paths start from.

    Args:
        words: an evaluation file and ``key=value``, or generators as in `parse_generator`.
        options: by their names on the command line; those that are there win over the file's.

    Raises:
        ConfigError: a field is wrong, or the words are neither.
    """
    given = _fields(options)
    if words[0].endswith(_FILES):
        path = Path(words[0])
        data = {**run_file.override(run_file.read_yaml(path), list(words[1:])), **given}
        if "clips" in given:  # of the command line, so not relative to the file
            data |= {"corpus": None, "clips": str(Path(given["clips"]).absolute())}
        return run_file.parse(data, Evaluation, path), path.resolve().parent
    if "clips" not in given:
        raise ConfigError(
            "say which held-out clips, or give an evaluation file (.yaml)",
            field=parameter("clips"),
            problem=Problem.MISSING,
        )
    generators = [parse_generator(word) for word in words]
    data = {"engine": engine_for("auto", "cpu"), **given, "generators": generators}
    return run_file.parse(data, Evaluation), Path.cwd()


def _fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that options of the command line name."""
    same = ("clips", "limit", "samples", "base", "over", "seed")
    given = {name: options[name] for name in same}
    given["controls"] = options["control"]
    given["hold_out"] = options["hold_out"] and options["hold_out"].split(",")
    given["panel"] = options["panel"] and choose_panel(options["panel"], [], reference=True)
    if options["workers"] or options["device"]:
        given["engine"] = engine_for(options["workers"] or "auto", options["device"] or "cpu")
    return {name: value for name, value in given.items() if value is not None}


def parse_generator(word: str) -> dict[str, Any]:
    """A generator as a run file has it, from ``[label=]name[:option=value,...]``.

    The name may be ``module:Class``; values are YAML, and may hold commas:
    ``dpo=fm-tiny:checkpoint=runs/dpo,temperature=[0.2, 0.6]``.

    Raises:
        ConfigError: it is not so.
    """
    found = _LABELLED.fullmatch(word)
    if found is None:
        raise ConfigError(
            f"{word!r}: write [label=]name[:option=value,...], such as "
            "dpo=fm-tiny:checkpoint=runs/dpo",
            field=parameter("policies"),
            value=word,
            problem=Problem.INVALID,
        )
    use, *more = found["rest"].split(":")
    if more and "=" not in more[0]:
        use = f"{use}:{more.pop(0)}"
    options = _NEXT_OPTION.split(":".join(more)) if more else []
    named = {"name": found["label"]} if found["label"] else {}
    return {"use": use, **named, "options": run_file.override({}, options)}


def policy_of(label: str) -> str:
    """The policy that a label is a member of: ``dpo@2`` and ``dpo@3`` are both of ``dpo``."""
    return label.partition("@")[0] or label
