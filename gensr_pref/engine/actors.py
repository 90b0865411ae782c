"""The work on Ray actors: shard specs out, progress back; audio never passes through here.

Every actor takes any task; a shard that was begun goes before others, so that few are in flight.
An actor that dies is replaced and its task tried again, a finite number of times.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gensr_pref.config import Engine
from gensr_pref.engine.work import (
    FATAL,
    Event,
    Finished,
    Job,
    Lost,
    Restarted,
    Task,
    WorkerOf,
)

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}


@dataclass
class _Running:
    """A task on an actor."""

    actor: Any
    job: deque[Task]
    attempt: int

    @property
    def task(self) -> Task:
        return self.job[0]


class _Pool:
    """Actors, what they are doing, and what is left to do."""

    def __init__(
        self, worker: WorkerOf, setup: Any, jobs: Sequence[Job], count: int, retries: int
    ) -> None:
        import ray

        self._ray = ray
        self._setup = ray.put(setup)
        self._retries = retries
        self._class = ray.remote(max_restarts=0, max_task_retries=0)(worker)
        self._waiting = deque((deque(job), 0) for job in jobs if job)
        self._idle = [self._actor() for _ in range(min(count, len(self._waiting)))]
        self._busy: dict[Any, _Running] = {}

    def run(self) -> Iterator[Event]:
        while self._waiting or self._busy:
            self._assign()
            ready, _ = self._ray.wait(list(self._busy), num_returns=1)
            yield from self._advance(ready[0])

    def _actor(self) -> Any:
        return self._class.options(num_cpus=1).remote(self._setup)

    def _assign(self) -> None:
        while self._waiting and self._idle:
            job, attempt = self._waiting.popleft()
            actor = self._idle.pop()
            stream = actor.run.options(num_returns="streaming").remote(job[0])
            self._busy[stream] = _Running(actor, job, attempt)

    def _advance(self, stream: Any) -> Iterator[Event]:
        running = self._busy[stream]
        task = running.task
        try:
            told: Event = self._ray.get(next(stream))
            yield told
        except StopIteration:
            self._release(stream, running.actor)
            running.job.popleft()
            if running.job:
                self._waiting.appendleft((running.job, 0))
            yield Finished(task.stage, task.shard)
        except self._ray.exceptions.RayActorError as error:
            self._release(stream, self._actor())
            yield self._after_death(running, str(error).splitlines()[0])
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, FATAL):
                raise error.cause from error
            self._release(stream, running.actor)
            yield Lost(task.stage, task.shard, f"{type(error.cause).__name__}: {error.cause}")

    def _release(self, stream: Any, actor: Any) -> None:
        del self._busy[stream]
        self._idle.append(actor)

    def _after_death(self, running: _Running, why: str) -> Event:
        task = running.task
        if running.attempt >= self._retries:
            return Lost(
                task.stage, task.shard, f"its worker died (attempt {running.attempt + 1}): {why}"
            )
        self._waiting.appendleft((running.job, running.attempt + 1))
        return Restarted(task.stage, task.shard, why)


def run(worker: WorkerOf, setup: Any, jobs: Sequence[Job], engine: Engine) -> Iterator[Event]:
    """Do all jobs; a job is the tasks of one shard, in order.

    Args:
        worker: the class that does tasks, made of `setup` in each process.

    Raises:
        StorageError, InputError: no shard could be made: a full disk, a model that does not load.
    """
    with _cluster(engine) as cpus:
        count = cpus if engine.workers == "auto" else engine.workers
        yield from _Pool(worker, setup, jobs, max(1, count), engine.retries).run()


@contextmanager
def _cluster(engine: Engine) -> Iterator[int]:
    """Ray, started here unless it runs already; yields the number of CPUs."""
    os.environ.update({key: os.environ.get(key, value) for key, value in _SETTINGS.items()})
    import ray

    ours = not ray.is_initialized()
    if ours:
        with _signals_kept():
            ray.init(**_settings(engine))
    try:
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        yield int(resources.get("CPU", 1))
    finally:
        if ours:
            ray.shutdown()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """What this process does on SIGTERM; Ray would end it at once with a trace of its C++."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _settings(engine: Engine) -> dict[str, Any]:
    common = {"log_to_driver": False, "logging_level": logging.ERROR}
    if engine.address:
        return {"address": engine.address, **common}
    available = len(os.sched_getaffinity(0))
    cpus = available if engine.workers == "auto" else max(engine.workers, available)
    return {"num_cpus": cpus, "include_dashboard": False, **common}
