"""What people heard: how far they agree with the pairs, and which margin they can hear.

An answer is 1 where the listener prefers the chosen, -1 where the rejected, 0 where neither.
Intervals are over clips (`gensr_pref.statistics.intervals`): all answers on a clip are one cluster,
whoever gave them; what two or more listeners vary beyond chance is added. Of one listener, an
interval covers the choice of clips only. Answers of a listener who fails too many catch trials do
not count (`is_attentive`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gensr_pref.auditing.base import Array, Rows
from gensr_pref.statistics.intervals import MIN_CLUSTERS, quantile, share_interval

BINS = 5
MIN_ANSWERS = 10  # for the fit; our choice
LAPSE = 0.05  # of the catch trials, an attentive listener fails; our choice
GUESS = 2 / 3  # of them fails who presses any of the three buttons
_STEPS = 50
_MAX_SLOPE = 50.0  # per spread; where every answer follows the margin the slope has no bound


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

    @property
    def people(self) -> Rows:
        """[V] number of the listener."""
        return np.unique(np.array(self.listener, dtype=str), return_inverse=True)[1]

    def without(self, listeners: Collection[str]) -> Answers:
        """The answers of everyone else."""
        kept = np.array([name not in listeners for name in self.listener], dtype=bool)
        return Answers(
            clip=self.clip[kept],
            listener=[name for name in self.listener if name not in listeners],
            pair=self.pair[kept],
            answer=self.answer[kept],
            margins=self.margins[kept],
            smallest=self.smallest[kept],
            clips=self.clips,
        )


def panel_agreement(heard: Answers) -> dict[str, Any]:
    """Shares of all answers that prefer the chosen, neither, or the rejected.

    ``of_decided`` is the share of answers other than a tie that prefer the chosen: 0.5 is chance.
    ``clips`` is how many have such an answer.
    The yardstick for ``agree`` and ``tie`` is 72 % and 15 % of INTP (arXiv 2505.04113).
    """
    decided = heard.answer != 0
    asked = {
        "agree": (heard.answer == 1, slice(None)),
        "tie": (heard.answer == 0, slice(None)),
        "against": (heard.answer == -1, slice(None)),
        "of_decided": (heard.answer == 1, decided),
    }
    told: dict[str, Any] = {"clips": len(np.unique(heard.clip[decided]))}
    for name, (hits, rows) in asked.items():
        of = heard.clip[rows], hits[rows].astype(np.float64), heard.people[rows]
        found = share_interval(*of)
        told |= {name: found.value, f"{name}_interval": found.bounds}
    return told


def score_agreement(heard: Answers, names: Sequence[str]) -> list[dict[str, Any]]:
    """Per score, in what share of answers other than a tie it names the side that is preferred.

    Answers about pairs on which the score is equal or null are left out.
    """
    found = []
    for place, name in enumerate(names):
        margin = heard.margins[:, place]
        rows = np.isfinite(margin) & (margin != 0) & (heard.answer != 0)
        same = (np.sign(margin[rows]) == heard.answer[rows]).astype(np.float64)
        rate = share_interval(heard.clip[rows], same, heard.people[rows])
        bounds = {"rate": rate.value, "low": rate.low, "high": rate.high}
        found.append({"score": name, "answers": len(same), "clips": rate.clusters, **bounds})
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
    None where b is not clearly above zero, or there are fewer than `MIN_ANSWERS`.
    """
    known = np.isfinite(heard.smallest)
    margin, credit = heard.smallest[known], (heard.answer[known] + 1) / 2
    clip = heard.clip[known]
    told: dict[str, Any] = {"bins": _bins(margin, credit, clip, heard.people[known])}
    told |= dict.fromkeys(("slope", "slope_interval", "margin_75", "margin_75_interval"))
    if len(margin) < MIN_ANSWERS:
        return told
    slope = logistic_slope(margin, credit)
    bounds = _slope_interval(margin, credit, clip, slope)
    told |= {"slope": slope, "slope_interval": bounds}
    low, high = bounds or (0.0, 0.0)
    if low > 0:
        told |= {
            "margin_75": float(np.log(3) / slope),
            "margin_75_interval": [float(np.log(3) / high), float(np.log(3) / low)],
        }
    return told


def logistic_slope(margin: Array, credit: Array) -> float:
    """The b that makes ``credit`` [V] in [0, 1] most likely under ``1 / (1 + exp(-b margin))``.

    Newton's method on the concave log-likelihood of one parameter, held within 50 per spread.
    """
    slope = 0.0
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(slope * margin, -500, 500)))
        gradient = float((margin * (credit - likely)).sum())
        curvature = float((margin**2 * likely * (1 - likely)).sum())
        if curvature < 1e-9:
            return float(np.sign(slope or gradient) * _MAX_SLOPE) if gradient else slope
        step = float(np.clip(gradient / curvature, -2.0, 2.0))
        slope = float(np.clip(slope + step, -_MAX_SLOPE, _MAX_SLOPE))
        if abs(step) < 1e-10:
            break
    return slope


