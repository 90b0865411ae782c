"""Finding out what of a clip ends the process that works on it, so that it costs nothing else.

Of folders, a clip whose scoring dies is tried again candidate by candidate, and a candidate that
dies again metric by metric. In a build, whose workers tell what they are at, a shard is scored on
around the clip: metric by metric, and a metric that dies candidate by candidate. What then still
dies is given up, and only that.
"""

from __future__ import annotations

from dataclasses import replace

from gensr_pref.building.tasks import Hopeless, Place, ShardTask
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

ENOUGH = 3  # candidates of a clip that end a metric's process: then it is asked about none of them


def around(task: ShardTask, place: Place, why: Unusable) -> ShardTask:
    """A task that is to be done again without what ended its worker, or with more care there.

    Args:
        place: what the worker was at.
        why: WORKER_DIED or TIMED_OUT. A metric that takes too long over a clip is not asked about
            each candidate, which could take as many times as long.
    """
    if task.stage == "score" and _may_be_divided(place, why):
        return replace(task, wary=(*task.wary, place))
    hopeless = (*task.hopeless, Hopeless(place, why))
    died = [one for one in hopeless if one.place.candidate_id and _around(one.place, place)]
    if len(died) >= ENOUGH:
        hopeless = (*hopeless, Hopeless(replace(place, candidate_id=""), why))
    return replace(task, hopeless=hopeless)


def _may_be_divided(place: Place, why: Unusable) -> bool:
    return not place.asked or (not place.candidate_id and why.reason is Reason.WORKER_DIED)


def _around(one: Place, other: Place) -> bool:
    return (one.clip_id, one.asked) == (other.clip_id, other.asked)
