"""Finding out what of a clip ends the process that works on it, so that it costs nothing else.

Of folders, a clip whose scoring dies is tried again candidate by candidate, and a candidate that
dies again metric by metric. In a build, whose workers tell what they are at, a shard is scored on
around the clip: metric by metric, and a metric that dies candidate by candidate. What then still
dies is given up, and only that.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gensr_pref.config.run_file import MetricUse
from gensr_pref.apply.audio_folders import FolderClip, FolderTask
from gensr_pref.build.tasks import Event, Hopeless, Lost, Place, Row, ShardTask, Tick
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

ENOUGH = 3  # candidates of a clip that end a metric's process: then it is asked about none of them
Execute = Callable[[Sequence[FolderTask]], Iterable[Event]]


@dataclass(frozen=True)
class Piece:
    """What came of a task.

    Attributes:
        place: of its clip in the sequence that was given.
        task: what was tried.
        rows: one per candidate, each with the scores that were asked for; None where it died.
        why: it died.
    """

    place: int
    task: FolderTask
    rows: tuple[Row, ...] | None
    why: str = ""


def scored(
    clips: Sequence[FolderClip], metrics: Sequence[MetricUse], execute: Execute
) -> Generator[Piece, None, None]:
    """Score clips, each in as few pieces as it can be scored in.

    Args:
        clips: to be scored.
        metrics: of the panel.
        execute: runs tasks, whose `shard` is their place in the sequence, and tells of each.

    Yields:
        One piece per clip where all goes well, in the order in which they are done; of those that
        die only the smallest.
    """
    tried = [(place, FolderTask(0, clip)) for place, clip in enumerate(clips)]
    while tried:
        again: list[tuple[int, FolderTask]] = []
        tasks = [replace(task, shard=number) for number, (_, task) in enumerate(tried)]
        for event in execute(tasks):
            if isinstance(event, Tick):
                yield Piece(*tried[event.shard], event.rows)
            elif isinstance(event, Lost):
                place, task = tried[event.shard]
                smaller = list(_smaller(task, metrics))
                again += [(place, one) for one in smaller]
                if not smaller:
                    yield Piece(place, task, None, event.why)
        tried = again


def _smaller(task: FolderTask, metrics: Sequence[MetricUse]) -> Iterator[FolderTask]:
    """What a task that died is broken into; nothing where it cannot be."""
    if len(task.clip.candidates) > 1:
        for candidate in task.clip.candidates:
            yield replace(task, clip=replace(task.clip, candidates=(candidate,)))
    elif task.metric is None and len(metrics) > 1:
        for metric in metrics:
            yield replace(task, metric=metric)


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
