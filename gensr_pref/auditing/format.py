"""Formats intervals and shares as text, for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from gensr_pref.statistics.intervals import MIN_CLUSTERS


def format_interval(value: Sequence[float | None] | None, clusters: int) -> str:
    """Return a value with its bounds, or why there are none; a dash if there is no value."""
    if value is None or value[0] is None:
        return "-"
    return f"{value[0]:+.3f} {format_bounds(value[1], value[2], clusters, '{:+.3f}')}"


def format_bounds(
    low: float | None, high: float | None, clusters: int, form: str = "{:.3f}"
) -> str:
    """Return an interval in brackets, or why there is none.

    Args:
        clusters: number of clusters of the interval.
        form: format of a bound; ``%`` for per cent.
    """
    if low is None or high is None:
        return "[too few]" if clusters < MIN_CLUSTERS else "[all equal]"
    texts = [format_share(bound) if form == "%" else form.format(bound) for bound in (low, high)]
    return f"[{', '.join(texts)}]"


def format_share(value: float | None) -> str:
    """Return a share as per cent; a dash if there is none."""
    return "-" if value is None else f"{100 * value:.0f} %"
