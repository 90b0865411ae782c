"""Runs all tasks in this process, one after another.

An exception loses one shard, as on Ray. A call that ends the process (native code that crashes, a
kill for memory) ends the build. On Ray (`ray_pool`), the same build loses only that call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gensr_pref import process
from gensr_pref.building.tasks import Event, Finished, Job, Lost, WorkerFactory, is_fatal


def run_in_process(worker: WorkerFactory, setup: Any, jobs: Sequence[Job]) -> Iterator[Event]:
    """Do all jobs in this process; a job is the tasks of one shard, in order.

    Args:
        worker: the class that does tasks; one is made with `setup`.

    Raises:
        StorageError, InputError: no shard can be made: a full disk, a model that does not load.
    """
    instance = worker(setup)
    for job in jobs:
        for task in job:
            try:
                for event in instance.run(task):
                    process.raise_if_interrupted()
                    yield event
            except Exception as error:  # the other shards must survive
                if is_fatal(error):
                    raise
                yield Lost(task.stage, task.shard, f"{type(error).__name__}: {error}")
                break
            yield Finished(task.stage, task.shard)
