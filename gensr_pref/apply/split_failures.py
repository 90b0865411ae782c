"""Scoring of files, so that what ends a process costs nothing else.

A clip whose scoring dies is tried again candidate by candidate, and a candidate that dies again
metric by metric. What then still dies is given up, and only that.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gensr_pref.apply.audio_folders import FolderClip, FolderTask
from gensr_pref.building.tasks import Event, Lost, Row, Tick
from gensr_pref.config.run_file import MetricUse

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
