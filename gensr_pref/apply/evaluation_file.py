"""The evaluation file, and the same fields as arguments of the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, Self, TypedDict

from pydantic import Field, model_validator

from gensr_pref.apply.default_panel import choose_panel
from gensr_pref.apply.score import engine_for
from gensr_pref.config import run_file
from gensr_pref.config.bounds import require_whole_number
from gensr_pref.config.messages import WrongTogether
from gensr_pref.errors import ConfigError, Problem, parameter

PLACEBO = "placebo"  # label of the base when it is sampled again, with other seeds
SAMPLES = 4
_FILES = (".yaml", ".yml")
_LABELLED = re.compile(r"(?:(?P<label>[\w.@+-]+)=)?(?P<rest>[^=:]+(?::.+)?)", re.DOTALL)
_NEXT_OPTION = re.compile(r",(?=[A-Za-z_][\w.]*=)")


class Evaluation(run_file.Model):
    """An evaluation file."""

    name: str = "evaluation"
    seed: int | None = Field(
        None,
        description="random seed; null: that of clips if it is a run file or run directory, "
        "otherwise 0",
    )
    clips: str | None = Field(
        None,
        description="held-out clips: a run file, a manifest, a folder with noisy/ and clean/, or "
        "the validation split of a run directory or exported dataset",
    )
    corpus: run_file.Corpus | None = Field(
        None, description="corpus section of the held-out clips, instead of clips"
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
        default_factory=list, description="policies that should not beat the base, such as one "
        "that was trained on random labels"
    )  # fmt: skip
    panel: list[run_file.MetricUse] | None = Field(
        None,
        description="metrics; null: those of the run that clips is from, if any; otherwise "
        "the default panel of `gensr-pref score`",
    )
    hold_out: list[str] | None = Field(
        None,
        description="metrics or scores that did not choose the pairs; null: those without a vote",
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
                "give either clips or corpus as the source of the held-out clips",
            )
        return self


class GeneratorEntry(TypedDict):
    """A generator as in a run file: its name or class, its label if one is given, its options."""

    use: str
    name: NotRequired[str]
    options: dict[str, Any]


def parse_words(words: Sequence[str], options: Mapping[str, Any]) -> tuple[Evaluation, Path]:
    """Return the evaluation of a command line, and the folder of its relative paths.

    Args:
        words: an evaluation file and ``key=value``, or generators as in `parse_generator`.
        options: by their names on the command line; they override the file.

    Raises:
        ConfigError: a field is wrong, or a word is not a generator.
    """
    given = _fields(options)
    if words[0].endswith(_FILES):
        path = Path(words[0])
        data = {**run_file.override(run_file.read_yaml(path), list(words[1:])), **given}
        if "clips" in given:  # from the command line, so not relative to the file
            data |= {"corpus": None, "clips": str(Path(options["clips"]).absolute())}
        return run_file.parse(data, Evaluation, path), path.resolve().parent
    if "clips" not in given:
        raise ConfigError(
            "name the held-out clips, or give an evaluation file (.yaml)",
            field=parameter("clips"),
            problem=Problem.MISSING,
        )
    generators = [parse_generator(word) for word in words]
    data = {"engine": engine_for("auto", "cpu"), **given, "generators": generators}
    return run_file.parse(data, Evaluation), Path.cwd()


def _fields(options: Mapping[str, Any]) -> dict[str, object]:
    """Return the fields that options of the command line set."""
    for name in ("limit", "samples"):
        if options[name] is not None:
            require_whole_number(options[name], name, 1)
    same = ("clips", "limit", "samples", "base", "over", "seed")
    given: dict[str, object] = {name: options[name] for name in same}
    given["controls"] = options["control"]
    given["hold_out"] = options["hold_out"] and options["hold_out"].split(",")
    given["panel"] = options["panel"] and choose_panel(options["panel"], [], reference=True)
    if options["workers"] or options["device"]:
        given["engine"] = engine_for(options["workers"] or "auto", options["device"] or "cpu")
    return {name: value for name, value in given.items() if value is not None}


def parse_generator(word: str) -> GeneratorEntry:
    """Return the generator of an argument ``[label=]name[:option=value,...]``.

    The name may be ``module:Class``; values are YAML and may contain commas:
    ``dpo=fm-tiny:checkpoint=runs/dpo,temperature=[0.2, 0.6]``.

    Raises:
        ConfigError: the argument has another form.
    """
    match = _LABELLED.fullmatch(word)
    if match is None:
        raise ConfigError(
            f"{word!r}: write [label=]name[:option=value,...], such as "
            "dpo=fm-tiny:checkpoint=runs/dpo",
            field=parameter("words"),
            value=word,
            problem=Problem.INVALID,
        )
    use, *more = match["rest"].split(":")
    if more and "=" not in more[0]:
        use = f"{use}:{more.pop(0)}"
    options = _NEXT_OPTION.split(":".join(more)) if more else []
    values = run_file.override({}, options, parameter("words"))
    if match["label"]:
        return {"use": use, "name": match["label"], "options": values}
    return {"use": use, "options": values}


def policy_of(label: str) -> str:
    """Return the policy that a label belongs to: ``dpo`` for ``dpo@2`` and ``dpo@3``."""
    return label.partition("@")[0] or label
