"""What plugins there are, for a person choosing among them."""

from __future__ import annotations

from typing import Any

from gensr_pref import plugins
from gensr_pref.metrics.base import MetricSpec, Score


def metrics() -> list[dict[str, Any]]:
    """One row per score of every installed metric."""
    specs = [plugins.create("metric", name, {}, name).spec for name in plugins.names("metric")]
    return [_score_row(spec, score) for spec in specs for score in spec.scores]


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


def _score_row(spec: MetricSpec, score: Score) -> dict[str, Any]:
    return {
        "metric": spec.name,
        "score": score.name,
        "better": "higher" if score.higher_is_better else "lower",
        "range": f"{_bound(score.low)} .. {_bound(score.high)}",
        "unit": score.unit,
        "votes": "yes" if score.votes else "no",
        "needs": ", ".join(sorted(spec.needs)) or "-",
        "model": spec.model,
        "licence": spec.licence,
    }


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
