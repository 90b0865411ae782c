"""The work itself: one stage of one shard, the same in one process and on a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from gensr_pref import audio, plugins, schema, shards
from gensr_pref.audio import Sound
from gensr_pref.config import Run
from gensr_pref.corpus.clips import ClipMaker, ClipSpec
from gensr_pref.engine.blueprint import make_generators, origin_of
from gensr_pref.engine.sampling import Asked, given_up, not_reproducible, sample_clip
from gensr_pref.errors import GensrPrefError, InputError, StorageError, Unusable
from gensr_pref.generators.base import Origin
from gensr_pref.identity import noisy_id, seed_for
from gensr_pref.metrics.panel import Panel
from gensr_pref.metrics.results import CandidateScores
from gensr_pref.schema import Failure

Stage = Literal["sample", "score"]
Row = dict[str, Any]
FATAL = (StorageError, InputError)  # of one shard and of every other one too


@dataclass(frozen=True)
class Setup:
    """What a worker must know, small enough to send anywhere."""

    run: Run
    base: Path
    out: Path
    facts: dict[str, Any]
    texts: tuple[str, ...] = ()


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
class ShardTask:
    """One stage of one shard of a run."""

    stage: Stage
    shard: int
    clips: tuple[ClipSpec, ...]
    hopeless: tuple[Hopeless, ...] = ()


@dataclass(frozen=True)
class Hopeless:
    """A clip that a generator is not asked about again, as its worker had to be ended or died."""

    clip_id: str
    generator: str
    why: Unusable


@dataclass(frozen=True)
class Began:
    """A generator is asked about a clip now: whoever waits knows what it waits for."""

    stage: Stage
    shard: int
    clip_id: str
    generator: str


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
        audio_seconds: of its candidates together.
        seconds: of work.
        rows: what a task without part files has to say of it.
    """

    stage: Stage
    shard: int
    audio_seconds: float
    seconds: float
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Finished:
    """A task's part file is on disk."""

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


Event = Began | Notice | Tick | Finished | Restarted | Lost


class Worker(Protocol):
    """Does tasks in one process; loads each model when a task first needs it."""

    def run(self, task: Any) -> Iterator[Event]:
        """Do a task, telling of every clip. The task is done when the iterator ends."""
        ...


WorkerOf = Callable[[Any], Worker]


class ShardWorker:
    """Does the tasks of a run; loads each model when a task first needs it."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._maker: ClipMaker | None = None
        self._generators: list[Asked] | None = None
        self._panel: Panel | None = None
        plugins.search(setup.base)

    def run(self, task: ShardTask) -> Iterator[Event]:
        """Do a task, telling of every clip. Its part file is there when the iterator ends."""
        yield from self._sample(task) if task.stage == "sample" else self._score(task)

    def _sample(self, task: ShardTask) -> Iterator[Event]:
        made = _Made()
        for spec in task.clips:
            began = time.perf_counter()
            before = len(made.candidates)
            try:
                clip = self.maker.make(spec)
            except Unusable as fault:
                made.failures.append(Failure("corpus", spec.clip_id, fault.reason, fault.detail))
            else:
                yield from self._candidates(task, spec, clip, made)
                made.clips.append(clip)
            heard = _audio_seconds(made.candidates[before:])
            yield Tick("sample", task.shard, heard, time.perf_counter() - began)
        self._write_failures(task, made.failures)
        self._write("candidates", task, made.candidates, schema.CANDIDATES)
        self._write("clips", task, made.clips, schema.CLIPS)

    def _candidates(
        self, task: ShardTask, spec: ClipSpec, clip: Row, made: _Made
    ) -> Iterator[Event]:
        noisy = audio.from_column(clip["noisy"])
        assert noisy is not None
        origin = origin_of(spec, self.setup.run.corpus)
        hopeless = {(one.clip_id, one.generator): one.why for one in task.hopeless}
        first = task.shard == 0 and not made.clips
        for asked in self.generators:
            if why := hopeless.get((origin.clip_id, asked.label)):
                made.failures += given_up(origin, asked, why)
                continue
            yield Began("sample", task.shard, origin.clip_id, asked.label)
            rows, failures = sample_clip(origin, noisy, asked, self._seed)
            made.candidates += rows
            made.failures += failures
            if first and rows:
                yield from self._asked_again(task, origin, noisy, asked)

    def _asked_again(
        self, task: ShardTask, origin: Origin, noisy: Sound, asked: Asked
    ) -> Iterator[Event]:
        """On the first clip of a run: whether a generator keeps its word."""
        yield Began("sample", task.shard, origin.clip_id, asked.label)
        if text := not_reproducible(origin, noisy, asked, self._seed):
            yield Notice("sample", task.shard, asked.label, text)

    def _score(self, task: ShardTask) -> Iterator[Event]:
        clips = shards.read(shards.part(self.setup.out, "clips", task.shard)).to_pylist()
        candidates = shards.read(shards.part(self.setup.out, "candidates", task.shard)).to_pylist()
        of_clip: dict[str, list[Row]] = {clip["clip_id"]: [] for clip in clips}
        for row in candidates:
            of_clip[row["clip_id"]].append(row)
        scores: list[Row] = []
        failures: list[Failure] = []
        for clip in clips:
            began = time.perf_counter()
            rows, faults = score_clip(clip, of_clip[clip["clip_id"]], self.panel)
            scores += rows
            failures += faults
            heard = _audio_seconds(of_clip[clip["clip_id"]])
            yield Tick("score", task.shard, heard, time.perf_counter() - began)
        self._write_failures(task, failures)
        told = {note.name: note.kind for note in self.panel.notes}
        form = schema.scores_schema((score.name for score in self.panel.scores), told)
        self._write("scores", task, scores, form)

    def _seed(self, *identity: str | int) -> int:
        return seed_for(self.setup.run.seed, *identity)

    def _write(self, table: shards.Table, task: ShardTask, rows: list[Row], form: Any) -> None:
        shards.write(shards.part(self.setup.out, table, task.shard), rows, form, self.setup.facts)

    def _write_failures(self, task: ShardTask, failures: list[Failure]) -> None:
        """Before the stage's own part, so that a part never stands without its failures."""
        path = shards.part(self.setup.out, "failures", task.shard, task.stage)
        write_failures(path, failures, self.setup.facts)

    @property
    def maker(self) -> ClipMaker:
        """The corpus, opened."""
        if self._maker is None:
            run = self.setup.run
            self._maker = ClipMaker(run.corpus, run.seed, self.setup.base)
        return self._maker

    @property
    def generators(self) -> list[Asked]:
        """The generators, loaded, and what is asked of each."""
        if self._generators is None:
            self._generators = list(self._loaded())
        return self._generators

    def _loaded(self) -> Iterator[Asked]:
        run = self.setup.run
        made = make_generators(run, self.setup.base)
        recorded = {one["name"]: one["revision"] for one in self.setup.facts["generators"]}
        for use, (label, generator) in zip(run.generators, made.items(), strict=True):
            load_generator(label, generator, run.engine.device)
            limit = run.engine.limit_seconds
            yield Asked(label, generator, recorded[label], use.candidates, limit)

    @property
    def panel(self) -> Panel:
        """The panel, loaded."""
        if self._panel is None:
            self._panel = Panel(self.setup.run.panel, self.setup.texts, self.setup.base)
            self._panel.load(self.setup.run.engine.device)
        return self._panel


