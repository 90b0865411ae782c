"""Runs tasks on Ray actors: shards out, events back; audio never passes through this process.

Sampled shards are scored before further ones are sampled, so that few are in flight. Long shards
come before short ones, so that all processes end at about the same time.

An actor that dies, or whose node dies, is replaced as soon as resources are free. What happens to
its task depends on the call that it was making:

- a generator or the whole panel: the task is repeated up to ``engine.retries`` times. If the call
  ends its process again, the task skips the generator or divides the panel (`isolation`);
- a single metric: the task is divided or skips the call at once, without a repetition;
- none (it died between calls): the task is repeated up to ``engine.retries`` times and is then
  `Lost`. Its shard is missing, and the build continues; its summary is not ``complete``, for
  which the command line exits with status 1.

If a call exceeds the time limit and ignores the worker's own alarm, its process is ended; the task
then starts again at once, and divides or skips that call.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gensr_pref import process
from gensr_pref.building.isolation import divide_or_skip
from gensr_pref.building.ray_cluster import (
    Crew,
    count_resources,
    plan_crews,
    require_gpus,
    running_ray,
)
from gensr_pref.building.tasks import (
    Call,
    CallStarted,
    Event,
    Finished,
    Job,
    Lost,
    Restarted,
    Stage,
    Stalled,
    Task,
    WorkerFactory,
    WorkersChanged,
    bundle_events,
    is_fatal,
)
from gensr_pref.building.time_limit import timeout_failure
from gensr_pref.config.run_file import Engine
from gensr_pref.errors import Problem, RunIncompleteError, Unusable, quantity
from gensr_pref.schema import Reason

GRACE_SECONDS = 15.0  # time beyond the limit in which a worker may stop by itself
LOOK_SECONDS = 30.0  # time between two checks for new nodes
INTERRUPT_CHECK_SECONDS = 1.0  # time between two checks whether this process was interrupted
BAD_STARTS = 10  # largest number of successive processes that die before they can work
# The worker waits until each list of events was received. So the call that it makes next is known
# here even if that call ends its process at once.
_STREAMING = {"num_returns": "streaming", "_generator_backpressure_num_objects": 1}


class PoolWorker:
    """A worker in its own process, which reports its events in lists."""

    def __init__(self, worker: WorkerFactory, setup: Any) -> None:
        self._worker = worker(setup)

    def run(self, task: Task) -> Iterator[list[Event]]:
        """Do a task."""
        yield from bundle_events(self._worker.run(task))


@dataclass
class _PendingShard:
    """The remaining tasks of a shard, and how often each call has ended its worker."""

    tasks: deque[Task]
    deaths: Counter[Call | None]

    @property
    def task(self) -> Task:
        return self.tasks[0]


@dataclass
class _Actor:
    """A process of a crew.

    Attributes:
        crew: index of its crew.
        remote: handle of the Ray actor.
    """

    crew: int
    remote: Any


@dataclass
class _Running:
    """A task that an actor is doing.

    Attributes:
        call: the call that the actor is making; None between calls.
        since: when the last events arrived, on the monotonic clock.
    """

    actor: _Actor
    job: _PendingShard
    call: Call | None = None
    since: float = 0.0

    def record_event(self, event: Event) -> None:
        """Record the call that the actor is making."""
        self.call = event.call if isinstance(event, CallStarted) else None
        self.since = time.monotonic()

    def divide_or_skip(self, call: Call, why: Unusable) -> None:
        """Replace the task with one that divides or skips this call."""
        task: Any = self.job.tasks.popleft()
        self.job.tasks.appendleft(divide_or_skip(task, call, why))


class _Pool:
    """The actors, their running tasks, and the tasks that wait."""

    def __init__(
        self, worker: WorkerFactory, setup: Any, jobs: Sequence[Job], engine: Engine
    ) -> None:
        import ray

        self._ray = ray
        self._worker, self._setup = worker, ray.put(setup)
        self._engine = engine
        self._limit = engine.limit_seconds
        self._class = ray.remote(max_restarts=0, max_task_retries=0)(PoolWorker)
        self._waiting: Mapping[Stage, deque[_PendingShard]] = {"score": deque(), "sample": deque()}
        for job in sorted(filter(None, jobs), key=_seconds, reverse=True):
            self._waiting[job[0].stage].append(_PendingShard(deque(job), Counter()))
        self._crews: tuple[Crew, ...] = ()
        self._idle: list[_Actor] = []
        self._starting: dict[Any, _Actor] = {}
        self._busy: dict[Any, _Running] = {}
        self._bad_starts = 0
        self._last_check = -math.inf

    def run(self) -> Iterator[Event]:
        while self._unfinished_count():
            process.raise_if_interrupted()
            yield from self._adjust_workers()
            self._assign()
            pending = [*self._busy, *self._starting]
            ready, _ = self._ray.wait(pending, num_returns=1, timeout=self._patience())
            for reference in ready:
                if reference in self._starting:
                    self._finish_start(reference)
                else:
                    yield from self._advance(reference)
            yield from self._end_overdue()

    def _adjust_workers(self) -> Iterator[Event]:
        """Start as many actors as fit and are needed, because nodes may have joined."""
        if time.monotonic() - self._last_check < LOOK_SECONDS:
            return
        self._last_check = time.monotonic()
        cpus, gpus = count_resources()
        before, self._crews = self._crews, plan_crews(self._engine, cpus, gpus)
        require_gpus(self._engine, self._crews, gpus)
        for index, crew in enumerate(self._crews):
            wanted = min(crew.count, self._unfinished_count())
            for _ in range(wanted - self._worker_count(index)):
                self._start(index)
        if self._crews != before:
            yield from (
                WorkersChanged(crew.stages, crew.count, crew.device) for crew in self._crews
            )
        elif not self._busy and not self._idle:
            yield Stalled(
                f"waiting for resources: Ray has {quantity(cpus, 'CPU')} and "
                f"{quantity(gpus, 'GPU')}, none of them free"
            )

    def _worker_count(self, crew: int) -> int:
        busy = [running.actor for running in self._busy.values()]
        actors = [*self._idle, *self._starting.values(), *busy]
        return sum(actor.crew == crew for actor in actors)

    def _start(self, crew: int) -> None:
        options = self._class.options(num_cpus=1, num_gpus=self._crews[crew].gpus)
        remote = options.remote(self._worker, self._setup)
        ready: Any = remote
        self._starting[ready.__ray_ready__.remote()] = _Actor(crew, remote)

    def _finish_start(self, ready: Any) -> None:
        """Add an actor that is ready, or replace one that failed to start."""
        actor = self._starting.pop(ready)
        try:
            self._ray.get(ready)
        except self._ray.exceptions.RayError as error:
            self._bad_starts += 1
            if self._bad_starts >= BAD_STARTS:
                raise RunIncompleteError(
                    f"no worker can be started: {_first_line(error)}", problem=Problem.FAILED
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
                stream = actor.remote.run.options(**_STREAMING).remote(job.task)
                self._busy[stream] = _Running(actor, job, since=time.monotonic())

    def _next(self, crew: Crew) -> _PendingShard | None:
        """Return a crew's next shard: scoring first, then sampling while few shards wait."""
        if "score" in crew.stages and self._waiting["score"]:
            return self._waiting["score"].popleft()
        held = len(self._crews) > 1 and len(self._waiting["score"]) >= self._most_in_flight()
        if "sample" in crew.stages and self._waiting["sample"] and not held:
            return self._waiting["sample"].popleft()
        return None

    def _requeue(self, job: _PendingShard) -> None:
        """Put a shard back at the head of the queue of its stage."""
        self._waiting[job.task.stage].appendleft(job)

    def _unfinished_count(self) -> int:
        return sum(map(len, self._waiting.values())) + len(self._busy)

    def _most_in_flight(self) -> int:
        return self._engine.shards_in_flight or 2 * self._crews[-1].count

    def _advance(self, stream: Any) -> Iterator[Event]:
        running = self._busy[stream]
        task = running.job.task
        try:
            events: list[Event] = self._ray.get(next(stream))
            running.record_event(events[-1])
            yield from events
        except StopIteration:
            self._release(stream)
            running.job.tasks.popleft()
            if running.job.tasks:
                self._requeue(_PendingShard(running.job.tasks, Counter()))
            yield Finished(task.stage, task.shard)
        except self._ray.exceptions.RayTaskError as error:
            if is_fatal(error.cause):
                raise error.cause from error
            self._release(stream)
            yield Lost(task.stage, task.shard, f"{type(error.cause).__name__}: {error.cause}")
        except self._ray.exceptions.RayError as error:  # its process or node died
            self._replace(stream)
            yield self._after_death(running, _first_line(error))

    def _release(self, stream: Any) -> None:
        self._idle.append(self._busy.pop(stream).actor)

    def _replace(self, stream: Any) -> None:
        """End an actor, which may still run on an unreachable node, and start another."""
        actor = self._busy.pop(stream).actor
        self._ray.kill(actor.remote)
        self._start(actor.crew)

    def _after_death(self, running: _Running, why: str) -> Event:
        task, call = running.job.task, running.call
        running.job.deaths[call] += 1
        deaths = running.job.deaths[call]
        names_metric = call is not None and task.stage == "score" and bool(call.plugin)
        if deaths <= self._engine.retries and not names_metric:
            self._requeue(running.job)
            return Restarted(task.stage, task.shard, why)
        if call is None:
            return Lost(task.stage, task.shard, f"its worker died (attempt {deaths}): {why}")
        detail = f"its process ended {deaths} time{'s' if deaths > 1 else ''}"
        return self._divide_or_skip(running, call, Unusable(Reason.WORKER_DIED, detail))

    def _divide_or_skip(self, running: _Running, call: Call, why: Unusable) -> Event:
        """Restart a task, which divides or skips the call that ended its worker."""
        running.divide_or_skip(call, why)
        self._requeue(running.job)
        task: Any = running.job.task
        plugin, audio = call.plugin or "the panel", call.candidate_id or call.clip_id
        action = "skips" if task.skip_reason(call) else "divides its work on"
        return Restarted(task.stage, task.shard, f"{plugin} {action} {audio} ({why})")

    def _deadline(self, running: _Running) -> float:
        """Return the time by which the actor's call must end, on the monotonic clock."""
        if self._limit is None or running.call is None:
            return math.inf
        return running.since + self._limit + GRACE_SECONDS

    def _patience(self) -> float:
        """Return the seconds until the pool must act without an event."""
        first = min(map(self._deadline, self._busy.values()), default=math.inf)
        left = min(first, self._last_check + LOOK_SECONDS) - time.monotonic()
        return min(INTERRUPT_CHECK_SECONDS, max(0.0, left))

    def _end_overdue(self) -> Iterator[Event]:
        for stream, running in list(self._busy.items()):
            call = running.call
            if call is not None and time.monotonic() > self._deadline(running):
                self._replace(stream)
                yield self._divide_or_skip(running, call, timeout_failure(self._limit))


def run_on_ray(
    worker: WorkerFactory, setup: Any, jobs: Sequence[Job], engine: Engine
) -> Iterator[Event]:
    """Do all jobs on Ray; a job is the tasks of one shard, in order.

    Args:
        worker: the class that does tasks; each process makes one with `setup`.

    Raises:
        StorageError, InputError: no shard can be made: a full disk, a model that does not load.
        RunIncompleteError: no process can be started.
    """
    with running_ray(engine):
        yield from _Pool(worker, setup, jobs, engine).run()


def _seconds(job: Job) -> float:
    """Return the audio duration of a shard in seconds; 0 if it is unknown."""
    return float(getattr(job[0], "audio_seconds", 0.0))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
