"""The work on Ray actors: shard specs out, progress back; audio never passes through here.

A shard that is sampled goes before others, so that few are in flight, and long ones go before short
ones, so that all processes end together. An actor that dies, or whose node does, is replaced as
soon as there is room, and its task tried again, a finite number of times. Where it dies at a clip,
it is in the end that clip which is worked around, not the shard. What is at a clip for longer than
the limit, and does not heed the worker's own alarm, is ended with its process; its task begins anew
without it.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gensr_pref import process
from gensr_pref.building.isolation import around
from gensr_pref.building.ray_cluster import Crew, crews, require, resources, started
from gensr_pref.building.sampling import timed_out
from gensr_pref.building.tasks import (
    Began,
    Event,
    Finished,
    Job,
    Lost,
    Place,
    Restarted,
    Staffed,
    Stage,
    Stuck,
    Task,
    WorkerOf,
    bundled,
    is_fatal,
)
from gensr_pref.config.run_file import Engine
from gensr_pref.errors import Problem, RunIncompleteError, Unusable, quantity
from gensr_pref.schema import Reason

GRACE_SECONDS = 15.0  # beyond the limit: a worker that can stop by itself shall do so
LOOK_SECONDS = 30.0  # how often it is seen whether nodes have come
HEED_SECONDS = 1.0  # how often it is seen whether this process is to stop
BAD_STARTS = 10  # processes in a row that die before they can work


class Member:
    """A worker in a process of its own, which tells of its work in bundles."""

    def __init__(self, worker: WorkerOf, setup: Any) -> None:
        self._worker = worker(setup)

    def run(self, task: Task) -> Iterator[list[Event]]:
        """Do a task."""
        yield from bundled(self._worker.run(task))


@dataclass
class _Waiting:
    """The tasks of a shard, and where its workers have died."""

    tasks: deque[Task]
    deaths: Counter[Place | None]

    @property
    def task(self) -> Task:
        return self.tasks[0]


@dataclass
class _Actor:
    """A process of a crew."""

    crew: int
    remote: Any


@dataclass
class _Running:
    """A task on an actor."""

    actor: _Actor
    job: _Waiting
    at: Began | None = None
    since: float = 0.0

    @property
    def place(self) -> Place | None:
        return self.at.place if self.at else None

    def heard(self, event: Event) -> None:
        """Keep what the actor is at, by what it tells."""
        self.at = event if isinstance(event, Began) else None
        self.since = time.monotonic()

    def work_around(self, place: Place, why: Unusable) -> None:
        """Change the task so that it does not end at that place again."""
        task: Any = self.job.tasks.popleft()
        self.job.tasks.appendleft(around(task, place, why))


class _Pool:
    """Actors, what they are doing, and what is left to do."""

    def __init__(self, worker: WorkerOf, setup: Any, jobs: Sequence[Job], engine: Engine) -> None:
        import ray

        self._ray = ray
        self._worker, self._setup = worker, ray.put(setup)
        self._engine = engine
        self._limit = engine.limit_seconds
        self._class = ray.remote(max_restarts=0, max_task_retries=0)(Member)
        self._waiting: Mapping[Stage, deque[_Waiting]] = {"score": deque(), "sample": deque()}
        for job in sorted(filter(None, jobs), key=_seconds, reverse=True):
            self._waiting[job[0].stage].append(_Waiting(deque(job), Counter()))
        self._crews: tuple[Crew, ...] = ()
        self._idle: list[_Actor] = []
        self._starting: dict[Any, _Actor] = {}
        self._busy: dict[Any, _Running] = {}
        self._bad_starts = 0
        self._looked = -math.inf

    def run(self) -> Iterator[Event]:
        while self._left():
            process.raise_if_interrupted()
            yield from self._staff()
            self._assign()
            waited = [*self._busy, *self._starting]
            ready, _ = self._ray.wait(waited, num_returns=1, timeout=self._patience())
            for one in ready:
                if one in self._starting:
                    self._join(one)
                else:
                    yield from self._advance(one)
            yield from self._end_overdue()

    def _staff(self) -> Iterator[Event]:
        """As many actors as there is room and work for; nodes may have come."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        cpus, gpus = resources()
        before, self._crews = self._crews, crews(self._engine, cpus, gpus)
        require(self._engine, self._crews, gpus)
        for place, crew in enumerate(self._crews):
            wanted = min(crew.count, self._left())
            for _ in range(wanted - self._staffed(place)):
                self._start(place)
        if self._crews != before:
            yield from (Staffed(one.stages, one.count, one.device) for one in self._crews)
        elif not self._busy and not self._idle:
            yield Stuck(
                f"waiting for room: Ray has {quantity(cpus, 'CPU')} and {quantity(gpus, 'GPU')}, "
                "none free"
            )

    def _staffed(self, crew: int) -> int:
        busy = [running.actor for running in self._busy.values()]
        return sum(one.crew == crew for one in [*self._idle, *self._starting.values(), *busy])

    def _start(self, crew: int) -> None:
        options = self._class.options(num_cpus=1, num_gpus=self._crews[crew].gpus)
        remote = options.remote(self._worker, self._setup)
        ready: Any = remote
        self._starting[ready.__ray_ready__.remote()] = _Actor(crew, remote)

    def _join(self, ready: Any) -> None:
        """An actor can work now, or never will."""
        actor = self._starting.pop(ready)
        try:
            self._ray.get(ready)
        except self._ray.exceptions.RayError as error:
            self._bad_starts += 1
            if self._bad_starts >= BAD_STARTS:
                raise RunIncompleteError(
                    f"no worker can be started: {_told(error)}", problem=Problem.FAILED
                ) from error
            self._start(actor.crew)
        else:
            self._bad_starts = 0
            self._idle.append(actor)

    def _assign(self) -> None:
        for actor in list(self._idle):
            job = self._next(self._crews[actor.crew])
            if job is not None:
                self._idle.remove(actor)
                stream = actor.remote.run.options(num_returns="streaming").remote(job.task)
                self._busy[stream] = _Running(actor, job, since=time.monotonic())

    def _next(self, crew: Crew) -> _Waiting | None:
        """What a crew is to do next: score what is sampled; sample while little of that waits."""
        if "score" in crew.stages and self._waiting["score"]:
            return self._waiting["score"].popleft()
        held = len(self._crews) > 1 and len(self._waiting["score"]) >= self._most_in_flight()
        if "sample" in crew.stages and self._waiting["sample"] and not held:
            return self._waiting["sample"].popleft()
        return None

    def _put(self, job: _Waiting) -> None:
        """Let a job wait, as the first of its stage."""
        self._waiting[job.task.stage].appendleft(job)

    def _left(self) -> int:
        return sum(map(len, self._waiting.values())) + len(self._busy)

    def _most_in_flight(self) -> int:
        return self._engine.shards_in_flight or 2 * self._crews[-1].count

    def _advance(self, stream: Any) -> Iterator[Event]:
        running = self._busy[stream]
        task = running.job.task
        try:
            told: list[Event] = self._ray.get(next(stream))
            running.heard(told[-1])
            yield from told
        except StopIteration:
            self._release(stream)
            running.job.tasks.popleft()
            if running.job.tasks:
                self._put(_Waiting(running.job.tasks, Counter()))
            yield Finished(task.stage, task.shard)
        except self._ray.exceptions.RayTaskError as error:
            if is_fatal(error.cause):
                raise error.cause from error
            self._release(stream)
            yield Lost(task.stage, task.shard, f"{type(error.cause).__name__}: {error.cause}")
        except self._ray.exceptions.RayError as error:  # its process or its node is gone
            self._replace(stream)
            yield self._after_death(running, _told(error))

    def _release(self, stream: Any) -> None:
        self._idle.append(self._busy.pop(stream).actor)

    def _replace(self, stream: Any) -> None:
        """End an actor, which may only be out of reach, and start another."""
        actor = self._busy.pop(stream).actor
        self._ray.kill(actor.remote)
        self._start(actor.crew)

    def _after_death(self, running: _Running, why: str) -> Event:
        task, place = running.job.task, running.place
        running.job.deaths[place] += 1
        times = running.job.deaths[place]
        narrowed = place is not None and task.stage == "score" and bool(place.asked)
        if times <= self._engine.retries and not narrowed:
            self._put(running.job)
            return Restarted(task.stage, task.shard, why)
        if place is None:
            return Lost(task.stage, task.shard, f"its worker died (attempt {times}): {why}")
        often = f"its process ended {times} time{'s' if times > 1 else ''}"
        return self._work_around(running, place, Unusable(Reason.WORKER_DIED, often))

    def _work_around(self, running: _Running, place: Place, why: Unusable) -> Event:
        """Begin a task anew, with care where its worker was."""
        running.work_around(place, why)
        self._put(running.job)
        task: Any = running.job.task
        what = place.asked or "the panel"
        how = "no more" if task.given_up(place) else "in smaller pieces"
        told = f"{what} is asked about {place.candidate_id or place.clip_id} {how} ({why})"
        return Restarted(task.stage, task.shard, told)

    def _deadline(self, running: _Running) -> float:
        """When what an actor is at must be done, on the clock of `since`, which never jumps."""
        if self._limit is None or running.at is None:
            return math.inf
        return running.since + self._limit + GRACE_SECONDS

    def _patience(self) -> float:
        """Seconds until something is to be done unasked."""
        first = min(map(self._deadline, self._busy.values()), default=math.inf)
        left = min(first, self._looked + LOOK_SECONDS) - time.monotonic()
        return min(HEED_SECONDS, max(0.0, left))

    def _end_overdue(self) -> Iterator[Event]:
        for stream, running in list(self._busy.items()):
            place = running.place
            if place is not None and time.monotonic() > self._deadline(running):
                self._replace(stream)
                yield self._work_around(running, place, timed_out(self._limit))


def run(worker: WorkerOf, setup: Any, jobs: Sequence[Job], engine: Engine) -> Iterator[Event]:
    """Do all jobs; a job is the tasks of one shard, in order.

    Args:
        worker: the class that does tasks, made of `setup` in each process.

    Raises:
        StorageError, InputError: no shard could be made: a full disk, a model that does not load.
        RunIncompleteError: no process can be started.
    """
    with started(engine):
        yield from _Pool(worker, setup, jobs, engine).run()


def _seconds(job: Job) -> float:
    """Of the audio of a shard; 0 where it is not known."""
    return float(getattr(job[0], "audio_seconds", 0.0))


def _told(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
