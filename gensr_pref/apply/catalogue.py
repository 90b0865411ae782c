"""Lists the installed metrics and generators for a user who chooses among them."""

from __future__ import annotations

import math
from typing import Any, TypedDict

from gensr_pref.config import plugins
from gensr_pref.errors import InputError, MissingWeightsError
from gensr_pref.generators.registry import checkpoint_file, licence_of
from gensr_pref.metrics.base import MetricSpec, Score

CODEBOOKS = "tokenizer.codebook"  # in a checkpoint; not trained


class ScoreRow(TypedDict):
    """A row of the command ``metrics``: a score of an installed metric.

    ``better``: higher or lower; ``needs``: inputs without which the score is null; ``here``: yes,
    or no if ``missing`` names what is missing.
    """

    metric: str
    score: str
    better: str
    range: str
    unit: str
    votes: str
    needs: list[str]
    here: str
    licence: str
    model: str
    notice: str
    missing: str


class GeneratorRow(TypedDict):
    """A row of the command ``generators``: an installed generator; see `generators`."""

    generator: str
    paradigm: str
    rate_hz: int | str
    parameters: int | str
    needs: str
    here: str
    licence: str
    revision: str
    options: str
    missing: str


def metrics() -> list[ScoreRow]:
    """Return one row per score of every installed metric, made without options.

    If the weights of a metric are missing, its spec is the attribute ``spec`` of its class.
    """
    specs = [_spec(name) for name in plugins.names("metric")]
    return [_score_row(spec, score, missing) for spec, missing in specs for score in spec.scores]


def _spec(name: str) -> tuple[MetricSpec, str]:
    """Return the spec of a metric, and what is missing for its use."""
    try:
        metric = plugins.create("metric", name, {}, name)
    except MissingWeightsError as error:
        spec = getattr(plugins.find("metric", name), "spec", None)
        if isinstance(spec, MetricSpec):
            return spec, str(error)
        return MetricSpec(name, (Score("?"),), None), str(error)
    spec = metric.spec
    return spec, ""


def generators() -> list[GeneratorRow]:
    """Return one row per installed generator, made without options.

    ``here`` is "no" if something is missing, which ``missing`` names, and "options" if the
    generator needs options, which ``needs`` describes.
    """
    return [_generator_row(name) for name in plugins.names("generator")]


def _generator_row(name: str) -> GeneratorRow:
    generator, missing = plugins.find("generator", name), ""
    needs = getattr(generator, "needs", None)
    if needs is None:
        try:
            generator = plugins.create("generator", name, {}, name)
        except InputError as error:
            missing = str(error)
    count = None if missing or needs else _count_parameters(generator)
    rate = getattr(generator, "sample_rate", None)
    revision = "" if missing or needs else generator.revision
    return {
        "generator": name,
        "paradigm": getattr(generator, "paradigm", None) or "-",
        "rate_hz": rate if isinstance(rate, int) else "-",
        "parameters": "-" if count is None else count,
        "needs": needs or "-",
        "here": "options" if needs else "no" if missing else "yes",
        "licence": licence_of(generator),
        "revision": revision,
        "options": ", ".join(plugins.options_of(plugins.find("generator", name))) or "-",
        "missing": missing,
    }


def _count_parameters(generator: Any) -> int | None:
    """Return the number of parameters that a generator states or its checkpoint has, if known."""
    stated = getattr(generator, "parameters", None)
    file = checkpoint_file(generator, "model.safetensors")
    if isinstance(stated, int) or file is None:
        return stated if isinstance(stated, int) else None
    from safetensors import safe_open

    with safe_open(file, "numpy") as weights:
        trained = [name for name in weights.keys() if name != CODEBOOKS]  # noqa: SIM118
        shapes = [weights.get_slice(name).get_shape() for name in trained]
    return int(sum(math.prod(shape) for shape in shapes))


def _score_row(spec: MetricSpec, score: Score, missing: str) -> ScoreRow:
    return {
        "metric": spec.name,
        "score": score.name,
        "better": "higher" if score.higher_is_better else "lower",
        "range": f"{_bound(score.low)} .. {_bound(score.high)}",
        "unit": score.unit,
        "votes": "yes" if score.votes else "no",
        "needs": sorted(spec.needs),
        "here": "no" if missing else "yes",
        "licence": spec.licence,
        "model": spec.model,
        "notice": spec.notice,
        "missing": missing,
    }


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
