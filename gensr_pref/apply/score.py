"""The panel on plain folders of audio: one row per file, whatever can be had of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from gensr_pref.apply.score_table import WRITERS, summary
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

FEW = 8  # clips: the time that Ray takes to start scores more
RETRIES = 1  # of a clip whose process dies, before it is scored in smaller pieces


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
) -> dict[str, Any]:
    """Score folders of audio into one table, or continue.

        score(["model_a", "model_b"], "scores.csv", ["dnsmos", "pesq"], reference="clean")

    What is finished is kept beside `out`, as ``OUT.partial``, until all is.

    Args:
        systems: folders of audio, one per system, or single files.
        out: ``.parquet``, ``.csv`` or ``.jsonl``; must not be there yet.
        metrics: entries of a run file or names; or one text, as `choose_panel` reads it. None: all
            that need no more than is given.
        reference, noisy, texts, language: as in `Folders`.
        engine: how the work is run; None: on every CPU.
        report: called with lines for the person who waits: the panel that is used, and what does
            not fit together.

    Returns:
        Per system: files, mean of each score and how many it is of, nulls by reason; `lost`: what
        ended the process that scored it, null in the table.

    Raises:
        InputError: before any work.
        StorageError: the table cannot be written; what is finished stays.
    """
    folders = _folders(systems, reference, noisy, texts, language)
    out, engine = Path(out), engine or engine_for("auto", "cpu")
    _require_new_table(out)
    transcripts = Transcripts.read(folders.texts)

    def say(line: str) -> None:
        report(Message(line))

    clips = {clip.digest(): clip for clip in match_clips(folders, transcripts, say)}
    uses = _uses(metrics, folders)
    panel = Panel(uses, transcripts.sentences)
    names = [clip.name for clip in clips.values()]
    matters = transcripts.describe_unmatched(names) + describe_missing(list(clips.values()))
    for line in [*describe_panel(panel), *matters, *describe_unused(panel, folders)]:
        say(line)
    setup = ScoreSetup(
        tuple(uses), transcripts.sentences, Path.cwd(), engine.scoring_device, engine.limit_seconds
    )
    facts = {"panel": panel.facts(), "texts": digest(list(transcripts.sentences))}
    busy = InputError(
        f"another process is writing {out}", field=parameter("out"), value=out, problem=Problem.BUSY
    )
    with part_files.hold_lock(_partial_path(out), busy), _clean_up(out):
        done = _read_finished(out, facts)
        lost = _run(clips, setup, engine, out, done, panel)
        rows = [row for key in clips for row in done[key]]
        if out.exists():
            raise InputError(
                f"{out} has appeared meanwhile. Move it away; the same command continues",
                field=parameter("out"),
                value=out,
                problem=Problem.EXISTS,
            )
        WRITERS[out.suffix](out, rows, panel, facts)
        _partial_path(out).unlink()
    told = summary(rows, panel, label_systems(folders.systems))
    return {"out": str(out), "lost": lost, "systems": told}


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
            f"{out} is there already; remove it or name another",
            field=parameter("out"),
            value=out,
            problem=Problem.EXISTS,
        )


def _run(
    clips: Mapping[str, FolderClip],
    setup: ScoreSetup,
    engine: Engine,
    out: Path,
    done: dict[str, list[Row]],
    panel: Panel,
) -> list[dict[str, str]]:
    """Score the clips that are not done yet, and note their rows in `done`.

    Returns:
        What ended the process that scored it.
    """
    todo = {
        number: (key, clip) for number, (key, clip) in enumerate(clips.items()) if key not in done
    }
    jobs = [[ScoreTask("score", number, clip)] for number, (_, clip) in todo.items()]
    with (
        Bar(len(clips), len(clips) - len(todo)) as bar,
        run_jobs(ScoreWorker, setup, jobs, _choose_engine(engine, len(jobs))) as events,
    ):
        return _collect(events, todo, out, done, panel, bar)


def _folders(
    systems: str | Path | Sequence[str | Path],
    reference: str | Path | None,
    noisy: str | Path | None,
    texts: str | Path | None,
    language: str | None,
) -> Folders:
    named = [systems] if isinstance(systems, str | Path) else systems
    return Folders(
        tuple(map(Path, named)),
        reference=None if reference is None else Path(reference),
        noisy=None if noisy is None else Path(noisy),
        texts=None if texts is None else Path(texts),
        language=None if language is None else parse_language(language, parameter("language")),
    )


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
    """How the work is run: in this process where one worker is asked for, else on Ray.

    Raises:
        ConfigError: `workers` is neither ``auto`` nor a number; `device` is not on this machine.
    """
    count: Any = int(workers) if workers.isdigit() else workers
    if count != "auto" and (not isinstance(count, int) or count < 1):
        raise ConfigError(
            f"{workers!r} is neither a number from 1 up nor auto",
            field=parameter("workers"),
            value=workers,
            problem=Problem.INVALID,
        )
    devices.require_device(device, parameter("device"))
    kind = "serial" if count == 1 else "ray"
    return Engine(kind=kind, workers=count, device=device, retries=RETRIES, limit_seconds=None)


def _choose_engine(engine: Engine, clips: int) -> Engine:
    """No Ray where its start would take longer than the work, unless a number was asked for."""
    few = engine.workers == "auto" and clips < FEW
    return engine.model_copy(update={"kind": "serial"}) if few else engine


def _collect(
    events: Iterable[Event],
    tasks: Mapping[int, tuple[str, FolderClip]],
    out: Path,
    done: dict[str, list[Row]],
    panel: Panel,
    bar: Bar,
) -> list[dict[str, str]]:
    """Keep what comes back, clip by clip; return what was given up.

    A clip of which something was given up is not noted as finished: a later call tries it again.

    Args:
        events: of the workers.
        tasks: by shard, the digest of the clip and the clip.
        out: the table.
        done: rows by digest; those that come are added.
        panel: what scores.
        bar: shows how far it is.
    """
    lost: dict[str, list[dict[str, str]]] = {}
    for event in events:
        if not isinstance(event, Restarted | Lost | ClipFinished):
            continue
        key, clip = tasks[event.shard]
        if isinstance(event, Restarted):
            bar.write(f"{clip.name} is tried again: {event.why}")
            continue
        if isinstance(event, Lost):
            done[key] = _nulls(clip, panel, event.why)
            lost[key] = [_given_up(clip, system, event.why) for system, _ in clip.candidates]
        elif event.skipped:
            done[key] = list(event.rows)
            lost[key] = [gone for one in event.skipped for gone in _lost_scores(clip, one, panel)]
        else:
            done[key] = list(event.rows)
            part_files.append_json(_partial_path(out), {"clip": key, "rows": event.rows})
        bar.update(1)
    return [one for of_clip in lost.values() for one in of_clip]


def _given_up(clip: FolderClip, system: str, why: str, **metric: str) -> dict[str, str]:
    return {"file": clip.name, "system": system, **metric, "why": why}


def _lost_scores(clip: FolderClip, one: Skip, panel: Panel) -> Iterator[dict[str, str]]:
    """What was given up of a clip: a metric, on one of its candidates or on all of them."""
    uses = {member.metric.spec.name: member.use.metric for member in panel.members}
    for system, _ in clip.candidates:
        if one.call.candidate_id in ("", system):
            yield _given_up(clip, system, one.why.detail, metric=uses[one.call.plugin])


def _nulls(clip: FolderClip, panel: Panel, why: str) -> list[Row]:
    """The rows of a clip that was given up."""
    nothing = CandidateScores()
    for score in panel.scores:
        nothing.fail(score.name, Unusable(Reason.METRIC_ERROR, why))
    return list(rows_of(clip, dict.fromkeys(dict(clip.candidates), nothing)))


def _partial_path(out: Path) -> Path:
    return out.with_name(out.name + ".partial")


@contextmanager
def _clean_up(out: Path) -> Iterator[None]:
    """Leave no partial table in which nothing is finished."""
    try:
        yield
    finally:
        path = _partial_path(out)
        if len(part_files.read_json_lines(path)) <= 1:
            path.unlink(missing_ok=True)


def _read_finished(out: Path, facts: dict[str, Any]) -> dict[str, list[Row]]:
    """The rows that an earlier call left, by the digest of their clip.

    Raises:
        InputError: they are of another panel or other texts.
    """
    path = _partial_path(out)
    header = {name: digest(value) for name, value in facts.items()}
    records = part_files.read_json_lines(path)
    if len(records) <= 1:  # nothing is finished, so nothing is lost
        part_files.overwrite_json(path, header)
        return {}
    changed = [name for name in header if records[0].get(name) != header[name]]
    if changed:
        raise InputError(
            f"was begun with another {' and other '.join(changed)}. Remove it, or name "
            f"another {parameter('out')}",
            path=path,
            value=changed,
            problem=Problem.CHANGED,
        )
    return {record["clip"]: record["rows"] for record in records[1:] if "clip" in record}
