"""The work itself: one stage of one shard, the same in one process and on a cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from gensr_pref import audio, plugins, schema, shards
from gensr_pref.audio import Sound
from gensr_pref.config import GeneratorUse, Run
from gensr_pref.corpus.clips import ClipMaker, ClipSpec
from gensr_pref.engine.blueprint import make_generators
from gensr_pref.errors import GensrPrefError, InputError, StorageError, Unusable
from gensr_pref.generators.base import Candidate, Generator
from gensr_pref.identity import candidate_id, noisy_id, seed_for
from gensr_pref.metrics.panel import Panel
from gensr_pref.metrics.results import CandidateScores
from gensr_pref.schema import Failure, Reason
from gensr_pref.threads import one_thread

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


Event = Tick | Finished | Restarted | Lost


class Worker(Protocol):
    """Does tasks in one process; loads each model when a task first needs it."""

    def run(self, task: Any) -> Iterator[Tick]:
        """Do a task, telling of every clip. The task is done when the iterator ends."""
        ...


WorkerOf = Callable[[Any], Worker]


class ShardWorker:
    """Does the tasks of a run; loads each model when a task first needs it."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._maker: ClipMaker | None = None
        self._generators: dict[str, Generator] | None = None
        self._panel: Panel | None = None
        plugins.search(setup.base)

    def run(self, task: ShardTask) -> Iterator[Tick]:
        """Do a task, telling of every clip. Its part file is there when the iterator ends."""
        yield from self._sample(task) if task.stage == "sample" else self._score(task)

    def _sample(self, task: ShardTask) -> Iterator[Tick]:
        clips: list[Row] = []
        candidates: list[Row] = []
        failures: list[Failure] = []
        for spec in task.clips:
            began = time.perf_counter()
            try:
                clip = self.maker.make(spec)
            except Unusable as fault:
                failures.append(Failure("corpus", spec.clip_id, fault.reason, fault.detail))
                yield Tick("sample", task.shard, 0.0, time.perf_counter() - began)
                continue
            rows, faults = self._candidates(clip)
            clips.append(clip)
            candidates += rows
            failures += faults
            heard = _audio_seconds(rows)
            yield Tick("sample", task.shard, heard, time.perf_counter() - began)
        self._write_failures(task, failures)
        self._write("candidates", task, candidates, schema.CANDIDATES)
        self._write("clips", task, clips, schema.CLIPS)

    def _candidates(self, clip: Row) -> tuple[list[Row], list[Failure]]:
        noisy = audio.from_column(clip["noisy"])
        assert noisy is not None
        rows: list[Row] = []
        failures: list[Failure] = []
        uses = zip(self.setup.run.generators, self.generators.items(), strict=True)
        with one_thread():
            for use, (label, generator) in uses:
                made, faults = sample_clip(
                    clip["clip_id"], noisy, label, generator, use, self._seed
                )
                rows += made
                failures += faults
        return rows, failures

    def _score(self, task: ShardTask) -> Iterator[Tick]:
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
    def generators(self) -> dict[str, Generator]:
        """The generators by label, loaded."""
        if self._generators is None:
            made = make_generators(self.setup.run, self.setup.base)
            for label, generator in made.items():
                _load(label, generator, self.setup.run.engine.device)
            self._generators = made
        return self._generators

    @property
    def panel(self) -> Panel:
        """The panel, loaded."""
        if self._panel is None:
            self._panel = Panel(self.setup.run.panel, self.setup.texts, self.setup.base)
            self._panel.load(self.setup.run.engine.device)
        return self._panel


def _load(label: str, generator: Generator, device: str) -> None:
    try:
        generator.load(device)
    except GensrPrefError:
        raise
    except Exception as error:  # a model that does not load ends the run before it samples
        raise InputError(
            f"generator {label!r} cannot be loaded on engine.device = {device!r}: "
            f"{type(error).__name__}: {error}"
        ) from error


