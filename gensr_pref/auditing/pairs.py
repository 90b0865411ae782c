"""Measures the pairs: margins, origin, and the agreement of the scores that did not vote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from gensr_pref.auditing.base import Array, Comparisons, Mask, Pairs, Rows, ScoredCandidates
from gensr_pref.auditing.panel_yields import tally
from gensr_pref.statistics.intervals import clopper_pearson, ratio_interval, share_interval

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_MAX_VALUES = 50  # values of a property that are listed separately


class Margins(TypedDict):
    """The margins of the pairs on one score; see `margin_statistics`."""

    quantiles: list[float]
    mean_spreads: float


class HoldOutRate(TypedDict):
    """The share of pairs in which a score without a vote prefers chosen; see `hold_out_rates`."""

    score: str
    pairs: int
    clips: int
    rate: float | None
    low: float | None
    high: float | None
    mean_spreads: float | None


class SingleScore(TypedDict):
    """The pairs that one score alone would choose; see `single_scores`."""

    by: str
    pairs: int
    gain: dict[str, float | None]


class PreferenceVector(TypedDict):
    """The preference of the pairs of one generator; see `preference`."""

    pairs: int
    vector: dict[str, float | None]
    intervals: dict[str, list[float] | None]


class Cosine(TypedDict):
    """The similarity of the preference vectors of two generators."""

    generators: list[str]
    all: float | None
    hold_out: float | None


class Preference(TypedDict):
    """The preference vectors of all generators, and their cosines."""

    vectors: dict[str, PreferenceVector]
    cosines: list[Cosine]


# The clips with one value of a property, and those of them with a pair; see `breakdown`.
BreakdownRow = TypedDict(
    "BreakdownRow",
    {
        "gain": dict[str, float | None],
        "value": str,
        "clips": int,
        "with_pair": int,
        "yield": float,
        "low": float,
        "high": float,
    },
)


def margin_statistics(judged: ScoredCandidates, pairs: Pairs) -> dict[str, Margins | None]:
    """Summarise the pairs' margins on each score.

    Returns:
        {quantiles: five in the score's unit (5, 25, 50, 75, 95 %), mean_spreads: the mean in units
        of the score's spread} per score; None if no pair has a margin.
    """
    results: dict[str, Margins | None] = {}
    for k, name in enumerate(judged.names):
        known = pairs.margins[:, k][np.isfinite(pairs.margins[:, k])]
        results[name] = None if not len(known) else {
            "quantiles": [float(q) for q in np.quantile(known, QUANTILES)],
            "mean_spreads": float(known.mean() / judged.unit[k]),
        }  # fmt: skip
    return results


def hold_out_rates(judged: ScoredCandidates, pairs: Pairs) -> list[HoldOutRate]:
    """Measure how often each score that does not vote prefers the chosen candidate.

    Returns:
        ``rate``: the share of pairs in which it prefers chosen, a tie counts half; 0.5 is chance.
        ``low``, ``high``: its interval over ``clips``. ``mean_spreads``: the mean margin in units
        of the score's spread. ``pairs``: the number of pairs with the score for both candidates.
    """
    results: list[HoldOutRate] = []
    for k in np.flatnonzero(~judged.votes).tolist():
        known = np.isfinite(pairs.margins[:, k])
        gain = pairs.margins[known, k]
        rate = share_interval(pairs.clip[known], (np.sign(gain) + 1) / 2)
        results.append(
            {
                "score": judged.names[k],
                "pairs": len(gain),
                "clips": rate.clusters,
                "rate": rate.value,
                "low": rate.low,
                "high": rate.high,
                "mean_spreads": float(gain.mean() / judged.unit[k]) if len(gain) else None,
            }
        )
    return results


def single_scores(judged: ScoredCandidates, compared: Comparisons) -> list[SingleScore]:
    """Measure how pairs chosen by one score alone differ in all scores.

    This is the ablation of arXiv 2508.17229, which finds that pairs of one metric raise it and hurt
    others. Each clip gives one pair: that with the largest margin of the score (for the panel: with
    the largest smallest margin, in spreads).

    Returns:
        For each score that votes, and last for the ``panel``: ``by``; ``pairs``; ``gain``: the mean
        margin of those pairs on each score, in spreads.
    """
    unit = judged.unit.astype(np.float32)
    everyone = (1 << len(judged.voters)) - 1
    votes = tally(judged, compared)
    results: list[SingleScore] = []
    for bits, by in [(1 << p, int(k)) for p, k in enumerate(judged.voters)] + [(everyone, -1)]:
        is_pair = votes.unanimous(bits)
        sign = np.where(is_pair[0], 1.0, -1.0).astype(np.float32)
        gain = compared.difference * sign[:, None] / unit
        mine = judged.voters if by < 0 else np.array([by])
        strength = np.where(gain[:, mine] > 0, gain[:, mine], np.inf).min(axis=1, initial=np.inf)
        best = _best(compared.clip, np.where(is_pair.any(axis=0), strength, -np.inf))
        means = [_mean(gain[best, k]) for k in range(len(judged.names))]
        results.append(
            {
                "by": "panel" if by < 0 else judged.names[by],
                "pairs": len(best),
                "gain": dict(zip(judged.names, means, strict=True)),
            }
        )
    return results


def preference(judged: ScoredCandidates, pairs: Pairs, generators: Sequence[str]) -> Preference:
    """Compare what the pairs of different generators prefer.

    The preference vector of a generator is the mean margin of its pairs on every score, in
    spreads. Two vectors are compared by their cosine, over all scores and over those that did not
    vote (the voting ones are positive by construction).

    Args:
        generators: [R] generator of each row of `ScoredCandidates`.

    Returns:
        ``vectors``: per generator {pairs, vector, intervals: [low, high] per score over clips};
        ``cosines``: per two generators {generators, all, hold_out}. A pair counts for the generator
        of its chosen candidate.
    """
    label = np.array([generators[row] if row >= 0 else "clean" for row in pairs.chosen], dtype=str)
    scaled = pairs.margins / judged.unit
    vectors = {str(n): _means(scaled[label == n]) for n in np.unique(label)}
    names = list(vectors)
    cosines: list[Cosine] = [
        {
            "generators": [a, b],
            "all": cosine(vectors[a], vectors[b]),
            "hold_out": cosine(vectors[a][~judged.votes], vectors[b][~judged.votes]),
        }
        for index, a in enumerate(names)
        for b in names[index + 1 :]
    ]
    reports: dict[str, PreferenceVector] = {
        name: {
            "pairs": int((label == name).sum()),
            "vector": {s: _number(v) for s, v in zip(judged.names, vector, strict=True)},
            "intervals": _bounds_of(judged.names, scaled[label == name], pairs.clip[label == name]),
        }
        for name, vector in vectors.items()
    }
    return {"vectors": reports, "cosines": cosines}


def _bounds_of(names: Sequence[str], rows: Array, clip: Rows) -> dict[str, list[float] | None]:
    """Return the interval of the mean of the known rows [P, M], per score."""
    results = {}
    for name, column in zip(names, rows.T, strict=True):
        known = np.isfinite(column)
        value = column[known, None]
        results[name] = ratio_interval(clip[known], value, np.ones_like(value))[0].bounds
    return results


def cosine(first: Array, second: Array) -> float | None:
    """Return the cosine of two vectors over their common known elements; None if undefined."""
    known = np.isfinite(first) & np.isfinite(second)
    a, b = first[known], second[known]
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b / length) if length > 0 else None


def breakdown(
    judged: ScoredCandidates, pairs: Pairs, properties: Mapping[str, Sequence[str | None]]
) -> dict[str, list[BreakdownRow]]:
    """Count clips and clips with a pair by each property of the clips.

    Args:
        properties: [clips] the value of each clip, per property; None where unknown.

    Returns:
        A row per value and property, the most frequent value first, with the yield, its exact
        interval and ``gain``, the mean margin of those pairs on each score, in spreads. After 50
        values the rest is combined as ``(others)``.
    """
    return {
        name: _by_value(judged, pairs, np.array([v or "(unknown)" for v in values], dtype=str))
        for name, values in properties.items()
    }


def _by_value(
    judged: ScoredCandidates, pairs: Pairs, values: npt.NDArray[np.str_]
) -> list[BreakdownRow]:
    if not len(values):
        return []
    names, number = np.unique(values, return_inverse=True)
    count = np.bincount(number, minlength=len(names))
    order = np.argsort(-count, kind="stable")
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.minimum(np.arange(len(names)), _MAX_VALUES)
    row_of = rank[number]
    labels = [str(names[k]) for k in order[:_MAX_VALUES]] + ["(others)"] * (
        len(names) > _MAX_VALUES
    )
    return [_row(judged, pairs, label, row_of == row) for row, label in enumerate(labels)]


def _row(judged: ScoredCandidates, pairs: Pairs, value: str, member: Mask) -> BreakdownRow:
    """Return the row of the clips that are members, at least one."""
    mine = member[pairs.clip]
    clips, with_pair = int(member.sum()), len(np.unique(pairs.clip[mine]))
    share = with_pair / clips
    low, high = clopper_pearson(share, clips)
    gain = _means(pairs.margins[mine] / judged.unit)
    return {
        "gain": {s: _number(v) for s, v in zip(judged.names, gain, strict=True)},
        "value": value,
        "clips": clips,
        "with_pair": with_pair,
        "yield": share,
        "low": low,
        "high": high,
    }


def _best(clip: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Return the index of the strongest comparison of each clip that has one."""
    known = np.flatnonzero(strength > -np.inf)
    order = known[np.lexsort((-strength[known], clip[known]))]
    first = np.r_[True, clip[order][1:] != clip[order][:-1]] if len(order) else []
    return np.asarray(order[np.asarray(first, dtype=bool)])


def _means(rows: Array) -> Array:
    known = np.isfinite(rows)
    count = known.sum(axis=0)
    total = np.where(known, rows, 0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0))


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=np.float64)) if len(known) else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
