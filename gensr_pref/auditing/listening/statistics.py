"""Computes how often people agree with the pairs, and how that depends on the margin.

An answer is 1 if the listener prefers the chosen, -1 for the rejected, and 0 for a tie. Intervals
are over clips (`gensr_pref.statistics.intervals`): all answers on a clip are one cluster, whoever
gave them. With two or more listeners, their variance beyond chance is added; with one, an interval
only covers the choice of clips. Answers of a listener who fails too many catch trials do not count
(`is_attentive`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from gensr_pref.auditing.base import Array, Mask, Rows
from gensr_pref.statistics.intervals import MIN_CLUSTERS, Estimate, quantile, share_interval

BINS = 5
MIN_ANSWERS = 10  # for the fit; our choice
LAPSE = 0.05  # share of catch trials that an attentive listener fails; our choice
GUESS = 2 / 3  # share that a listener fails who presses the three buttons at random
_STEPS = 50
_MAX_SLOPE = 50.0  # per spread; the slope is infinite if every answer follows the margin


@dataclass(frozen=True)
class Answers:
    """Answers about pairs, without catch trials.

    Attributes:
        clip: [V] clip number.
        listener: [V] listener's name.
        pair: [V] pair number.
        answer: [V] 1, 0 or -1.
        margins: [V, M] how much better chosen is per score, in spreads; NaN where unknown.
        smallest: [V] the smallest margin over the votes, in spreads; NaN where unknown.
        clips: the number of clips of the run; clip numbers are below it.
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
        """[V] listener numbers."""
        return np.unique(np.array(self.listener, dtype=str), return_inverse=True)[1]

    def without(self, listeners: Collection[str]) -> Answers:
        """Return the answers of all other listeners."""
        others = np.array([name not in listeners for name in self.listener], dtype=bool)
        return Answers(
            clip=self.clip[others],
            listener=[name for name in self.listener if name not in listeners],
            pair=self.pair[others],
            answer=self.answer[others],
            margins=self.margins[others],
            smallest=self.smallest[others],
            clips=self.clips,
        )


class PanelAgreement(TypedDict):
    """The shares of the answers that agree with the pairs, each with its interval.

    Keys:
        clips: the number of clips with an answer other than a tie.
        agree, tie, against: shares that prefer the chosen, neither, or the rejected.
        of_decided: share of answers other than ties that prefer the chosen: 0.5 is chance.
    """

    clips: int
    agree: float | None
    agree_interval: list[float] | None
    tie: float | None
    tie_interval: list[float] | None
    against: float | None
    against_interval: list[float] | None
    of_decided: float | None
    of_decided_interval: list[float] | None


class ScoreAgreement(TypedDict):
    """The share of answers with which a score agrees."""

    score: str
    answers: int
    clips: int
    rate: float | None
    low: float | None
    high: float | None


class ListenerAgreement(TypedDict):
    """The number of answers of two listeners on the same pair, and the share of equal ones."""

    compared: int
    same: float | None


class MarginBin(TypedDict):
    """Answers of similar margin, and the share that prefers the chosen."""

    margin: float
    answers: int
    rate: float | None
    low: float | None
    high: float | None


class MarginFit(TypedDict):
    """The dependence of the answers on the smallest margin; see `by_margin`."""

    bins: list[MarginBin]
    slope: float | None
    slope_interval: list[float] | None
    margin_75: float | None
    margin_75_interval: list[float] | None


class CatchRow(TypedDict):
    """The catch trials of one listener."""

    listener: str
    answers: int
    same: int
    clean: int
    same_failed: int
    clean_failed: int
    counted: bool
    why: str | None


def panel_agreement(answers: Answers) -> PanelAgreement:
    """Return the shares of the answers that prefer the chosen, neither, or the rejected.

    For comparison: in INTP (arXiv 2505.04113), ``agree`` is 72 % and ``tie`` is 15 %.
    """
    decided = answers.answer != 0
    everyone = np.ones(len(decided), dtype=bool)
    agree, tie, against = (_answer_share(answers, value, everyone) for value in (1, 0, -1))
    of_decided = _answer_share(answers, 1, decided)
    return {
        "clips": len(np.unique(answers.clip[decided])),
        "agree": agree.value,
        "agree_interval": agree.bounds,
        "tie": tie.value,
        "tie_interval": tie.bounds,
        "against": against.value,
        "against_interval": against.bounds,
        "of_decided": of_decided.value,
        "of_decided_interval": of_decided.bounds,
    }


def _answer_share(answers: Answers, value: int, rows: Mask) -> Estimate:
    """Estimate the share of some answers that have a value."""
    hits = (answers.answer[rows] == value).astype(np.float64)
    return share_interval(answers.clip[rows], hits, answers.people[rows])


def score_agreement(answers: Answers, names: Sequence[str]) -> list[ScoreAgreement]:
    """Return how often each score prefers the same candidate as the answer; ties are left out.

    Answers about pairs on which the score is equal or null are left out, too.
    """
    results: list[ScoreAgreement] = []
    for index, name in enumerate(names):
        margin = answers.margins[:, index]
        rows = np.isfinite(margin) & (margin != 0) & (answers.answer != 0)
        same = (np.sign(margin[rows]) == answers.answer[rows]).astype(np.float64)
        rate = share_interval(answers.clip[rows], same, answers.people[rows])
        results.append(
            {
                "score": name,
                "answers": len(same),
                "clips": rate.clusters,
                "rate": rate.value,
                "low": rate.low,
                "high": rate.high,
            }
        )
    return results


