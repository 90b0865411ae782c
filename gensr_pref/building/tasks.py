"""What is handed out and what is told: tasks and events, small enough to send anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from gensr_pref.config.run_file import Run
from gensr_pref.corpus.clips import ClipSpec
from gensr_pref.corpus.fingerprints import Fingerprint
from gensr_pref.errors import CorruptPartError, InputError, StorageError, Unusable
from gensr_pref.rundir.document import RunDocument
from gensr_pref.rundir.machine import Machine
from gensr_pref.rundir.part_files import Stamp
from gensr_pref.schema import Reason

Stage = Literal["sample", "score"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Setup:
    """What a worker must know, small enough to send anywhere.

    Attributes:
        document: what ``run.yaml`` holds.
        texts: what is said in it, each sentence once.
        library: by path, what noises and impulse responses must hold when they are read.
    """

    run: Run
    base: Path
    out: Path
    document: RunDocument
    texts: tuple[str, ...] = ()
    library: Mapping[str, Fingerprint] = field(default_factory=dict)


class Task(Protocol):
    """One stage of one shard, small enough to send anywhere."""

    @property
    def stage(self) -> Stage:
        """Which stage."""
        ...

    @property
    def shard(self) -> int:
        """Which shard."""
        ...


Job = Sequence[Task]


@dataclass(frozen=True)
class Place:
    """What of a clip is at work: all of it, or one generator, metric or candidate.

    Attributes:
        clip_id: the clip.
        asked: the generator's label, or the metric; empty where the whole panel is asked.
        candidate_id: where a metric is asked about this one alone.
    """

    clip_id: str
    asked: str = ""
    candidate_id: str = ""


@dataclass(frozen=True)
class Hopeless:
    """What is not tried again, as its worker had to be ended or died."""

    place: Place
    why: Unusable


@dataclass(frozen=True)
class DivisibleTask:
    """A task that is done again around whatever ended its worker.

    Attributes:
        stage: of the work.
        shard: whose events these are.
        hopeless: what is left out, with its reason.
        wary: what is scored in smaller pieces, as a whole it ended its worker.
        most_deaths: candidates of a clip that end a metric's process, after which the metric is
            asked about none of them.
    """

    most_deaths: ClassVar[float] = math.inf
    stage: Stage
    shard: int
    hopeless: tuple[Hopeless, ...] = field(default=(), kw_only=True)
    wary: tuple[Place, ...] = field(default=(), kw_only=True)

    def given_up(self, place: Place) -> Unusable | None:
        """Return why a place is not tried again; None where it may be."""
        return next((one.why for one in self.hopeless if one.place == place), None)


@dataclass(frozen=True)
class ShardTask(DivisibleTask):
    """One stage of one shard of a run."""

    most_deaths = 3
    clips: tuple[ClipSpec, ...]

    @property
    def audio_seconds(self) -> float:
        """Of its clips together."""
        return float(sum(one.segment.frames / one.item.rate for one in self.clips))


@dataclass(frozen=True)
class Began:
    """Something is asked about a clip now: whoever waits knows what it waits for."""

    stage: Stage
    shard: int
    place: Place


@dataclass(frozen=True)
class Notice:
    """What a person must know of a generator."""

    stage: Stage
    shard: int
    generator: str
    text: str


@dataclass(frozen=True)
class Tick:
    """One clip has passed a stage.

    Attributes:
        audio_seconds: of the candidates that were made or scored.
        seconds: of work.
        rows: what a task without part files has to say of it.
        failures: reasons, one for everything that failed.
        hopeless: what a task without part files gave up of it.
    """

    stage: Stage
    shard: int
    audio_seconds: float
    seconds: float
    rows: tuple[Row, ...] = ()
    failures: tuple[Reason, ...] = ()
    hopeless: tuple[Hopeless, ...] = ()


@dataclass(frozen=True)
class Wrote:
    """The parts of a task are on disk.

    Attributes:
        parts: by their name in the run directory; None for one that is rightly not there.
        extends: whether they hold rows that were there before, which took no work now.
        machine: what computed them.
    """

    stage: Stage
    shard: int
    parts: dict[str, Stamp | None] = field(default_factory=dict)
    extends: bool = False
    machine: Machine | None = None


@dataclass(frozen=True)
class Finished:
    """A task is done."""

    stage: Stage
    shard: int


@dataclass(frozen=True)
class Restarted:
    """The worker of a task died and the task begins anew."""

    stage: Stage
    shard: int
    why: str


@dataclass(frozen=True)
class Lost:
    """A task is given up; its shard is missing until the same build is run again."""

    stage: Stage
    shard: int
    why: str


@dataclass(frozen=True)
class Staffed:
    """How many processes work at some stages now.

    Attributes:
        device: torch device that they use.
    """

    stages: tuple[Stage, ...]
    workers: int
    device: str


@dataclass(frozen=True)
class Stuck:
    """Nothing goes on, and why."""

    why: str


Event = Staffed | Stuck | Began | Notice | Tick | Wrote | Finished | Restarted | Lost


class Worker(Protocol):
    """Does tasks in one process; loads each model when a task first needs it."""

    def run(self, task: Any) -> Iterator[Event]:
        """Do a task, telling of every clip. The task is done when the iterator ends."""
        ...


WorkerOf = Callable[[Any], Worker]


def bundled(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Events together that may be told together: those up to the next that something begins.

    That one must be known before its work, which may end the process; between processes every
    message costs about 1 ms of CPU.
    """
    bundle: list[Event] = []
    for event in events:
        bundle.append(event)
        if isinstance(event, Began):
            yield bundle
            bundle = []
    if bundle:
        yield bundle


def is_fatal(error: BaseException | None) -> bool:
    """Whether what went wrong with one shard would go wrong with every other one too."""
    fatal = isinstance(error, StorageError | InputError)
    return fatal and not isinstance(error, CorruptPartError)
