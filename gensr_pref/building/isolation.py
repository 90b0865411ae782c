"""Isolates the call that ends a worker, so that nothing else of its clip is lost.

Workers report each call before they make it. If scoring a clip ends the process, the clip is scored
one metric at a time. A metric that ends the process again scores one candidate at a time. Only the
calls that still end the process are given up. A call to a generator or the whole panel is first
repeated as it is; `ray_pool` decides how often.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from gensr_pref.building.tasks import Call, DivisibleTask, Skip
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

T = TypeVar("T", bound=DivisibleTask)


def divide_or_skip(task: T, call: Call, why: Unusable) -> T:
    """Return a task that divides or skips the call that ended its worker.

    Args:
        task: the worker's task.
        call: the call that the worker was making.
        why: WORKER_DIED, METRIC_ERROR or TIMED_OUT. After a timeout, a metric's call for a clip is
            not divided by candidate, because each candidate could take as long.
    """
    if task.stage == "score" and _may_be_divided(call, why) and call not in task.divided:
        return replace(task, divided=(*task.divided, call))
    skipped = (*task.skipped, Skip(call, why))
    died = [skip for skip in skipped if skip.call.candidate_id and _same_metric(skip.call, call)]
    if len(died) >= task.most_deaths:
        skipped = (*skipped, Skip(replace(call, candidate_id=""), why))
    return replace(task, skipped=skipped)


def _may_be_divided(call: Call, why: Unusable) -> bool:
    return not call.plugin or (not call.candidate_id and why.reason is not Reason.TIMED_OUT)


def _same_metric(one: Call, other: Call) -> bool:
    """Return whether two calls are of the same metric for the same clip."""
    return (one.clip_id, one.plugin) == (other.clip_id, other.plugin)
