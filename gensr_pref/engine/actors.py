"""The work on Ray actors: shard specs out, progress back; audio never passes through here.

Every actor takes any task; a shard that was begun goes before others, so that few are in flight.
An actor that dies is replaced and its task tried again, a finite number of times. Where it dies
while a generator is at a clip, it is in the end that clip which is given up, not the shard. A
generator that is at a clip for longer than the limit, and does not heed the worker's own alarm, is
ended with its process; its task begins anew without that clip.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from gensr_pref.config import Engine
from gensr_pref.engine.sampling import timed_out
from gensr_pref.engine.work import (
    FATAL,
    Began,
    Event,
    Finished,
    Hopeless,
    Job,
    Lost,
    Restarted,
    Task,
    WorkerOf,
)
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

Place = tuple[str, str] | None  # a clip and the generator that is at it; None between clips
GRACE_SECONDS = 15.0  # beyond the limit: a worker that can stop a generator by itself shall do so

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
    deaths: Counter[Place]
    at: Began | None = None
    since: float = 0.0

    @property
    def task(self) -> Task:
        return self.job[0]

    @property
    def place(self) -> Place:
        return (self.at.clip_id, self.at.generator) if self.at else None

    def heard(self, event: Event) -> None:
        """Keep what the actor is at, by what it tells."""
        self.at = event if isinstance(event, Began) else None
        self.since = time.monotonic()

    def without(self, at: Began, why: Unusable) -> deque[Task]:
        """The job, its first task without the clip that its generator is at."""
        task: Any = self.task
        one = Hopeless(at.clip_id, at.generator, why)
        return deque([replace(task, hopeless=(*task.hopeless, one)), *list(self.job)[1:]])


class _Pool:
    """Actors, what they are doing, and what is left to do."""

    def __init__(
        self, worker: WorkerOf, setup: Any, jobs: Sequence[Job], count: int, engine: Engine
    ) -> None:
        import ray

        self._ray = ray
        self._setup = ray.put(setup)
        self._retries = engine.retries
        self._limit = engine.limit_seconds
        self._class = ray.remote(max_restarts=0, max_task_retries=0)(worker)
        self._waiting = deque((deque(job), Counter[Place]()) for job in jobs if job)
        self._idle = [self._actor() for _ in range(min(count, len(self._waiting)))]
        self._busy: dict[Any, _Running] = {}

    def run(self) -> Iterator[Event]:
        while self._waiting or self._busy:
            self._assign()
            ready, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=self._patience())
            if ready:
                yield from self._advance(ready[0])
            yield from self._end_overdue()

    def _actor(self) -> Any:
        return self._class.options(num_cpus=1).remote(self._setup)

    def _assign(self) -> None:
        while self._waiting and self._idle:
            job, deaths = self._waiting.popleft()
            actor = self._idle.pop()
            stream = actor.run.options(num_returns="streaming").remote(job[0])
            self._busy[stream] = _Running(actor, job, deaths)

    def _advance(self, stream: Any) -> Iterator[Event]:
        running = self._busy[stream]
        task = running.task
        try:
            told: Event = self._ray.get(next(stream))
            running.heard(told)
            yield told
        except StopIteration:
            self._release(stream, running.actor)
            running.job.popleft()
            if running.job:
                self._waiting.appendleft((running.job, Counter()))
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
        running.deaths[running.place] += 1
        times = running.deaths[running.place]
        if times <= self._retries:
            self._waiting.appendleft((running.job, running.deaths))
            return Restarted(task.stage, task.shard, why)
        if running.at is None:
            return Lost(task.stage, task.shard, f"its worker died (attempt {times}): {why}")
        fault = Unusable(Reason.WORKER_DIED, f"its process ended {times} times")
        return self._give_up(running, running.at, fault)

    def _give_up(self, running: _Running, at: Began, why: Unusable) -> Event:
        """Begin a task anew without the clip that a generator is at."""
        self._waiting.appendleft((running.without(at, why), running.deaths))
        told = f"{at.generator} is not asked about {at.clip_id} again ({why})"
        return Restarted(running.task.stage, running.task.shard, told)

    def _deadline(self, running: _Running) -> float:
        """When the generator that an actor is at must have answered, on the clock of `since`."""
        if self._limit is None or running.at is None:
            return math.inf
        return running.since + self._limit + GRACE_SECONDS

    def _patience(self) -> float | None:
        """Seconds until the first deadline; None where there is none."""
        first = min(map(self._deadline, self._busy.values()))
        return None if first == math.inf else max(0.0, first - time.monotonic())

    def _end_overdue(self) -> Iterator[Event]:
        for stream, running in list(self._busy.items()):
            if running.at is not None and time.monotonic() > self._deadline(running):
                self._ray.kill(running.actor)
                self._release(stream, self._actor())
                yield self._give_up(running, running.at, timed_out(self._limit))


def run(worker: WorkerOf, setup: Any, jobs: Sequence[Job], engine: Engine) -> Iterator[Event]:
    """Do all jobs; a job is the tasks of one shard, in order.

    Args:
        worker: the class that does tasks, made of `setup` in each process.

    Raises:
        StorageError, InputError: no shard could be made: a full disk, a model that does not load.
    """
    with _cluster(engine) as cpus:
        count = cpus if engine.workers == "auto" else engine.workers
        yield from _Pool(worker, setup, jobs, max(1, count), engine).run()


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
