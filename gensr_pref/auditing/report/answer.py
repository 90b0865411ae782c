"""One question of the report, its light, and how a light is left undecided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from gensr_pref.statistics.verdicts import MIN_CLUSTERS_FOR_VERDICT

Audit = dict[str, Any]
Verdict = Literal["good", "look", "bad", "unknown"]


@dataclass(frozen=True)
class Answer:
    """One question about the pairs.

    Attributes:
        question: as a newcomer would ask it.
        light: ``good``; ``look``: judge for yourself; ``bad``; ``unknown``: not enough data.
        found: one sentence with the numbers.
        todo: what to do now; empty where nothing.
    """

    question: str
    light: Verdict
    found: str
    todo: str = ""


def undecided_text(clips: int, needs: int | None = None) -> str:
    """How many clips there are, and about how many would decide."""
    if clips < MIN_CLUSTERS_FOR_VERDICT:
        needs = max(needs or 0, MIN_CLUSTERS_FOR_VERDICT)
    return f"Undecided: n = {clips}" + (f", needs about {needs}." if needs else ".")


def interval_of(row: Audit, name: str = "") -> tuple[float | None, float | None]:
    """The bounds of a row: its low and high, or those of the value of that name."""
    bounds = row.get(f"{name}_interval") if name else [row["low"], row["high"]]
    return (bounds[0], bounds[1]) if bounds else (None, None)
