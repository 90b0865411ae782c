"""Scores plain folders of audio files with a panel: one table, one row per file.

The work runs in the workers of a build, with their isolation, but no run directory is written: a
build stores every candidate as 16-bit FLAC at one sample rate and under a gain that its clip's
candidates share, and `score` must measure the files as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensr_pref.apply.audio_folders import (
    FolderClip,
    Folders,
    describe_missing,
    label_systems,
    match_clips,
)
from gensr_pref.apply.default_panel import choose_panel, describe_panel, describe_unused
from gensr_pref.apply.score_table import WRITERS, LostScore, ScoreReport, summarise
from gensr_pref.apply.score_worker import ScoreSetup, ScoreTask, ScoreWorker, rows_of
from gensr_pref.apply.transcripts import Transcripts, parse_language
from gensr_pref.building import devices
from gensr_pref.building.executor import run_jobs
from gensr_pref.building.progress_bar import Bar
from gensr_pref.building.tasks import ClipFinished, Event, Lost, Restarted, Row, Skip
from gensr_pref.config.run_file import Engine, MetricUse
from gensr_pref.errors import ConfigError, InputError, Message, Problem, Unusable, parameter
from gensr_pref.identity import digest
from gensr_pref.metrics.members import entry_of
from gensr_pref.metrics.panel import Panel
from gensr_pref.metrics.results import CandidateScores
from gensr_pref.rundir import part_files
from gensr_pref.schema import Reason

FEW = 8  # clips; fewer are scored in less time than Ray needs to start
RETRIES = 1  # of a clip whose process dies, before it is scored in smaller pieces


@dataclass(frozen=True)
class _Job:
    """What a table is computed from.

    Attributes:
        out: the table.
        clips: by their digest.
        panel: the metrics, as this process has loaded them.
        setup: the same for the processes that score.
        facts: what the panel and the texts are; an unfinished table with other facts is refused.
    """

    out: Path
    clips: Mapping[str, FolderClip]
    panel: Panel
    setup: ScoreSetup
    facts: dict[str, Any]

    @property
    def partial(self) -> Path:
        """The file of the finished clips."""
        return self.out.with_name(self.out.name + ".partial")


def score(
    systems: str | Path | Sequence[str | Path],
    out: str | Path,
    metrics: str | Sequence[MetricUse | str] | None = None,
    *,
    reference: str | Path | None = None,
    noisy: str | Path | None = None,
    texts: str | Path | None = None,
    language: str | None = None,
    engine: Engine | None = None,
    report: Callable[[Message], None] = lambda line: None,
) -> ScoreReport:
    """Score folders of audio files into one table, or continue an interrupted call.

        score(["model_a", "model_b"], "scores.csv", ["dnsmos", "pesq"], reference="clean")

    Finished clips are kept in ``OUT.partial`` beside `out` until all are finished.

    Args:
        systems: folders of audio files, one per system, or single files.
        out: ``.parquet``, ``.csv`` or ``.jsonl``; must not exist yet.
        metrics: names or entries of a run file; or one text, as `choose_panel` reads it. None: all
            metrics that need no more than is given.
        reference, noisy, texts, language: as in `Folders`.
        engine: how the work is run; None: on every CPU.
        report: called with lines for the user: which panel is used, and which inputs do not fit
            together.

    Raises:
        InputError: an input is wrong; raised before any work.
        StorageError: the table cannot be written; finished clips are kept.
    """
    folders = _folders(systems, reference, noisy, texts, language)
    out, engine = Path(out), engine or engine_for("auto", "cpu")
    _require_new_table(out)
    job = _prepare(folders, metrics, out, engine, report)
    with _hold_partial(job):
        finished = _read_finished(job)
        lost = _score_rest(job, engine, finished)
        rows = [row for key in job.clips for row in finished[key]]
        _write_table(job, rows)
    means = summarise(rows, job.panel, label_systems(folders.systems))
    return {"out": str(out), "lost": lost, "systems": means}


def _require_new_table(out: Path) -> None:
    if out.suffix not in WRITERS:
        raise ConfigError(
            f"{out.name!r} ends in none of {', '.join(WRITERS)}",
            field=parameter("out"),
            value=out,
            problem=Problem.UNSUPPORTED,
        )
    if out.exists():
        raise InputError(
            f"{out} exists already; remove it or name another",
            field=parameter("out"),
            value=out,
            problem=Problem.EXISTS,
        )


def _folders(
    systems: str | Path | Sequence[str | Path],
    reference: str | Path | None,
    noisy: str | Path | None,
    texts: str | Path | None,
    language: str | None,
) -> Folders:
    paths = [systems] if isinstance(systems, str | Path) else systems
    return Folders(
        tuple(map(Path, paths)),
        reference=None if reference is None else Path(reference),
        noisy=None if noisy is None else Path(noisy),
        texts=None if texts is None else Path(texts),
        language=None if language is None else parse_language(language, parameter("language")),
    )


def _prepare(
    folders: Folders,
    metrics: str | Sequence[MetricUse | str] | None,
    out: Path,
    engine: Engine,
    report: Callable[[Message], None],
) -> _Job:
    """Match the files, make the panel, and report what does not fit together."""

    def report_line(line: str) -> None:
        report(Message(line))

    transcripts = Transcripts.read(folders.texts)
    clips = match_clips(folders, transcripts, report_line)
    uses = _uses(metrics, folders)
    panel = Panel(uses, transcripts.sentences)
    for line in [
        *describe_panel(panel),
        *transcripts.describe_unmatched([clip.name for clip in clips]),
        *describe_missing(clips),
        *describe_unused(panel, folders),
    ]:
        report_line(line)
    setup = ScoreSetup(
        tuple(uses), transcripts.sentences, Path.cwd(), engine.scoring_device, engine.limit_seconds
    )
    facts = {"panel": panel.facts(), "texts": digest(list(transcripts.sentences))}
    return _Job(out, {clip.digest(): clip for clip in clips}, panel, setup, facts)


def _uses(metrics: str | Sequence[MetricUse | str] | None, folders: Folders) -> list[MetricUse]:
    if metrics is not None and not isinstance(metrics, str):
        return [entry_of(metric) for metric in metrics]
    return choose_panel(
        metrics,
        settings=[],
        reference=folders.reference is not None,
        texts=folders.texts is not None,
        noisy=folders.noisy is not None,
    )


def engine_for(workers: str, device: str) -> Engine:
    """Return the engine for a number of workers: this process for one worker, otherwise Ray.

    Raises:
        ConfigError: `workers` is neither ``auto`` nor a number, or this machine has no such
            `device`.
    """
    count: Any = int(workers) if workers.isdigit() else workers
    if count != "auto" and (not isinstance(count, int) or count < 1):
        raise ConfigError(
            f"{workers!r} is neither auto nor a number of at least 1",
            field=parameter("workers"),
            value=workers,
            problem=Problem.INVALID,
        )
    devices.require_device(device, parameter("device"))
    kind = "serial" if count == 1 else "ray"
    return Engine(kind=kind, workers=count, device=device, retries=RETRIES, limit_seconds=None)


def _without_ray_for_few(engine: Engine, clips: int) -> Engine:
    """Return the engine, without Ray for few clips unless the user chose a number of workers."""
    few = engine.workers == "auto" and clips < FEW
    return engine.model_copy(update={"kind": "serial"}) if few else engine


@contextmanager
def _hold_partial(job: _Job) -> Iterator[None]:
    """Lock the file of the finished clips, and remove it at the end if it holds none.

    Raises:
        InputError: another process is writing the table.
    """
    busy = InputError(
        f"another process is writing {job.out}",
        field=parameter("out"),
        value=job.out,
        problem=Problem.BUSY,
    )
    with part_files.hold_lock(job.partial, busy):
        try:
            yield
        finally:
            if len(part_files.read_json_lines(job.partial)) <= 1:
                job.partial.unlink(missing_ok=True)


def _read_finished(job: _Job) -> dict[str, list[Row]]:
    """Return the rows that an earlier call finished, by the digest of their clip.

    Raises:
        InputError: they were computed with another panel or other texts.
    """
    header = {name: digest(value) for name, value in job.facts.items()}
    records = part_files.read_json_lines(job.partial)
    if len(records) <= 1:  # no clip is finished, so nothing is lost
        part_files.overwrite_json(job.partial, header)
        return {}
    changed = [name for name in header if records[0].get(name) != header[name]]
    if changed:
        raise InputError(
            f"was begun with another {' and other '.join(changed)}. Remove it, or name "
            f"another {parameter('out')}",
            path=job.partial,
            value=changed,
            problem=Problem.CHANGED,
        )
    return {record["clip"]: record["rows"] for record in records[1:] if "clip" in record}


def _score_rest(job: _Job, engine: Engine, finished: dict[str, list[Row]]) -> list[LostScore]:
    """Score the clips that are not in `finished`, add their rows to it, and return what was lost.

    Args:
        finished: rows by the digest of their clip.
    """
    tasks = {
        shard: (key, clip)
        for shard, (key, clip) in enumerate(job.clips.items())
        if key not in finished
    }
    shards = [[ScoreTask("score", shard, clip)] for shard, (_, clip) in tasks.items()]
    engine = _without_ray_for_few(engine, len(shards))
    with (
        Bar(len(job.clips), len(job.clips) - len(tasks)) as bar,
        run_jobs(ScoreWorker, job.setup, shards, engine) as events,
    ):
        return _collect(events, tasks, job, finished, bar)


def _collect(
    events: Iterable[Event],
    tasks: Mapping[int, tuple[str, FolderClip]],
    job: _Job,
    finished: dict[str, list[Row]],
    bar: Bar,
) -> list[LostScore]:
    """Keep the rows of each clip as they arrive, and return what was given up.

    A clip of which something was given up is not recorded as finished: a later call tries it again.

    Args:
        events: what the workers report.
        tasks: by shard, the digest of the clip and the clip.
        finished: rows by digest; new rows are added.
        bar: shows the progress.
    """
    lost: dict[str, list[LostScore]] = {}
    for event in events:
        if not isinstance(event, Restarted | Lost | ClipFinished):
            continue
        key, clip = tasks[event.shard]
        if isinstance(event, Restarted):
            bar.write(f"{clip.name} is tried again: {event.why}")
            continue
        if isinstance(event, Lost):
            finished[key] = _null_rows(clip, job.panel, event.why)
            lost[key] = [_lost_file(clip, system, event.why) for system, _ in clip.candidates]
        elif event.skipped:
            finished[key] = list(event.rows)
            lost[key] = [
                entry for skip in event.skipped for entry in _lost_scores(clip, skip, job.panel)
            ]
        else:
            finished[key] = list(event.rows)
            part_files.append_json(job.partial, {"clip": key, "rows": event.rows})
        bar.update(1)
    return [entry for entries in lost.values() for entry in entries]


def _lost_file(clip: FolderClip, system: str, why: str) -> LostScore:
    return {"file": clip.name, "system": system, "why": why}


def _lost_scores(clip: FolderClip, skip: Skip, panel: Panel) -> Iterator[LostScore]:
    """Yield what was given up of a clip: a metric, for one of its candidates or for all of them."""
    uses = {member.metric.spec.name: member.use.metric for member in panel.members}
    for system, _ in clip.candidates:
        if skip.call.candidate_id in ("", system):
            metric, why = uses[skip.call.plugin], skip.why.detail
            yield {"file": clip.name, "system": system, "metric": metric, "why": why}


def _null_rows(clip: FolderClip, panel: Panel, why: str) -> list[Row]:
    """Return the rows of a clip that was given up."""
    scores = CandidateScores()
    for score in panel.scores:
        scores.fail(score.name, Unusable(Reason.METRIC_ERROR, why))
    return list(rows_of(clip, dict.fromkeys(dict(clip.candidates), scores)))


def _write_table(job: _Job, rows: Sequence[Row]) -> None:
    """Write the table and remove the file of the finished clips.

    Raises:
        InputError: the table has been created meanwhile.
    """
    if job.out.exists():
        raise InputError(
            f"{job.out} has been created meanwhile. Move it away, and run the same command again",
            field=parameter("out"),
            value=job.out,
            problem=Problem.EXISTS,
        )
    WRITERS[job.out.suffix](job.out, rows, job.panel, job.facts)
    job.partial.unlink()
