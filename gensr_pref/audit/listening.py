"""What people heard: how far they agree with the pairs, and which margin they can hear.

An answer is 1 where the listener prefers the chosen, -1 where the rejected, 0 where neither.
Intervals are over clips (`gensr_pref.audit.bootstrap`); a listener who answers twice on a clip
counts twice, and listeners are taken as given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gensr_pref.audit.base import Array, Rows
from gensr_pref.audit.bootstrap import drawn, interval, ratio_interval, totals

BINS = 5
FEWEST = 10  # answers for the fit; our choice
_STEPS = 50
_STEEPEST = 50.0  # per spread; where every answer follows the margin the slope has no bound


@dataclass(frozen=True)
class Answers:
    """Answers about pairs, catch trials left out.

    Attributes:
        clip: [V] number of the clip.
        listener: [V] who.
        pair: [V] number of the pair.
        answer: [V] 1, 0 or -1.
        margins: [V, M] of chosen over rejected per score, in spreads; NaN where unknown.
        smallest: [V] the smallest margin over the votes, in spreads; NaN where unknown.
        clips: numbers of clips are below it.
    """

    clip: Rows
    listener: Sequence[str]
    pair: Rows
    answer: Array
    margins: Array
    smallest: Array
    clips: int


def panel(heard: Answers) -> dict[str, Any]:
    """Shares of all answers that prefer the chosen, neither, or the rejected.

    ``of_decided`` is the share of answers other than a tie that prefer the chosen: 0.5 is chance.
    The yardstick for ``agree`` and ``tie`` is 72 % and 15 % of INTP (arXiv 2505.04113).
    """
    one = np.ones(len(heard.answer))
    kinds = {"agree": 1, "tie": 0, "against": -1}
    is_kind = {name: (heard.answer == value).astype(float) for name, value in kinds.items()}
    decided = 1.0 - is_kind["tie"]
    above = np.stack([*is_kind.values(), is_kind["agree"]], axis=1)
    below = np.stack([one, one, one, decided], axis=1)
    names = [*kinds, "of_decided"]
    found = ratio_interval(heard.clip, above, below, heard.clips)
    told: dict[str, Any] = {}
    for k, (name, triple) in enumerate(zip(names, found, strict=True)):
        total = below[:, k].sum()
        told[name] = float(above[:, k].sum() / total) if total else None
        told[f"{name}_interval"] = list(triple[1:]) if triple else None
    return told


def scores(heard: Answers, names: Sequence[str]) -> list[dict[str, Any]]:
    """Per score, in what share of answers other than a tie it names the side that is preferred.

    Answers about pairs on which the score is equal or null are left out.
    """
    found = []
    for place, name in enumerate(names):
        margin = heard.margins[:, place]
        rows = np.isfinite(margin) & (margin != 0) & (heard.answer != 0)
        same = (np.sign(margin[rows]) == heard.answer[rows]).astype(float)[:, None]
        (triple,) = ratio_interval(heard.clip[rows], same, np.ones_like(same), heard.clips)
        low, high = triple[1:] if triple else (None, None)
        rate = float(same.mean()) if len(same) else None
        found.append({"score": name, "answers": len(same), "rate": rate, "low": low, "high": high})
    return found


def between_listeners(heard: Answers) -> dict[str, Any]:
    """How often two listeners give the same answer on the same pair; None without such pairs."""
    same = total = 0
    for pair in np.unique(heard.pair):
        rows = np.flatnonzero(heard.pair == pair).tolist()
        for i, first in enumerate(rows):
            others = [k for k in rows[i + 1 :] if heard.listener[k] != heard.listener[first]]
            total += len(others)
            same += sum(heard.answer[k] == heard.answer[first] for k in others)
    return {"compared": total, "same": float(same / total) if total else None}


def by_margin(heard: Answers) -> dict[str, Any]:
    """Do people prefer the chosen more often where the smallest margin is larger?

    ``bins``: answers in up to five groups of rising margin, the share that prefer the chosen (a
    tie counts half) with its interval. ``slope`` b of the fit ``P(chosen) = 1 / (1 + exp(-b m))``,
    which is one half at margin 0 as blindness is (Bradley & Terry 1952 with the margin as the
    difference in ability), and ``margin_75 = ln 3 / b``, at which three of four prefer the chosen.
    None where b is not clearly above zero, or there are fewer than `FEWEST` answers.
    """
    known = np.isfinite(heard.smallest)
    margin, credit = heard.smallest[known], (heard.answer[known] + 1) / 2
    clip = heard.clip[known]
    told: dict[str, Any] = {"bins": _bins(margin, credit, clip, heard.clips)}
    told |= dict.fromkeys(("slope", "slope_interval", "margin_75", "margin_75_interval"))
    if len(margin) < FEWEST:
        return told
    slope = logistic_slope(margin, credit)
    low, high = _slope_interval(margin, credit, clip)
    told |= {"slope": slope, "slope_interval": [low, high]}
    if low > 0:
        told |= {
            "margin_75": float(np.log(3) / slope),
            "margin_75_interval": [float(np.log(3) / high), float(np.log(3) / low)],
        }
    return told


def logistic_slope(margin: Array, credit: Array, weight: Array | None = None) -> float:
    """The b that makes ``credit`` [V] in [0, 1] most likely under ``1 / (1 + exp(-b margin))``.

    Newton's method on the concave log-likelihood of one parameter, held within 50 per spread.
    """
    weight = np.ones_like(margin) if weight is None else weight
    slope = 0.0
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(slope * margin, -500, 500)))
        gradient = float((weight * margin * (credit - likely)).sum())
        curvature = float((weight * margin**2 * likely * (1 - likely)).sum())
        if curvature < 1e-9:
            return float(np.sign(slope or gradient) * _STEEPEST) if gradient else slope
        step = float(np.clip(gradient / curvature, -2.0, 2.0))
        slope = float(np.clip(slope + step, -_STEEPEST, _STEEPEST))
        if abs(step) < 1e-10:
            break
    return slope


def catches(
    listener: Sequence[str], kind: Sequence[str], passed: npt.NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """Per listener, how many catch trials there were and how many were failed.

    Args:
        kind: [T] ``pair``, ``same`` (identical sounds, to be called a tie) or ``clean`` (the clean
            clip against the noisy one).
        passed: [T] whether the answer was right; of pairs it is not looked at.
    """
    who, what = np.array(listener, dtype=str), np.array(kind, dtype=str)
    return [
        {
            "listener": str(name),
            "answers": int(((who == name) & (what == "pair")).sum()),
            **{k: int(((who == name) & (what == k)).sum()) for k in ("same", "clean")},
            **{
                f"{k}_failed": int(((who == name) & (what == k) & ~passed).sum())
                for k in ("same", "clean")
            },
        }
        for name in np.unique(who)
    ]


def _bins(margin: Array, credit: Array, clip: Rows, clips: int) -> list[dict[str, Any]]:
    order = np.argsort(margin, kind="stable")
    count = min(BINS, len(order) // 4)
    found = []
    for rows in np.array_split(order, count) if count else ():
        value = credit[rows][:, None]
        sums = totals(clip[rows], np.concatenate([value, np.ones_like(value)], axis=1), clips)
        (triple,) = interval(sums, lambda t: t[..., :1] / t[..., 1:])
        rate = float(value.mean())
        low, high = triple[1:] if triple else (rate, rate)
        found.append(
            {
                "margin": float(margin[rows].mean()),
                "answers": len(rows),
                "rate": rate,
                "low": low,
                "high": high,
            }
        )
    return found


def _slope_interval(
    margin: Array, credit: Array, clip: Rows, rounds: int = 500
) -> tuple[float, float]:
    """The percentile interval of the slope, clips drawn with replacement."""
    several, number = np.unique(clip, return_inverse=True)
    often = drawn(np.eye(len(several)), rounds)
    slopes = [logistic_slope(margin, credit, weight[number]) for weight in often]
    low, high = np.quantile(slopes, [0.025, 0.975])
    return float(low), float(high)
