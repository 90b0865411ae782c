"""Runs jobs in this process or on Ray, as the run file says."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from gensr_pref.building.ray_pool import run_on_ray
from gensr_pref.building.serial import run_in_process
from gensr_pref.building.tasks import Event, Job, WorkerFactory
from gensr_pref.config.run_file import Engine


@contextmanager
def run_jobs(
    worker: WorkerFactory, setup: Any, jobs: Sequence[Job], engine: Engine
) -> Iterator[Iterator[Event]]:
    """Do all jobs, and yield the events that the workers report; the block's end stops them.

    Without jobs nothing is started. Interrupted work is stopped here, not when the events are
    collected as garbage, which may happen while Python itself ends.
    """
    with closing(_events(worker, setup, jobs, engine)) as events:
        yield events


def _events(
    worker: WorkerFactory, setup: Any, jobs: Sequence[Job], engine: Engine
) -> Generator[Event, None, None]:
    if not jobs:
        return
    if engine.kind == "ray":
        yield from run_on_ray(worker, setup, jobs, engine)
    else:
        yield from run_in_process(worker, setup, jobs)
