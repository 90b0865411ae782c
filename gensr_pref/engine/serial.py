"""The work in this process, one task after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gensr_pref.engine.work import Event, Finished, Lost, Setup, Task, Worker
from gensr_pref.errors import StorageError


def run(setup: Setup, jobs: Sequence[Sequence[Task]]) -> Iterator[Event]:
    """Do all jobs; a job is the tasks of one shard, in order.

    Raises:
        StorageError: the run directory cannot be written, so nothing more can be done.
    """
    worker = Worker(setup)
    for job in jobs:
        for task in job:
            try:
                yield from worker.run(task)
            except StorageError:
                raise
            except Exception as error:  # one shard's fault must not cost the others
                yield Lost(task.stage, task.shard, f"{type(error).__name__}: {error}")
                break
            yield Finished(task.stage, task.shard)