def sample_clip(
    clip: str,
    noisy: Sound,
    label: str,
    generator: Generator,
    use: GeneratorUse,
    seed: Callable[..., int],
) -> tuple[list[Row], list[Failure]]:
    """All candidates of one clip by one generator, in one batch of equal rows.

    A batch never mixes clips: its rows then need no padding, and what a candidate sounds like
    cannot depend on which other clips were there.
    """
    ids = [candidate_id(clip, label, index) for index in range(use.candidates)]
    seeds = [seed(clip, label, index) for index in range(use.candidates)]
    heard = noisy.at(generator.sample_rate).wave
    batch = np.repeat(heard[None], use.candidates, axis=0)
    try:
        found = list(generator.sample(batch, [len(heard)] * use.candidates, seeds))
        if len(found) != use.candidates:
            raise RuntimeError(f"{len(found)} candidates came back, not {use.candidates}")
    except (Exception, SystemExit) as error:  # anyone's code; its failure is data
        fault = error if isinstance(error, Unusable) else _raised(error)
        return [], [Failure("candidates", clip, fault.reason, fault.detail, name) for name in ids]
    rows, failures = [], []
    for index, (name, candidate) in enumerate(zip(ids, found, strict=True)):
        try:
            check_candidate(candidate, len(heard))
            rows.append(
                _candidate_row(name, clip, label, generator, index, seeds[index], candidate)
            )
        except Exception as error:  # not a candidate, or not what one is made of
            fault = error if isinstance(error, Unusable) else _raised(error)
            failures.append(Failure("candidates", clip, fault.reason, fault.detail, name))
    return rows, failures


def check_candidate(candidate: Candidate, samples: int) -> None:
    """Refuse what is not a restored clip.

    Raises:
        Unusable: EMPTY, NOT_FINITE, SILENT; LENGTH_MISMATCH where the output is not as long as
            the input; OUT_OF_RANGE where over 1 % of its samples (our choice) exceed full scale,
            and so would be clipped; GENERATOR_ERROR where it is no array of floats.
    """
    kind = getattr(candidate.audio, "dtype", type(candidate.audio).__name__)
    if not isinstance(candidate.audio, np.ndarray) or candidate.audio.dtype.kind != "f":
        raise Unusable(Reason.GENERATOR_ERROR, f"audio is {kind}, not float32")
    audio.require_sound(candidate.audio)
    audio.within_scale(candidate.audio)
    if candidate.audio.shape != (samples,):
        raise Unusable(
            Reason.LENGTH_MISMATCH, f"shape {candidate.audio.shape} for an input of {samples}"
        )


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


def _raised(error: BaseException) -> Unusable:
    return Unusable(Reason.GENERATOR_ERROR, f"{type(error).__name__}: {error}")


def _candidate_row(
    name: str, clip: str, label: str, generator: Generator, index: int, seed: int, made: Candidate
) -> Row:
    return {
        "candidate_id": name,
        "clip_id": clip,
        "generator": label,
        "revision": generator.revision,
        "index": index,
        "seed": seed,
        "sampling": json.dumps(made.sampling, sort_keys=True),
        "audio": audio.column_value(made.audio, generator.sample_rate),
        "sample_rate": generator.sample_rate,
        "num_samples": len(made.audio),
        "tokens": None if made.tokens is None else made.tokens.tolist(),
        "latent": None if made.latent is None else _latent(made.latent),
    }


def _latent(latent: Any) -> Row:
    return {"data": latent.astype("<f2").tobytes(), "shape": list(latent.shape)}


def scores_of(scored: CandidateScores) -> Row:
    """What the panel says of one candidate, as columns of a table."""
    failures = [{"score": score, "reason": str(why)} for score, why in scored.failures.items()]
    return {**scored.values, "failures": failures or None, "notes": scored.notes or None}


def _audio_seconds(rows: list[Row]) -> float:
    return float(sum(row["num_samples"] / row["sample_rate"] for row in rows))
