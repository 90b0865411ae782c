"""Computes how often people agree with the pairs, with the scores and with each other.

An answer is 1 if the listener prefers the chosen, -1 for the rejected, and 0 for a tie. Intervals
are over clips (`gensr_pref.statistics.intervals`): all answers on a clip are one cluster, whoever
gave them. With two or more listeners, their variance beyond chance is added; with one, an interval
only covers the choice of clips. Answers of a listener who fails too many catch trials do not count
(`gensr_pref.auditing.listening.catch_trials`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from gensr_pref.auditing.base import Array, Mask, Rows
from gensr_pref.statistics.intervals import Estimate, share_interval


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
