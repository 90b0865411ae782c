"""What the pairs hold: margins, what other judges say of them, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gensr_pref.auditing.base import Array, Comparisons, Judged, Mask, Pairs, Rows
from gensr_pref.auditing.effective_votes import tally
from gensr_pref.statistics.intervals import count_interval, ratio_interval, share_interval

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_MAX_VALUES = 50  # values of a property that are told one by one


def margin_statistics(judged: Judged, pairs: Pairs) -> dict[str, Any]:
    """Per score, how large the pairs' margins are.

    Returns:
        {quantiles: five in the score's unit (5, 25, 50, 75, 95 %), mean_spreads: the mean in units
        of the score's spread}; None where no pair has a margin.
    """
    found: dict[str, Any] = {}
    for k, name in enumerate(judged.names):
        known = pairs.margins[:, k][np.isfinite(pairs.margins[:, k])]
        found[name] = None if not len(known) else {
            "quantiles": [float(q) for q in np.quantile(known, QUANTILES)],
            "mean_spreads": float(known.mean() / judged.unit[k]),
        }  # fmt: skip
    return found


def hold_out_rates(judged: Judged, pairs: Pairs) -> list[dict[str, Any]]:
    """Would a judge that took no part agree? Per score that does not vote.

    Returns:
        ``rate``: the share of pairs whose chosen it prefers, a tie counting half; 0.5 is chance.
        ``low``, ``high``: its interval over so many ``clips``. ``mean_spreads``: the mean margin
        in units of the score's spread. ``pairs``: how many have the score on both sides.
    """
    found = []
    for k in np.flatnonzero(~judged.votes).tolist():
        known = np.isfinite(pairs.margins[:, k])
        gain = pairs.margins[known, k]
        rate = share_interval(pairs.clip[known], (np.sign(gain) + 1) / 2)
        found.append(
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
    return found


def single_scores(judged: Judged, compared: Comparisons) -> list[dict[str, Any]]:
    """What each score alone would choose, and what that does to all others (the paper's ablation).

    One pair per clip: the largest margin of that score (of the panel: the largest smallest margin
    in spreads). arXiv 2508.17229 finds that pairs of one metric raise it and hurt others.

    Returns:
        Per score that votes, and last for the ``panel``: ``by``; ``pairs``; ``gain``: per score
        the mean margin of those pairs, in spreads.
    """
    unit = judged.unit.astype(np.float32)
    everyone = (1 << len(judged.voters)) - 1
    votes = tally(judged, compared)
    found = []
    for bits, by in [(1 << p, int(k)) for p, k in enumerate(judged.voters)] + [(everyone, -1)]:
        stands = votes.stands(bits)
        side = np.where(stands[0], 1.0, -1.0).astype(np.float32)
        gain = compared.difference * side[:, None] / unit
        mine = judged.voters if by < 0 else np.array([by])
        strength = np.where(gain[:, mine] > 0, gain[:, mine], np.inf).min(axis=1, initial=np.inf)
        best = _best(compared.clip, np.where(stands.any(axis=0), strength, -np.inf))
        means = [_mean(gain[best, k]) for k in range(len(judged.names))]
        found.append(
            {
                "by": "panel" if by < 0 else judged.names[by],
                "pairs": len(best),
                "gain": dict(zip(judged.names, means, strict=True)),
            }
        )
    return found


def preference(judged: Judged, pairs: Pairs, generators: Sequence[str]) -> dict[str, Any]:
    """Do the generators' pairs point the same way?

    The preference vector of a generator is the mean margin of its pairs on every score, in
    spreads. Two are compared by their cosine: over all scores, and over those that did not vote
    (the voting ones are positive by construction).

    Args:
        generators: [R] of each row of `Judged`.

    Returns:
        ``vectors``: per generator {pairs, vector, intervals: [low, high] per score over clips};
        ``cosines``: per two generators {generators,
        all, hold_out}. A pair counts for the generator of its chosen.
    """
    label = np.array([generators[row] if row >= 0 else "clean" for row in pairs.chosen], dtype=str)
    scaled = pairs.margins / judged.unit
    vectors = {str(n): _means(scaled[label == n]) for n in np.unique(label)}
    names = list(vectors)
    cosines = [
        {
            "generators": [a, b],
            "all": cosine(vectors[a], vectors[b]),
            "hold_out": cosine(vectors[a][~judged.votes], vectors[b][~judged.votes]),
        }
        for place, a in enumerate(names)
        for b in names[place + 1 :]
    ]
    told = {
        name: {
            "pairs": int((label == name).sum()),
            "vector": {s: _number(v) for s, v in zip(judged.names, vector, strict=True)},
            "intervals": _bounds_of(judged.names, scaled[label == name], pairs.clip[label == name]),
        }
        for name, vector in vectors.items()
    }
    return {"vectors": told, "cosines": cosines}


def _bounds_of(names: Sequence[str], rows: Array, clip: Rows) -> dict[str, list[float] | None]:
    """Per score, the interval of the mean of the known rows [P, M]."""
    found = {}
    for name, column in zip(names, rows.T, strict=True):
        known = np.isfinite(column)
        value = column[known, None]
        found[name] = ratio_interval(clip[known], value, np.ones_like(value))[0].bounds
    return found


def cosine(first: Array, second: Array) -> float | None:
    """Of two vectors over what both know; None where either is nothing or has no length."""
    known = np.isfinite(first) & np.isfinite(second)
    a, b = first[known], second[known]
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b / length) if length > 0 else None


def breakdown(
    judged: Judged, pairs: Pairs, properties: Mapping[str, Sequence[str | None]]
) -> dict[str, list[dict[str, Any]]]:
    """Clips, clips with a pair and yield (with its exact interval) by what a clip is.

    Beside them `gain`: per score the mean margin of those pairs, in spreads.

    Args:
        properties: per property, [clips] its value of each clip; None where unknown.

    Returns:
        Per property, a row per value, the most frequent first, at most 50 values and the rest
        as ``(others)``.
    """
    return {
        name: _by_value(judged, pairs, np.array([v or "(unknown)" for v in values], dtype=str))
        for name, values in properties.items()
    }


def _by_value(judged: Judged, pairs: Pairs, values: npt.NDArray[np.str_]) -> list[dict[str, Any]]:
    if not len(values):
        return []
    names, number = np.unique(values, return_inverse=True)
    count = np.bincount(number, minlength=len(names))
    order = np.argsort(-count, kind="stable")
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.minimum(np.arange(len(names)), _MAX_VALUES)
    row_of = place[number]
    labels = [str(names[k]) for k in order[:_MAX_VALUES]] + ["(others)"] * (
        len(names) > _MAX_VALUES
    )
    return [_row(judged, pairs, label, row_of == row) for row, label in enumerate(labels)]


def _row(judged: Judged, pairs: Pairs, value: str, member: Mask) -> dict[str, Any]:
    mine = member[pairs.clip]
    clips, with_pair = int(member.sum()), len(np.unique(pairs.clip[mine]))
    share = count_interval(with_pair, clips)
    gain = _means(pairs.margins[mine] / judged.unit)
    return {
        "gain": {s: _number(v) for s, v in zip(judged.names, gain, strict=True)},
        "value": value,
        "clips": clips,
        "with_pair": with_pair,
        "yield": share.value,
        "low": share.low,
        "high": share.high,
    }


def _best(clip: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """The place of each clip's strongest comparison, of those that are any."""
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
