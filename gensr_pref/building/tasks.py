"""Tasks for the workers of a build, and the events that they report; all can be pickled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from gensr_pref.config.run_file import Run
from gensr_pref.corpus.clip_spec import ClipSpec
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
        run: the run file.
        base: the folder that the run's relative paths start from.
        out: the run directory.
        document: content of ``run.yaml``.
        texts: the texts of the corpus, each once.
        library: fingerprints that noises and impulse responses must have when they are read, by
            path.
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
        """The stage."""
        ...

    @property
    def shard(self) -> int:
        """Number of the shard."""
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
    """A call that is left out, because it ended its worker or exceeded the time limit."""

    call: Call
    why: Unusable


@dataclass(frozen=True)
class DivisibleTask:
    """A task that can be repeated without the calls that ended its worker.

    Attributes:
        stage: the stage.
        shard: number of the shard.
        skipped: calls that are left out, with their reasons.
        divided: calls that are split into smaller ones, because they ended their worker.
        most_deaths: after a metric's process has died on so many candidates of a clip, the metric
            scores no further candidate of that clip.
    """

    most_deaths: ClassVar[float] = math.inf
    stage: Stage
    shard: int
    skipped: tuple[Skip, ...] = field(default=(), kw_only=True)
    divided: tuple[Call, ...] = field(default=(), kw_only=True)

    def skip_reason(self, call: Call) -> Unusable | None:
        """Return why a call is skipped; None if it is made."""
        return next((skip.why for skip in self.skipped if skip.call == call), None)


@dataclass(frozen=True)
class ShardTask(DivisibleTask):
    """One stage of one shard of a run."""

    most_deaths = 3
    clips: tuple[ClipSpec, ...]

    @property
    def audio_seconds(self) -> float:
        """Total duration of its clips."""
        return float(sum(spec.segment.frames / spec.item.rate for spec in self.clips))


@dataclass(frozen=True)
class CallStarted:
    """A call to a generator or metric is about to start; the driver then waits for it."""

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
        parts: stamps by name of the part in the run directory; None for a part that is rightly
            missing.
        extends: whether they contain reused rows, which took no work now.
        machine: the kind of machine that computed them.
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
    """The worker of a task died or was ended, and the task starts again, perhaps without a call."""

    stage: Stage
    shard: int
    why: str


@dataclass(frozen=True)
class Lost:
    """A task raised an error, or its worker died between calls more than ``engine.retries`` times.

    Its shard is missing until the same build is run again.
    """

    stage: Stage
    shard: int
    why: str


@dataclass(frozen=True)
class WorkersChanged:
    """The number of processes that work at some stages has changed.

    Attributes:
        stages: the stages.
        workers: new number of processes.
        device: torch device that they use.
    """

    stages: tuple[Stage, ...]
    workers: int
    device: str


@dataclass(frozen=True)
class Stalled:
    """No task can run at present; `why` is the reason."""

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
    """Return whether an error of one shard would occur in every other shard too."""
    fatal = isinstance(error, StorageError | InputError)
    return fatal and not isinstance(error, CorruptPartError)
