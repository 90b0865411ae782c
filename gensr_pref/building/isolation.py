"""Finding out what of a clip ends the process that works on it, so that it costs nothing else.

Workers tell what they are at. A clip whose scoring ends the process is scored metric by metric, and
a metric that does so again is asked about one candidate at a time. What then still ends the process
is given up, and only that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from gensr_pref.building.tasks import Call, DivisibleTask, Skip
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

T = TypeVar("T", bound=DivisibleTask)


def work_around(task: T, call: Call, why: Unusable) -> T:
    """Return a task without what ended its worker, or with more care there.

    Args:
        task: what the worker was doing.
        place: what the worker was at.
        why: WORKER_DIED, METRIC_ERROR or TIMED_OUT. A metric that takes too long over a clip is not
            asked about each candidate, which could take as many times as long.
    """
    if task.stage == "score" and _may_be_divided(call, why) and call not in task.divided:
        return replace(task, divided=(*task.divided, call))
    skipped = (*task.skipped, Skip(call, why))
    died = [one for one in skipped if one.call.candidate_id and _around(one.call, call)]
    if len(died) >= task.most_deaths:
        skipped = (*skipped, Skip(replace(call, candidate_id=""), why))
    return replace(task, skipped=skipped)


def _may_be_divided(call: Call, why: Unusable) -> bool:
    return not call.plugin or (not call.candidate_id and why.reason is not Reason.TIMED_OUT)


def _around(one: Call, other: Call) -> bool:
    return (one.clip_id, one.plugin) == (other.clip_id, other.plugin)
