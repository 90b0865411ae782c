"""What plugins there are, for a person choosing among them."""

from __future__ import annotations

from typing import Any

from gensr_pref import plugins
from gensr_pref.errors import MissingWeightsError
from gensr_pref.metrics.base import MetricSpec, Score


def metrics() -> list[dict[str, Any]]:
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


def generators() -> list[dict[str, Any]]:
    """One row per installed generator."""
    rows = []
    for name in plugins.names("generator"):
        generator = plugins.create("generator", name, {}, name)
        rows.append(
            {
                "generator": name,
                "rate_hz": generator.sample_rate,
                "revision": generator.revision,
                "options": ", ".join(plugins.options_of(plugins.find("generator", name))) or "-",
            }
        )
    return rows


def _score_row(spec: MetricSpec, score: Score, missing: str) -> dict[str, Any]:
    return {
        "metric": spec.name,
        "score": score.name,
        "better": "higher" if score.higher_is_better else "lower",
        "range": f"{_bound(score.low)} .. {_bound(score.high)}",
        "unit": score.unit,
        "votes": "yes" if score.votes else "no",
        "needs": ", ".join(sorted(spec.needs)) or "-",
        "here": "no" if missing else "yes",
        "licence": spec.licence,
        "model": spec.model,
        "notice": spec.notice,
        "missing": missing,
    }


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