def is_attentive(failed: int, count: int) -> bool:
    """Return whether catch trials are likelier those of an attentive listener than of a guesser.

    The first fails `LAPSE` of them, the second `GUESS`; the rule compares the two binomial
    likelihoods (Neyman & Pearson 1933). So one failure in one, two or three is too many, one in
    four is not; of many, about 29 % may be failed. Without a catch trial the answers count.
    """
    passed = count - failed
    attentive = failed * np.log(LAPSE) + passed * np.log(1 - LAPSE)
    return bool(attentive >= failed * np.log(GUESS) + passed * np.log(1 - GUESS))


def catch_trials(
    listener: Sequence[str], kind: Sequence[str], passed: npt.NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """Count per listener the answers and the catch trials given and failed.

    Args:
        kind: [T] ``pair``, ``same`` (identical sounds, to be called a tie) or ``clean`` (the clean
            clip against the noisy one).
        passed: [T] whether the answer was right; of pairs it is not looked at.

    Returns:
        Per listener also ``counted``, and ``why`` not: ``failed_catches`` or None.
    """
    who, what = np.array(listener, dtype=str), np.array(kind, dtype=str)
    return [
        _catch_row(str(name), what[who == name], passed[who == name]) for name in np.unique(who)
    ]


def _catch_row(
    name: str, kind: npt.NDArray[np.str_], passed: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    count = {one: int((kind == one).sum()) for one in ("same", "clean")}
    failed = {f"{one}_failed": int(((kind == one) & ~passed).sum()) for one in count}
    counts = is_attentive(sum(failed.values()), sum(count.values()))
    return {
        "listener": name,
        "answers": int((kind == "pair").sum()),
        **count,
        **failed,
        "counted": counts,
        "why": None if counts else "failed_catches",
    }


def _bins(margin: Array, credit: Array, clip: Rows, people: Rows) -> list[dict[str, Any]]:
    order = np.argsort(margin, kind="stable")
    count = min(BINS, len(order) // 4)
    found = []
    for rows in np.array_split(order, count) if count else ():
        rate = share_interval(clip[rows], credit[rows], people[rows])
        found.append(
            {
                "margin": float(margin[rows].mean()),
                "answers": len(rows),
                "rate": rate.value,
                "low": rate.low,
                "high": rate.high,
            }
        )
    return found


def _slope_interval(margin: Array, credit: Array, clip: Rows, slope: float) -> list[float] | None:
    """The slopes that a score test over clips does not refuse; None for few clips.

    With U(b) the sum of ``margin (credit - P(b))`` and V(b) that of ``margin^2 P (1 - P)``, b is
    refused where ``|U| > t sqrt(D V)``: t is Student's quantile for G - 1 clips, D how much the
    sums of clips vary beyond V at the fitted slope, at least 1 (Rao & Scott 1984, Annals of
    Statistics 12). A bound is looked for within 50 per spread.
    """
    number = np.unique(clip, return_inverse=True)[1]
    count = int(number.max()) + 1
    if count < MIN_CLUSTERS or abs(slope) >= _MAX_SLOPE:
        return None

    def likely(b: float) -> Array:
        return np.asarray(1 / (1 + np.exp(-np.clip(b * margin, -500, 500))))

    def variance(b: float) -> float:
        return float((margin**2 * likely(b) * (1 - likely(b))).sum())

    sums = np.bincount(number, margin * (credit - likely(slope)))
    design = max(1.0, count / (count - 1) * float((sums**2).sum()) / variance(slope))
    reach = quantile(count - 1) * np.sqrt(design)

    def excess(b: float) -> float:
        return float(abs((margin * (credit - likely(b))).sum()) - reach * np.sqrt(variance(b)))

    return [_crossing(excess, slope, -_MAX_SLOPE), _crossing(excess, slope, _MAX_SLOPE)]


def _crossing(excess: Callable[[float], float], inside: float, outside: float) -> float:
    """Where `excess` first rises above 0 on the way out; the end where it never does."""
    from scipy.optimize import brentq

    last = inside
    for step in np.geomspace(0.01, abs(outside - inside), 60):
        here = inside + float(np.copysign(step, outside - inside))
        if excess(here) > 0:
            return float(brentq(excess, last, here)) if excess(last) < 0 else last
        last = here
    return outside
