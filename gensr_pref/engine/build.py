"""A build: every shard that is not on disk yet, then the pairs, then the summary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gensr_pref import shards
from gensr_pref.config import Run
from gensr_pref.engine import actors, rundir, serial
from gensr_pref.engine.blueprint import Blueprint, draw_up
from gensr_pref.engine.pair import write_pairs
from gensr_pref.engine.progress import Progress
from gensr_pref.engine.summary import NOTICES, write_summary
from gensr_pref.engine.work import (
    Event,
    Finished,
    Lost,
    Notice,
    Restarted,
    Setup,
    ShardTask,
    ShardWorker,
    Stage,
    Tick,
    write_failures,
)

_MADE_BY: dict[Stage, tuple[shards.Table, ...]] = {
    "sample": ("candidates", "clips"),
    "score": ("scores",),
}


def build(run: Run, base: Path, out: Path) -> dict[str, Any]:
    """Make a run directory, or continue one.

    Args:
        run: the run file.
        base: the folder its relative paths start from.
        out: the run directory.

    Returns:
        What ``summary.json`` holds. Where its ``complete`` is false, some shards could not be
        made (``lost``); everything else is there, and the same call tries them again.

    Raises:
        InputError: before any work, when something in the run file or corpus is wrong.
        StorageError: the directory cannot be written; what is finished stays.
    """
    out, base = out.absolute(), base.absolute()  # anyone's code may change the working folder
    blueprint = draw_up(run, base)
    with rundir.opened(out, blueprint):
        jobs = outstanding(blueprint, out)
        write_failures(
            shards.part(out, "failures", 0, "plan"), list(blueprint.failures), blueprint.facts
        )
        setup = Setup(run, base, out, blueprint.facts, blueprint.texts)
        lost = _watch(_execute(setup, jobs), blueprint, jobs, out)
        if shards.parts(out, "scores"):
            write_pairs(out, blueprint.document)
        return write_summary(out, blueprint.document, blueprint.shards, lost)


def outstanding(blueprint: Blueprint, out: Path) -> list[list[ShardTask]]:
    """For each shard, the tasks whose part files are not on disk."""
    return [job for shard in range(blueprint.shards) if (job := _job(blueprint, out, shard))]


def _job(blueprint: Blueprint, out: Path, shard: int) -> list[ShardTask]:
    stages: list[Stage] = ["sample", "score"]
    clips = blueprint.shard(shard)
    for place, stage in enumerate(stages):
        if not all(_whole(blueprint, out, table, shard) for table in _MADE_BY[stage]):
            return [ShardTask(later, shard, clips) for later in stages[place:]]
    return []


def _whole(blueprint: Blueprint, out: Path, table: shards.Table, shard: int) -> bool:
    return shards.is_whole(shards.part(out, table, shard), blueprint.fingerprint)


def _execute(setup: Setup, jobs: Sequence[Sequence[ShardTask]]) -> Iterable[Event]:
    if not jobs:
        return ()
    if setup.run.engine.kind == "ray":
        return actors.run(ShardWorker, setup, jobs, setup.run.engine)
    return serial.run(ShardWorker, setup, jobs)


def _watch(
    events: Iterable[Event], blueprint: Blueprint, jobs: Sequence[Sequence[ShardTask]], out: Path
) -> list[Lost]:
    """Follow a build: show its progress, note what each finished task took, keep what is lost."""
    ticks: dict[tuple[Stage, int], list[Tick]] = defaultdict(list)
    lost: list[Lost] = []
    with Progress(len(blueprint.clips), _done(blueprint, jobs)) as progress:
        for event in events:
            progress.show(event)
            key = (event.stage, event.shard)
            if isinstance(event, Tick):
                ticks[key].append(event)
            elif isinstance(event, Finished):
                shards.append_json(out / "timings.jsonl", _timing(event, ticks.pop(key, [])))
            elif isinstance(event, Restarted):
                ticks.pop(key, None)
            elif isinstance(event, Notice):
                line = {"generator": event.generator, "text": event.text}
                shards.append_json(out / NOTICES, line)
            elif isinstance(event, Lost):
                lost.append(event)
    return lost


def _done(blueprint: Blueprint, jobs: Sequence[Sequence[ShardTask]]) -> dict[Stage, int]:
    """How many clips have passed each stage already."""
    to_do: dict[Stage, int] = {"sample": 0, "score": 0}
    for task in _all(jobs):
        to_do[task.stage] += len(task.clips)
    return {stage: len(blueprint.clips) - count for stage, count in to_do.items()}


def _all(jobs: Sequence[Sequence[ShardTask]]) -> Iterator[ShardTask]:
    return (task for job in jobs for task in job)


def _timing(finished: Finished, ticks: Sequence[Tick]) -> dict[str, Any]:
    return {
        "stage": finished.stage,
        "shard": finished.shard,
        "seconds": round(sum(tick.seconds for tick in ticks), 3),
        "audio_seconds": round(sum(tick.audio_seconds for tick in ticks), 3),
    }
