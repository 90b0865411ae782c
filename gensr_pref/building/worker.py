"""Does the tasks of a build; the same code runs in one process and on a cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gensr_pref import audio, schema
from gensr_pref.building import reuse
from gensr_pref.building.prepare import origin_of
from gensr_pref.building.reuse import ExistingSamples
from gensr_pref.building.sampling import (
    ClipCandidates,
    GeneratorRequest,
    add_skipped,
    reproducibility_notice,
    sample_clip,
)
from gensr_pref.building.scoring import Scorer, decode_clip, failures_of
from gensr_pref.building.shard_assignment import shard_columns
from gensr_pref.building.tasks import (
    Call,
    CallStarted,
    ClipFinished,
    Event,
    Notice,
    PartsWritten,
    Row,
    Setup,
    ShardTask,
)
from gensr_pref.config import plugins
from gensr_pref.corpus.clip_spec import ClipSpec
from gensr_pref.corpus.clips import ClipMaker
from gensr_pref.errors import CorruptPartError, GensrPrefError, InputError, Problem, Unusable
from gensr_pref.generators.registry import make_generators
from gensr_pref.identity import seed_for
from gensr_pref.metrics.panel import Panel
from gensr_pref.metrics.results import CandidateScores
from gensr_pref.rundir import part_files, provenance
from gensr_pref.rundir.document import Section
from gensr_pref.rundir.ledger import part_name
from gensr_pref.rundir.machine import Machine, this_machine
from gensr_pref.rundir.provenance import PartRecord
from gensr_pref.schema import Failure

Parts = dict[str, part_files.Stamp | None]


class ShardWorker:
    """A worker that does the tasks of a run and loads each model when it is first needed."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._maker: ClipMaker | None = None
        self._generators: list[GeneratorRequest] | None = None
        self._scorer: Scorer | None = None
        plugins.search(setup.base)

    def run(self, task: ShardTask) -> Iterator[Event]:
        """Do a task and yield its events; its parts are written when the iterator ends."""
        yield from self._sample(task) if task.stage == "sample" else self._score(task)

    def _sample(self, task: ShardTask) -> Iterator[Event]:
        wanted, clips_record = self._record("candidates", task), self._record("clips", task)
        existing = reuse.existing_samples(
            self.setup.out, task.shard, wanted, clips_record.fingerprint
        )
        collected, generators = _ShardRows(), self.generators
        for spec in task.clips:
            began = time.perf_counter()
            before, failed = len(collected.candidates), len(collected.failures)
            try:
                clip = self._clip(spec, existing)
            except Unusable as fault:
                collected.failures.append(
                    Failure("corpus", spec.clip_id, fault.reason, fault.detail)
                )
            else:
                yield from self._candidates(task, spec, clip, generators, existing, collected)
                collected.clips.append(clip)
            new = [
                row for row in collected.candidates[before:] if row["candidate_id"] in collected.new
            ]
            reasons = tuple(failure.reason for failure in collected.failures[failed:])
            yield ClipFinished(
                "sample",
                task.shard,
                _audio_seconds(new),
                time.perf_counter() - began,
                failures=reasons,
            )
        parts = self._write_failures(task, collected.failures, wanted)
        parts |= self._write("candidates", task, collected.candidates, schema.CANDIDATES, wanted)
        if existing.clips is None:
            parts |= self._write("clips", task, collected.clips, schema.CLIPS, clips_record)
        extends = bool(existing.candidates)
        yield PartsWritten("sample", task.shard, parts, extends, self._machine())

    def _machine(self) -> Machine:
        return this_machine(self.setup.run.engine.device)

    def _clip(self, spec: ClipSpec, existing: ExistingSamples) -> Row:
        row = (existing.clips or {}).get(spec.clip_id)
        return dict(self.maker.make(spec)) if row is None else row

    def _candidates(
        self,
        task: ShardTask,
        spec: ClipSpec,
        clip: Row,
        generators: Sequence[GeneratorRequest],
        existing: ExistingSamples,
        collected: _ShardRows,
    ) -> Iterator[Event]:
        noisy = audio.from_column(clip["noisy"])
        assert noisy is not None
        origin = origin_of(spec, self.setup.run.corpus)
        first = task.shard == 0 and not collected.clips
        for request in generators:
            call = Call(origin.clip_id, request.label)
            old = existing.of(origin.clip_id, request.label)
            if why := task.skip_reason(call):
                collected.add(add_skipped(origin, request, why, old), old)
                continue
            if len(old.indices) < request.candidates:
                yield CallStarted("sample", task.shard, call)
            sampled = sample_clip(origin, noisy, request, self._seed, old)
            collected.add(sampled, old)
            if first and sampled.rows and not old.rows:  # one test of each new generator
                yield CallStarted("sample", task.shard, call)
                if text := reproducibility_notice(origin, noisy, request, self._seed):
                    yield Notice("sample", task.shard, request.label, text)

    def _score(self, task: ShardTask) -> Iterator[Event]:
        wanted = self._record("scores", task)
        clips = self._read("clips", task)
        candidates: dict[str, list[Row]] = {clip["clip_id"]: [] for clip in clips}
        for row in self._read("candidates", task):
            candidates[row["clip_id"]].append(row)
        existing = reuse.existing_scores(self.setup.out, task.shard, wanted, self.panel.members)
        if not existing.metrics:
            self.scorer.load(self.panel.members)
        scores: list[Row] = []
        failures: list[Failure] = []
        for clip in clips:
            began = time.perf_counter()
            results: dict[str, CandidateScores] = {}
            rows = candidates[clip["clip_id"]]
            for answer in self.scorer.score(task, decode_clip(clip, rows), existing):
                if isinstance(answer, Call):
                    yield CallStarted("score", task.shard, answer)
                else:
                    results = answer
            scores += _rows(clip["clip_id"], results)
            failed = list(failures_of(clip["clip_id"], results))
            failures += failed
            yield ClipFinished(
                "score",
                task.shard,
                _audio_seconds(rows),
                time.perf_counter() - began,
                failures=tuple(failure.reason for failure in failed),
            )
        parts = self._write_failures(task, failures, wanted)
        notes = {note.name: note.kind for note in self.panel.notes}
        form = schema.scores_schema((score.name for score in self.panel.scores), notes)
        parts |= self._write("scores", task, scores, form, wanted)
        yield PartsWritten("score", task.shard, parts, bool(existing.of), self._machine())

    def _read(self, table: part_files.Table, task: ShardTask) -> list[Row]:
        """Read a part of the first stage; a damaged one is removed, so that it is made again."""
        path = part_files.part(self.setup.out, table, task.shard)
        try:
            rows: list[Row] = part_files.read(path).to_pylist()
        except CorruptPartError:
            part_files.remove_file(path)
            raise
        return rows

    def _seed(self, *identity: str | int) -> int:
        return seed_for(self.setup.run.seed, *identity)

    def _record(self, table: provenance.Made, task: ShardTask) -> PartRecord:
        return provenance.part_record(table, self.setup.document, *shard_columns(task.clips))

    def _write(
        self,
        table: part_files.Table,
        task: ShardTask,
        rows: list[Row],
        form: Any,
        record: PartRecord,
    ) -> Parts:
        path = part_files.part(self.setup.out, table, task.shard)
        return {part_name(path): part_files.write(path, rows, form, record.as_data())}

    def _write_failures(
        self, task: ShardTask, failures: list[Failure], record: PartRecord
    ) -> Parts:
        """Write the failures, before the stage's parts, so that no part exists without them."""
        path = part_files.part(self.setup.out, "failures", task.shard, task.stage)
        return {part_name(path): write_failures(path, failures, record.as_data())}

    @property
    def maker(self) -> ClipMaker:
        """The maker of the corpus's clips."""
        if self._maker is None:
            run = self.setup.run
            self._maker = ClipMaker(run.corpus, run.seed, self.setup.base, self.setup.library)
        return self._maker

    @property
    def generators(self) -> list[GeneratorRequest]:
        """The loaded generators with the number of candidates wanted from each."""
        if self._generators is None:
            self._generators = list(self._load_generators())
        return self._generators

    def _load_generators(self) -> Iterator[GeneratorRequest]:
        run = self.setup.run
        generators = make_generators(run, self.setup.base)
        records = self.setup.document.provenance.generators
        revisions = {record.name: record.revision or "" for record in records}
        for use, (label, generator) in zip(run.generators, generators.items(), strict=True):
            load_generator(label, generator, run.engine.device)
            limit = run.engine.limit_seconds
            yield GeneratorRequest(
                label, generator, revisions[label], use.candidates, limit, use.seeds
            )

    @property
    def scorer(self) -> Scorer:
        """The scorer, whose metrics are loaded when they are first used."""
        if self._scorer is None:
            setup, engine = self.setup, self.setup.run.engine
            panel = Panel(setup.run.panel, setup.texts, setup.base)
            self._scorer = Scorer(
                panel, setup.texts, setup.base, engine.scoring_device, engine.limit_seconds
            )
        return self._scorer

    @property
    def panel(self) -> Panel:
        """The panel of metrics."""
        return self.scorer.panel


