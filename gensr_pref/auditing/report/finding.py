"""Defines a finding of the report: a question about the pairs, a verdict, and its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gensr_pref.errors import quantity
from gensr_pref.statistics.verdicts import MIN_CLUSTERS_FOR_VERDICT

Verdict = Literal["good", "check", "problem", "undecided"]


@dataclass(frozen=True)
class Finding:
    """The answer to one question about the run.

    Attributes:
        question: the question in a newcomer's words.
        verdict: ``good``; ``check``: the reader must judge; ``problem``; ``undecided``: not enough
            data.
        text: sentences with the numbers.
        next_step: what to do next; empty if nothing.
    """

    question: str
    verdict: Verdict
    text: str
    next_step: str = ""


def undecided_text(clips: int, needs: int | None = None) -> str:
    """Return a sentence on how many clips there are, and about how many would decide."""
    if clips < MIN_CLUSTERS_FOR_VERDICT:
        needs = max(needs or 0, MIN_CLUSTERS_FOR_VERDICT)
    text = f"Undecided with {quantity(clips, 'clip')}"
    return f"{text}; about {needs} would decide." if needs else f"{text}."


def interval_of(row: Mapping[str, Any], name: str = "") -> tuple[float | None, float | None]:
    """Return the bounds of a row of the audit: its low and high, or those of the value `name`."""
    bounds = row.get(f"{name}_interval") if name else [row["low"], row["high"]]
    return (bounds[0], bounds[1]) if bounds else (None, None)
