"""The work in this process, one task after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gensr_pref import process
from gensr_pref.building.tasks import Event, Finished, Job, Lost, WorkerFactory, is_fatal


def run(worker: WorkerFactory, setup: Any, jobs: Sequence[Job]) -> Iterator[Event]:
    """Do all jobs; a job is the tasks of one shard, in order.

    Args:
        worker: the class that does tasks, made of `setup` once.

    Raises:
        StorageError, InputError: no shard could be made: a full disk, a model that does not load.
    """
    only = worker(setup)
    for job in jobs:
        for task in job:
            try:
                for event in only.run(task):
                    process.raise_if_interrupted()
                    yield event
            except Exception as error:  # one shard's fault must not cost the others
                if is_fatal(error):
                    raise
                yield Lost(task.stage, task.shard, f"{type(error).__name__}: {error}")
                break
            yield Finished(task.stage, task.shard)
