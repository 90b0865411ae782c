"""Decides whether an estimate supports a verdict, and how many clusters would be needed for one.

A verdict needs an interval that excludes the threshold, and at least `MIN_CLUSTERS_FOR_VERDICT`
clusters. Absence of evidence is not a verdict: "harmless" needs an interval within harmless bounds.
"""

from __future__ import annotations

import math

# With fewer than eight clusters, all of them are on one side by chance in more than one case of a
# hundred (2 * 0.5^7 = .016; eight: .008). A report page makes about ten such judgements.
MIN_CLUSTERS_FOR_VERDICT = 8
_MAX_NEEDED = 1_000_000  # a larger number is no help in planning

Bound = float | None


def side_of_threshold(low: Bound, high: Bound, clusters: int, threshold: float = 0.0) -> int:
    """Return 1 if an interval lies above a threshold, -1 if below, 0 if undecided."""
    if low is None or high is None or clusters < MIN_CLUSTERS_FOR_VERDICT:
        return 0
    return 1 if low > threshold else -1 if high < threshold else 0


def is_within(low: Bound, high: Bound, clusters: int, least: float, most: float) -> bool:
    """Return whether an interval lies between two harmless bounds."""
    return (
        side_of_threshold(low, high, clusters, least) == 1
        and side_of_threshold(low, high, clusters, most) == -1
    )


def clusters_needed(
    value: Bound, low: Bound, high: Bound, clusters: int, threshold: float
) -> int | None:
    """Return about how many clusters would decide, if the estimate stayed as it is.

    The width of an interval shrinks with the root of the number of clusters, so that
    ``N = n (reach / distance)^2``, with the reach of the interval towards the threshold. None if
    there is no interval, or if the estimate is on the threshold.
    """
    if value is None or low is None or high is None or value == threshold:
        return None
    reach = value - low if value > threshold else high - value
    count = math.ceil(clusters * (reach / (value - threshold)) ** 2)
    return max(count, MIN_CLUSTERS_FOR_VERDICT) if count <= _MAX_NEEDED else None
