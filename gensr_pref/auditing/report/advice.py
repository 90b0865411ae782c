"""Advises margins for runs in which nearly as many clips have a pair by chance."""

from __future__ import annotations

from gensr_pref.auditing.document import Audit
from gensr_pref.auditing.panel_yields import MarginYield
from gensr_pref.auditing.report.format import format_significant, percent
from gensr_pref.errors import quantity

MIN_GAIN = 0.05  # smallest yield above chance, as a share of the clips, to advise margins for; ours


def advise_margins(audit: Audit) -> str:
    """Return the command for the margins whose yield is farthest above the chance level.

    The advice is a general one if margins gain nothing, or if the rule does not use them.
    """
    rows = [row for row in audit.get("yield_by_margin") or [] if row["by_chance"] is not None]
    scales = audit.get("panel", {}).get("scales") or {}
    best = max(rows, key=_above_chance, default=None)
    gains = best is not None and _above_chance(best) >= MIN_GAIN
    if not best or not gains or not best["spreads"] or audit.get("rule") != "unanimous":
        return "Try larger margins or fewer candidates, and look at the scores that did not vote."
    settings = " ".join(
        f"margin.{name}={format_significant(scale['margin'] + best['spreads'] * scale['spread'])}"
        for name, scale in scales.items()
    )
    return (
        f"With margins of {quantity(best['spreads'], 'spread')}, {percent(best['yield'])} of the "
        f"clips keep a pair, {percent(best['by_chance'])} by chance: "
        f"gensr-pref pair DIR {settings}"
    )


def _above_chance(row: MarginYield) -> float:
    return (row["yield"] or 0.0) - (row["by_chance"] or 0.0)