def between_listeners(answers: Answers) -> ListenerAgreement:
    """Return how often two listeners give the same answer on the same pair; None without any."""
    same = total = 0
    for pair in np.unique(answers.pair):
        rows = np.flatnonzero(answers.pair == pair).tolist()
        for i, first in enumerate(rows):
            others = [k for k in rows[i + 1 :] if answers.listener[k] != answers.listener[first]]
            total += len(others)
            same += sum(answers.answer[k] == answers.answer[first] for k in others)
    return {"compared": total, "same": float(same / total) if total else None}


def by_margin(answers: Answers) -> MarginFit:
    """Measure whether people prefer the chosen more often if the smallest margin is larger.

    ``bins``: answers in up to five groups of increasing margin, and the share that prefers the
    chosen (a tie counts half) with its interval. ``slope``: the b of the fit
    ``P(chosen) = 1 / (1 + exp(-b m))``, which is one half at margin 0, as it must be in a blind
    test (Bradley & Terry 1952, with the margin as the difference in ability). ``margin_75``:
    ``ln 3 / b``, where three of four prefer the chosen; None if b is not clearly above zero. With
    fewer than `MIN_ANSWERS`, slope and margin are None.
    """
    known = np.isfinite(answers.smallest)
    margin, credit = answers.smallest[known], (answers.answer[known] + 1) / 2
    clip = answers.clip[known]
    results: MarginFit = {
        "bins": _bins(margin, credit, clip, answers.people[known]),
        "slope": None,
        "slope_interval": None,
        "margin_75": None,
        "margin_75_interval": None,
    }
    if len(margin) < MIN_ANSWERS:
        return results
    slope = logistic_slope(margin, credit)
    bounds = _slope_interval(margin, credit, clip, slope)
    results["slope"], results["slope_interval"] = slope, bounds
    low, high = bounds or (0.0, 0.0)
    if low > 0:
        results["margin_75"] = float(np.log(3) / slope)
        results["margin_75_interval"] = [float(np.log(3) / high), float(np.log(3) / low)]
    return results


def logistic_slope(margin: Array, credit: Array) -> float:
    """Fit b in ``P = 1 / (1 + exp(-b margin))`` to ``credit`` [V] in [0, 1] by maximum likelihood.

    Newton's method on the concave log-likelihood of one parameter, limited to 50 per spread.
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
    """Return whether failed catch trials indicate an attentive listener rather than a guesser.

    An attentive listener fails `LAPSE` of them, a guesser `GUESS`; the rule compares the two
    binomial likelihoods (Neyman & Pearson 1933). So one failure in one, two or three trials is too
    many, one in four is not; of many trials, about 29 % may be failed. Without catch trials the
    answers count.
    """
    passed = count - failed
    attentive = failed * np.log(LAPSE) + passed * np.log(1 - LAPSE)
    return bool(attentive >= failed * np.log(GUESS) + passed * np.log(1 - GUESS))


def catch_trials(listener: Sequence[str], kind: Sequence[str], passed: Mask) -> list[CatchRow]:
    """Count each listener's answers, and the catch trials given and failed.

    Args:
        listener: [T] listener's name.
        kind: [T] ``pair``, ``same`` (identical sounds: a tie is right) or ``clean`` (the clean clip
            and the anchor).
        passed: [T] whether the answer was right; ignored for pairs.

    Returns:
        Per listener the counts, ``counted``, and ``why`` not: ``failed_catches`` or None.
    """
    who, what = np.array(listener, dtype=str), np.array(kind, dtype=str)
    return [
        _catch_row(str(name), what[who == name], passed[who == name]) for name in np.unique(who)
    ]


def _catch_row(name: str, kind: npt.NDArray[np.str_], passed: Mask) -> CatchRow:
    count = {catch: int((kind == catch).sum()) for catch in ("same", "clean")}
    failed = {catch: int(((kind == catch) & ~passed).sum()) for catch in count}
    counts = is_attentive(sum(failed.values()), sum(count.values()))
    return {
        "listener": name,
        "answers": int((kind == "pair").sum()),
        "same": count["same"],
        "clean": count["clean"],
        "same_failed": failed["same"],
        "clean_failed": failed["clean"],
        "counted": counts,
        "why": None if counts else "failed_catches",
    }


def _bins(margin: Array, credit: Array, clip: Rows, people: Rows) -> list[MarginBin]:
    order = np.argsort(margin, kind="stable")
    count = min(BINS, len(order) // 4)
    results: list[MarginBin] = []
    for rows in np.array_split(order, count) if count else ():
        rate = share_interval(clip[rows], credit[rows], people[rows])
        results.append(
            {
                "margin": float(margin[rows].mean()),
                "answers": len(rows),
                "rate": rate.value,
                "low": rate.low,
                "high": rate.high,
            }
        )
    return results


def _slope_interval(margin: Array, credit: Array, clip: Rows, slope: float) -> list[float] | None:
    """Return the slopes that a score test over clips does not reject; None for few clips.

    With U(b) the sum of ``margin (credit - P(b))`` and V(b) that of ``margin^2 P (1 - P)``, b is
    rejected if ``|U| > t sqrt(D V)``. t is Student's quantile for G - 1 clips; D, at least 1, is
    the variance of the clips' sums divided by V at the fitted slope (Rao & Scott 1984, Annals of
    Statistics 12). The bounds are limited to 50 per spread.
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
    """Return the point from `inside` on where `excess` first exceeds 0; `outside` if none does."""
    from scipy.optimize import brentq

    last = inside
    for step in np.geomspace(0.01, abs(outside - inside), 60):
        point = inside + float(np.copysign(step, outside - inside))
        if excess(point) > 0:
            return float(brentq(excess, last, point)) if excess(last) < 0 else last
        last = point
    return outside
