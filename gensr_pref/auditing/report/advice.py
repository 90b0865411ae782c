"""What to type where luck finds nearly as many pairs as the scores do."""

from __future__ import annotations

from typing import Any

from gensr_pref.auditing.report.format import format_number, percent
from gensr_pref.errors import quantity

MIN_GAIN = 0.05  # of the clips, by which margins must beat luck to be advised; our choice


def advise_margins(found: dict[str, Any]) -> str:
    """The margins at which the yield is farthest above luck, as a command.

    General advice where they gain nothing, or are not what the rule goes by.
    """
    rows = [row for row in found.get("yield_by_margin") or [] if row["by_chance"] is not None]
    scales = found.get("panel", {}).get("scales") or {}
    best = max(rows, key=_above_chance, default=None)
    gains = best is not None and _above_chance(best) >= MIN_GAIN
    if not best or not gains or not best["spreads"] or found.get("rule") != "unanimous":
        return "Ask for larger margins or fewer candidates, and look at the hold-out scores."
    settings = " ".join(
        f"margin.{name}={format_number(of['margin'] + best['spreads'] * of['spread'])}"
        for name, of in scales.items()
    )
    return (
        f"With margins of {quantity(best['spreads'], 'spread')} {percent(best['yield'])} of the "
        f"clips keep one, {percent(best['by_chance'])} by luck: gensr-pref pair DIR {settings}"
    )


def _above_chance(row: dict[str, Any]) -> float:
    return float(row["yield"] - row["by_chance"])
