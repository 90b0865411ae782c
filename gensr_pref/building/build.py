"""Builds a run: every shard that is not on disk yet, then the pairs, then the summary."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gensr_pref import process
from gensr_pref.building import open_run
from gensr_pref.building.executor import run_jobs
from gensr_pref.building.pair import write_pairs
from gensr_pref.building.prepare import Blueprint, identify_recordings, prepare
from gensr_pref.building.progress import STAGES, Progress
from gensr_pref.building.shard_assignment import Layout, shard_columns
from gensr_pref.building.splits import rewrite_splits
from gensr_pref.building.summary import NOTICES, Summary, failures_by_reason, write_summary
from gensr_pref.building.tasks import (
    ClipFinished,
    Event,
    Finished,
    Lost,
    Notice,
    PartsWritten,
    Restarted,
    Setup,
    ShardTask,
    Stage,
    Stalled,
    WorkersChanged,
)
from gensr_pref.building.worker import ShardWorker, write_failures
from gensr_pref.building.yield_count import YieldSoFar
from gensr_pref.config.run_file import Run, load_any
from gensr_pref.corpus.clip_spec import ClipSpec
from gensr_pref.corpus.listing import describe_left_out
from gensr_pref.pairing.rules import find_rule
from gensr_pref.rundir import part_files
from gensr_pref.rundir.integrity import PLAN, refuse_unexpected_parts
from gensr_pref.rundir.ledger import Stamps, part_name, record_parts, record_stage
from gensr_pref.rundir.part_files import Stamp
from gensr_pref.rundir.provenance import Made, part_record
from gensr_pref.storage.location import parse_location

_TABLES_OF: dict[Stage, tuple[Made, ...]] = {
    "sample": ("candidates", "clips"),
    "score": ("scores",),
}


def build(
    run: Run | Mapping[str, Any] | str | Path,
    out: str | Path,
    *,
    base: str | Path | None = None,
    overrides: Sequence[str] = (),
) -> Summary:
    """Make a run directory, or continue one.

        build("run.yaml", "runs/first")

    Args:
        run: the run file, its data, or a checked `Run`.
        out: the run directory, or its URL.
        base: the folder that the run's relative paths start from; None: the run file's folder, or
            the working folder if `run` is not a file.
        overrides: ``key=value`` with dotted keys, such as ``corpus.limit=8``.

    Returns:
        The content of ``summary.json``. If its ``complete`` is false, some shards could not be
        made (``lost``); everything else is finished, and the same call tries them again.

    Raises:
        InputError: the run file or the corpus is wrong; no work has been done.
        StorageError: the directory cannot be written; finished work stays.
    """
    run, folder = load_any(run, Run, base, overrides)
    out = parse_location(out).absolute()  # a plugin may change the working folder
    blueprint = prepare(run, folder, partial(open_run.require_settings, out))
    for line in describe_left_out(blueprint.left_out):
        print(line, file=sys.stderr)
    blueprint = identify_recordings(blueprint, out)
    with open_run.open_run(out, blueprint) as layout:
        jobs = list_outstanding_tasks(blueprint, layout, out)
        _write_plan_failures(blueprint, out)
        setup = Setup(
            run, folder, out, blueprint.document, blueprint.texts, blueprint.recordings.by_path
        )
        with _progress(blueprint, jobs, out) as progress:
            with run_jobs(ShardWorker, setup, jobs, run.engine) as events:
                lost = _follow_events(events, progress, out)
            process.raise_if_interrupted()
            if part_files.parts(out, "scores"):
                write_pairs(out, blueprint.document, find_rule(run.pairing.rule))
            summary = write_summary(out, blueprint.document, len(layout), lost, blueprint.left_out)
            progress.finish(summary)
        return summary


def _write_plan_failures(blueprint: Blueprint, out: Path) -> None:
    """Write the failures of recordings that the corpus left out."""
    path = part_files.part(out, "failures", 0, PLAN)
    written = write_failures(path, list(blueprint.failures), blueprint.document.facts())
    record_parts(out, {part_name(path): written})


def _progress(blueprint: Blueprint, jobs: Sequence[Sequence[ShardTask]], out: Path) -> Progress:
    clips = len(blueprint.clips)
    to_do: Counter[Stage] = Counter()
    for job in jobs:
        for task in job:
            to_do[task.stage] += len(task.clips)
    done = {stage: clips - to_do[stage] for stage in STAGES}
    failures: Counter[str] = Counter()
    for reasons in failures_by_reason(out).values():
        failures.update(reasons)
    so_far = YieldSoFar(out, blueprint.document, find_rule(blueprint.run.pairing.rule))
    return Progress(out, clips, done, failures, so_far, blueprint.run.engine.device)


def list_outstanding_tasks(
    blueprint: Blueprint, layout: Layout, out: Path
) -> list[list[ShardTask]]:
    """Return, for each shard, the tasks whose part files are missing, damaged or outdated.

    Damaged parts are removed.

    Raises:
        PartsError: the directory has parts that belong to no shard.
    """
    rewrite_splits(out, layout, blueprint.document)
    stamps = Stamps(out)
    refuse_unexpected_parts(out, stamps.entries, len(layout))
    stamps.find_changed([path for path in stamps.entries if stamps.get(path) is not None])
    checked = (_job(blueprint, stamps, out, shard, clips) for shard, clips in enumerate(layout))
    return [job for job in checked if job]


def _job(
    blueprint: Blueprint, stamps: Stamps, out: Path, shard: int, clips: tuple[ClipSpec, ...]
) -> list[ShardTask]:
    stages: list[Stage] = ["sample", "score"]
    damaged = [stage for stage in stages if _remove_damaged(out, shard, stage, stamps)]
    shard_clips = shard_columns(clips)
    for index, stage in enumerate(stages):
        wanted = {
            table: part_record(table, blueprint.document, *shard_clips)
            for table in _TABLES_OF[stage]
        }
        whole = all(
            stamps.is_whole(part_files.part(out, table, shard), record.fingerprint)
            for table, record in wanted.items()
        )
        if whole and stage not in damaged:
            failures = part_files.part(out, "failures", shard, stage)
            _record_unrecorded_parts(
                out, stamps, [part_files.part(out, table, shard) for table in wanted], failures
            )
        else:
            return [ShardTask(later, shard, clips) for later in stages[index:]]
    return []


def _remove_damaged(out: Path, shard: int, stage: Stage, stamps: Stamps) -> bool:
    """Remove the damaged parts of a stage of a shard, and return whether there were any.

    Without the part of failures it is unknown which rows are rightly missing, so everything that
    the stage made is removed, except clips.
    """
    paths = {table: part_files.part(out, table, shard) for table in _TABLES_OF[stage]}
    failures = part_files.part(out, "failures", shard, stage)
    if stamps.is_unexpected(failures) and all(map(stamps.is_as_recorded, paths.values())):
        print(f"{failures}: was not written by this run, and is removed", file=sys.stderr)
        part_files.remove_file(failures)
    for path in paths.values():
        if stamps.get(path) is not None and not stamps.exists(path):
            print(f"{path}: is missing, and is made again", file=sys.stderr)
    damaged = [
        path for path in paths.values() if stamps.exists(path) and not stamps.is_intact(path)
    ]
    if not stamps.are_failures_intact(failures):
        damaged += [failures, paths["candidates" if stage == "sample" else "scores"]]
    for path in damaged:
        print(f"{path}: is not what was written, and is made again", file=sys.stderr)
        part_files.remove_file(path)
    return bool(damaged)


def _record_unrecorded_parts(
    out: Path, stamps: Stamps, paths: Sequence[Path], failures: Path
) -> None:
    """Record the parts of a stage that an ended build wrote but did not record.

    Args:
        failures: path of the stage's part of failures, which need not exist.
    """
    unrecorded: dict[str, Stamp | None] = {
        part_name(path): part_files.stamp(path) for path in paths if not stamps.is_as_recorded(path)
    }
    exists = stamps.exists(failures)
    if (
        not stamps.is_as_recorded(failures)
        if exists
        else unrecorded or not stamps.is_known(failures)
    ):
        unrecorded[part_name(failures)] = part_files.stamp(failures) if exists else None
    record_parts(out, unrecorded)


def _follow_events(events: Iterable[Event], progress: Progress, out: Path) -> list[Lost]:
    """Show the progress, record each finished task in the ledger, and return the lost tasks."""
    ticks: dict[tuple[Stage, int], list[ClipFinished]] = defaultdict(list)
    written: dict[tuple[Stage, int], PartsWritten] = {}
    lost: list[Lost] = []
    for event in events:
        progress.show(event)
        if isinstance(event, WorkersChanged | Stalled):
            continue
        key = (event.stage, event.shard)
        if isinstance(event, ClipFinished):
            ticks[key].append(event)
        elif isinstance(event, PartsWritten):
            written[key] = event
        elif isinstance(event, Finished):
            _record_task(out, event, ticks.pop(key, []), written.pop(key, None))
        elif isinstance(event, Restarted):
            ticks.pop(key, None)
        elif isinstance(event, Notice):
            line = {"generator": event.generator, "text": event.text}
            part_files.append_json(out / NOTICES, line)
        elif isinstance(event, Lost):
            lost.append(event)
    return lost


def _record_task(
    out: Path, finished: Finished, ticks: Sequence[ClipFinished], written: PartsWritten | None
) -> None:
    """Record in the ledger how long a task took and which parts it wrote."""
    duration = sum(tick.seconds for tick in ticks), sum(tick.audio_seconds for tick in ticks)
    entry = out, finished.stage, finished.shard, duration
    if written is None:
        record_stage(*entry)
    else:
        record_stage(*entry, written.parts, written.extends, written.machine)