@dataclass
class _ShardRows:
    """The rows and failures of a shard so far.

    Attributes:
        new: ids of the candidates that did not exist before.
    """

    clips: list[Row] = field(default_factory=list)
    candidates: list[Row] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    new: set[str] = field(default_factory=set)

    def add(self, sampled: ClipCandidates, existing: ClipCandidates) -> None:
        """Add a generator's candidates of a clip."""
        self.candidates += sampled.rows
        self.failures += sampled.failures
        old = {row["candidate_id"] for row in existing.rows}
        self.new |= {row["candidate_id"] for row in sampled.rows} - old


def load_generator(label: str, generator: Any, device: str) -> None:
    """Load a generator's weights.

    Raises:
        InputError: they cannot be loaded; this ends a run before it samples.
    """
    try:
        generator.load(device)
    except GensrPrefError:
        raise
    except Exception as error:
        raise InputError(
            f"generator {label!r} cannot be loaded on the device {device!r}: "
            f"{type(error).__name__}: {error}",
            value=label,
            problem=Problem.FAILED,
        ) from error


def write_failures(
    path: Path, failures: Sequence[Failure], facts: Section
) -> part_files.Stamp | None:
    """Write the failures of one stage of one shard; without failures there is no file."""
    if failures:
        rows = [{**vars(failure), "reason": str(failure.reason)} for failure in failures]
        return part_files.write(path, rows, schema.FAILURES, facts)
    part_files.remove_file(path)
    return None


def scores_of(scored: CandidateScores) -> Row:
    """Return the scores of one candidate as the columns of a row."""
    failures = [
        {"score": score, "reason": str(reason)} for score, reason in scored.failures.items()
    ]
    return {**scored.values, "failures": failures or None, "notes": scored.notes or None}


def _rows(clip_id: str, results: dict[str, CandidateScores]) -> Iterator[Row]:
    for name, scored in results.items():
        yield {"candidate_id": name, "clip_id": clip_id, **scores_of(scored)}


def _audio_seconds(rows: list[Row]) -> float:
    return float(sum(row["num_samples"] / row["sample_rate"] for row in rows))
