"""Tasks for the workers of a build and the events they report; all can be pickled."""

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
    """What a worker needs to start; small enough to send to another process.

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
    """One stage of one shard; small enough to send to another process."""

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
class Call:
    """A call for one clip: to a generator, the panel, a metric, or a metric on one candidate.

    Attributes:
        clip_id: the clip.
        plugin: the generator's label or the metric; empty for the whole panel.
        candidate_id: the one candidate that the metric scores; empty for all of the clip.
    """

    clip_id: str
    plugin: str = ""
    candidate_id: str = ""


@dataclass(frozen=True)
class Skip:
    """A call that is not repeated, because its worker died or was ended."""

    call: Call
    why: Unusable


@dataclass(frozen=True)
class DivisibleTask:
    """A task that is done again around whatever ended its worker.

    Attributes:
        stage: of the work.
        shard: whose events these are.
        skipped: calls that are left out, with their reasons.
        divided: calls that are split into smaller ones, because they ended their worker.
        most_deaths: candidates of a clip that end a metric's process, after which the metric is
            asked about none of them.
    """

    most_deaths: ClassVar[float] = math.inf
    stage: Stage
    shard: int
    skipped: tuple[Skip, ...] = field(default=(), kw_only=True)
    divided: tuple[Call, ...] = field(default=(), kw_only=True)

    def skip_reason(self, call: Call) -> Unusable | None:
        """Return why a call is skipped; None where it is made."""
        return next((one.why for one in self.skipped if one.call == call), None)


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
class CallStarted:
    """A call to a generator or metric starts now, so the driver knows what it waits for."""

    stage: Stage
    shard: int
    call: Call


@dataclass(frozen=True)
class Notice:
    """A message to the user about a generator."""

    stage: Stage
    shard: int
    generator: str
    text: str


@dataclass(frozen=True)
class ClipFinished:
    """One clip has finished a stage.

    Attributes:
        audio_seconds: duration of the candidates that were made or scored.
        seconds: duration of the work.
        rows: results of a task that writes no part files.
        failures: the reason of each failure.
        skipped: calls that a task without part files has left out.
    """

    stage: Stage
    shard: int
    audio_seconds: float
    seconds: float
    rows: tuple[Row, ...] = ()
    failures: tuple[Reason, ...] = ()
    skipped: tuple[Skip, ...] = ()


@dataclass(frozen=True)
class PartsWritten:
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
    """The worker of a task died, and the task starts again."""

    stage: Stage
    shard: int
    why: str


@dataclass(frozen=True)
class Lost:
    """A task failed for good; its shard is missing until the same build is run again."""

    stage: Stage
    shard: int
    why: str


@dataclass(frozen=True)
class WorkersChanged:
    """The number of processes that work at some stages has changed.

    Attributes:
        device: torch device that they use.
    """

    stages: tuple[Stage, ...]
    workers: int
    device: str


@dataclass(frozen=True)
class Stalled:
    """No task can run at present, and the reason."""

    why: str


Event = (
    WorkersChanged
    | Stalled
    | CallStarted
    | Notice
    | ClipFinished
    | PartsWritten
    | Finished
    | Restarted
    | Lost
)


class Worker(Protocol):
    """Does tasks in one process; loads each model when a task first needs it."""

    def run(self, task: Any) -> Iterator[Event]:
        """Do a task and report every clip. The task is done when the iterator ends."""
        ...


WorkerFactory = Callable[[Any], Worker]


def bundle_events(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Group events into lists that are sent together; each list ends with a `CallStarted`.

    A `CallStarted` must arrive before its call, which may end the process. Each message between
    processes costs about 1 ms of CPU.
    """
    bundle: list[Event] = []
    for event in events:
        bundle.append(event)
        if isinstance(event, CallStarted):
            yield bundle
            bundle = []
    if bundle:
        yield bundle


def is_fatal(error: BaseException | None) -> bool:
    """Whether what went wrong with one shard would go wrong with every other one too."""
    fatal = isinstance(error, StorageError | InputError)
    return fatal and not isinstance(error, CorruptPartError)
