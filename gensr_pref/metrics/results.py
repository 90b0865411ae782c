"""Result of a panel for one candidate: scores, or nulls with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from gensr_pref.errors import Unusable
from gensr_pref.metrics.base import Answer
from gensr_pref.metrics.members import PanelMember
from gensr_pref.schema import Reason

LARGEST = 3.4028234663852886e38  # float32, the type of the columns of scores


@dataclass(frozen=True)
class CandidateScores:
    """Scores of one candidate by all metrics of a panel.

    Attributes:
        values: every score of the panel by name; None if it could not be computed.
        failures: the reason for each score that is None.
        details: explanation of failures in free text, by score; not every failure has one.
        notes: further values that metrics report, by name, such as a transcript.
        gains: factors by which ``clean`` and ``noisy`` were scaled, if they exceeded full scale.
    """

    values: dict[str, float | None] = field(default_factory=dict)
    failures: dict[str, Reason] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str | float] = field(default_factory=dict)
    gains: dict[str, float] = field(default_factory=dict)

    def fail(self, score: str, error: Exception) -> None:
        """Record why a score could not be computed."""
        if isinstance(error, Unusable):
            reason, detail = error.reason, error.detail
        else:
            reason, detail = Reason.METRIC_ERROR, f"{type(error).__name__}: {error}"
        self.values[score] = None
        self.failures[score] = reason
        if detail:
            self.details[score] = detail

    def record(self, member: PanelMember, answer: Answer) -> None:
        """Record a metric's answer: a number or a reason for each of its scores, and its notes."""
        for score in member.scores:
            try:
                self.values[score.name] = _number(answer, score.name)
            except Exception as error:
                self.fail(score.name, error)
        if isinstance(answer, Mapping):
            for note in member.metric.spec.notes:
                value = answer.get(note.name)
                if isinstance(value, str if note.kind == "text" else Real) and value == value:
                    self.notes[note.name] = value if isinstance(value, str) else float(value)


def _number(answer: Answer, score: str) -> float:
    if isinstance(answer, Exception):
        raise answer
    if not isinstance(answer, Mapping):
        raise TypeError(f"an answer is {type(answer).__name__}, not a mapping or an exception")
    if score not in answer:
        names = ", ".join(map(str, answer)) or "it is empty"
        raise ValueError(f"the answer has no {score!r}: {names}")
    value = answer[score]
    if isinstance(value, Exception):
        raise value
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real | np.number):
        raise TypeError(f"{score} is {value!r}, not a number")
    number = float(value)
    if not abs(number) <= LARGEST:
        raise ValueError(f"{score} is {number}")
    return number
