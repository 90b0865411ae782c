"""What plugins there are, for a person choosing among them."""

from __future__ import annotations

import math
from typing import Any, TypedDict

from gensr_pref.config import plugins
from gensr_pref.errors import InputError, MissingWeightsError
from gensr_pref.generators.registry import checkpoint_file, licence_of
from gensr_pref.metrics.base import MetricSpec, Score

CODEBOOKS = "tokenizer.codebook"  # in a checkpoint, and fixed


class ScoreRow(TypedDict):
    """A score of an installed metric, in words."""

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
    """An installed generator, in words."""

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
    """One row per score of every installed metric, as it is without options.

    A metric says what it is by the attribute ``spec`` of its class where its weights are not here.
    """
    found = [_spec(name) for name in plugins.names("metric")]
    return [_score_row(spec, score, missing) for spec, missing in found for score in spec.scores]


def _spec(name: str) -> tuple[MetricSpec, str]:
    """What a metric is, and what it lacks here."""
    try:
        made = plugins.create("metric", name, {}, name)
    except MissingWeightsError as error:
        spec = getattr(plugins.find("metric", name), "spec", None)
        if isinstance(spec, MetricSpec):
            return spec, str(error)
        return MetricSpec(name, (Score("?"),), None), str(error)
    spec = made.spec
    return spec, ""


def generators() -> list[GeneratorRow]:
    """Return one row per installed generator, made without options.

    ``here`` is "no" if something is missing, which ``missing`` names, and "options" if the
    generator needs options, which ``needs`` describes.
    """
    return [_generator_row(name) for name in plugins.names("generator")]


def _generator_row(name: str) -> GeneratorRow:
    found, missing = plugins.find("generator", name), ""
    needs = getattr(found, "needs", None)
    if needs is None:
        try:
            found = plugins.create("generator", name, {}, name)
        except InputError as error:
            missing = str(error)
    count = None if missing or needs else _parameters(found)
    rate = getattr(found, "sample_rate", None)
    revision = "" if missing or needs else found.revision
    return {
        "generator": name,
        "paradigm": getattr(found, "paradigm", None) or "-",
        "rate_hz": rate if isinstance(rate, int) else "-",
        "parameters": "-" if count is None else count,
        "needs": needs or "-",
        "here": "options" if needs else "no" if missing else "yes",
        "licence": licence_of(found),
        "revision": revision,
        "options": ", ".join(plugins.options_of(plugins.find("generator", name))) or "-",
        "missing": missing,
    }


def _parameters(generator: Any) -> int | None:
    """How many a generator says it has, or its checkpoint holds; None where neither is known."""
    told = getattr(generator, "parameters", None)
    file = checkpoint_file(generator, "model.safetensors")
    if isinstance(told, int) or file is None:
        return told if isinstance(told, int) else None
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
