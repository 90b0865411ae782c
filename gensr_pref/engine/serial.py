"""The work in this process, one task after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gensr_pref.engine.work import FATAL, Event, Finished, Lost, Setup, Task, Worker


def run(setup: Setup, jobs: Sequence[Sequence[Task]]) -> Iterator[Event]:
    """Do all jobs; a job is the tasks of one shard, in order.

    Raises:
        StorageError, InputError: no shard could be made: a full disk, a model that does not load.
    """
    worker = Worker(setup)
    for job in jobs:
        for task in job:
            try:
                yield from worker.run(task)
            except FATAL:
                raise
            except Exception as error:  # one shard's fault must not cost the others
                yield Lost(task.stage, task.shard, f"{type(error).__name__}: {error}")
                break
            yield Finished(task.stage, task.shard)