@dataclass
class _Made:
    """What a shard has come to so far."""

    clips: list[Row] = field(default_factory=list)
    candidates: list[Row] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def load_generator(label: str, generator: Any, device: str) -> None:
    """Load a generator's weights.

    Raises:
        InputError: they cannot be; ends a run before it samples.
    """
    try:
        generator.load(device)
    except GensrPrefError:
        raise
    except Exception as error:
        raise InputError(
            f"generator {label!r} cannot be loaded on engine.device = {device!r}: "
            f"{type(error).__name__}: {error}"
        ) from error


def score_clip(clip: Row, candidates: list[Row], panel: Panel) -> tuple[list[Row], list[Failure]]:
    """The scores of one clip's noisy input (``clip_id/noisy/0``, the baseline) and candidates."""
    noisy = audio.from_column(clip["noisy"])
    assert noisy is not None
    ids = [noisy_id(clip["clip_id"]), *(row["candidate_id"] for row in candidates)]
    sounds = [noisy, *(_decoded(row) for row in candidates)]
    clean = audio.from_column(clip["clean"])
    scored = panel.score(sounds, clean, noisy, clip["text"], clip["language"])
    rows = [
        {"candidate_id": name, "clip_id": clip["clip_id"], **scores_of(one)}
        for name, one in zip(ids, scored, strict=True)
    ]
    failures = [
        Failure("scores", clip["clip_id"], reason, f"{score}: {one.details.get(score, '')}", name)
        for name, one in zip(ids, scored, strict=True)
        for score, reason in one.failures.items()
    ]
    return rows, failures


def write_failures(path: Path, failures: list[Failure], facts: dict[str, Any]) -> None:
    """Write the failures of one stage of one shard; no file where there are none."""
    if failures:
        rows = [
            {
                "stage": f.stage,
                "clip_id": f.clip_id,
                "candidate_id": f.candidate_id,
                "reason": str(f.reason),
                "detail": f.detail,
            }
            for f in failures
        ]
        shards.write(path, rows, schema.FAILURES, facts)
    else:
        path.unlink(missing_ok=True)


def _decoded(row: Row) -> Sound:
    return audio.read(row["audio"]["bytes"])


def scores_of(scored: CandidateScores) -> Row:
    """What the panel says of one candidate, as columns of a table."""
    failures = [{"score": score, "reason": str(why)} for score, why in scored.failures.items()]
    return {**scored.values, "failures": failures or None, "notes": scored.notes or None}


def _audio_seconds(rows: list[Row]) -> float:
    return float(sum(row["num_samples"] / row["sample_rate"] for row in rows))
