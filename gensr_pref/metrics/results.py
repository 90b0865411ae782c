"""What a panel says of a candidate: numbers, or nulls with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from gensr_pref.errors import Unusable
from gensr_pref.metrics.base import Answer
from gensr_pref.metrics.members import Member
from gensr_pref.schema import Reason

LARGEST = 3.4028234663852886e38  # of the float32 columns that scores are stored in


@dataclass(frozen=True)
class CandidateScores:
    """What the panel says of one candidate.

    Attributes:
        values: every score of the panel by name; None where it could not be had.
        failures: why, for each score that is None.
        details: the same in free text, where there is more to say.
        notes: what metrics tell besides, by name, such as a transcript.
        gains: by which ``clean`` and ``noisy`` were scaled, for those that exceeded full scale.
    """

    values: dict[str, float | None] = field(default_factory=dict)
    failures: dict[str, Reason] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str | float] = field(default_factory=dict)
    gains: dict[str, float] = field(default_factory=dict)

    def fail(self, score: str, error: Exception) -> None:
        """Record that a score could not be had."""
        if isinstance(error, Unusable):
            reason, detail = error.reason, error.detail
        else:
            reason, detail = Reason.METRIC_ERROR, f"{type(error).__name__}: {error}"
        self.values[score] = None
        self.failures[score] = reason
        if detail:
            self.details[score] = detail

    def record(self, member: Member, answer: Answer) -> None:
        """Take down what a metric said: a number or a reason for each of its scores, its notes."""
        for score in member.scores:
            try:
                self.values[score.name] = _number(answer, score.name)
            except Exception as error:
                self.fail(score.name, error)
        if isinstance(answer, Mapping):
            for note in member.metric.spec.notes:
                told = answer.get(note.name)
                if isinstance(told, str if note.kind == "text" else Real) and told == told:
                    self.notes[note.name] = told if isinstance(told, str) else float(told)


def _number(answer: Answer, score: str) -> float:
    if isinstance(answer, Exception):
        raise answer
    if not isinstance(answer, Mapping):
        raise TypeError(f"an answer is {type(answer).__name__}, not a mapping or an exception")
    if score not in answer:
        raise ValueError(f"no {score!r} in what it gave: {', '.join(answer) or 'nothing'}")
    value = answer[score]
    if isinstance(value, Exception):
        raise value
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real | np.number):
        raise TypeError(f"{score} is {value!r}, not a number")
    number = float(value)
    if not abs(number) <= LARGEST:
        raise ValueError(f"{score} is {number}")
    return number
