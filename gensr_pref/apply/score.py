"""The panel on plain folders of audio: one row per file, whatever can be had of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gensr_pref.apply.audio_folders import (
    FolderClip,
    Folders,
    FolderTask,
    FolderWorker,
    PanelSetup,
    labelled,
    lacking,
    matched,
    unscored,
)
from gensr_pref.apply.default_panel import described, unused
from gensr_pref.apply.score_table import WRITERS, summary
from gensr_pref.apply.split_failures import Piece, scored
from gensr_pref.apply.transcripts import Texts, language_of
from gensr_pref.building import devices
from gensr_pref.building.executor import running
from gensr_pref.building.progress_bar import Bar
from gensr_pref.building.tasks import Event, Restarted, Row
from gensr_pref.config.run_file import Engine, MetricUse
from gensr_pref.errors import ConfigError, InputError, Message, Problem, parameter
from gensr_pref.identity import digest
from gensr_pref.metrics.panel import Panel
from gensr_pref.rundir import part_files
from gensr_pref.schema import Reason

FEW = 8  # clips: the time that Ray takes to start scores more
RETRIES = 1  # of a task whose process dies, before it is tried in smaller pieces


def score(
    folders: Folders,
    uses: Sequence[MetricUse],
    out: Path,
    engine: Engine,
    tell: Callable[[Message], None] = lambda line: None,
) -> dict[str, Any]:
    """Score folders of audio into one table, or continue.

    What is finished is kept beside `out`, as ``OUT.partial``, until all is.

    Args:
        folders: what to score.
        uses: the panel.
        out: ``.parquet``, ``.csv`` or ``.jsonl``; must not be there yet.
        engine: how the work is run.
        tell: called with lines for the person who waits: the panel that is used, and what does not
            fit together.

    Returns:
        Per system: files, mean of each score and how many it is of, nulls by reason; `lost`: what
        ended the process that scored it, null in the table.

    Raises:
        InputError: before any work.
        StorageError: the table cannot be written; what is finished stays.
    """
    writer = WRITERS.get(out.suffix)
    if writer is None:
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
    if folders.language is not None:
        code = language_of(folders.language, parameter("language"))
        folders = replace(folders, language=code)
    texts = Texts.read(folders.texts)

    def say(line: str) -> None:
        tell(Message(line))

    clips = {clip.digest(): clip for clip in matched(folders, texts, say)}
    panel = Panel(uses, texts.sentences)
    matters = texts.told([clip.name for clip in clips.values()]) + lacking(list(clips.values()))
    for line in [*described(panel), *matters, *unused(panel, folders)]:
        say(line)
    setup = PanelSetup(tuple(uses), texts.sentences, engine.device, Path.cwd())
    facts = {"panel": panel.facts(), "texts": digest(list(texts.sentences))}
    busy = InputError(
        f"another process is writing {out}", field=parameter("out"), value=out, problem=Problem.BUSY
    )
    with part_files.held(_partial_path(out), busy), _tidied(out):
        done = _begun(out, facts)
        todo = {key: clip for key, clip in clips.items() if key not in done}
        with Bar(len(clips), len(clips) - len(todo)) as bar:
            fitting = _fitting(engine, len(todo))
            with closing(_pieces(list(todo.values()), panel, setup, fitting, bar)) as pieces:
                lost = _collect(pieces, todo, out, done, panel, bar)
        rows = [row for key in clips for row in done[key]]
        if out.exists():
            raise InputError(
                f"{out} has appeared meanwhile. Move it away; the same command continues",
                field=parameter("out"),
                value=out,
                problem=Problem.EXISTS,
            )
        writer(out, rows, panel, facts)
        _partial_path(out).unlink()
    told = summary(rows, panel, labelled(folders.systems))
    return {"out": str(out), "lost": lost, "systems": told}


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
    devices.require(device, parameter("device"))
    kind = "serial" if count == 1 else "ray"
    return Engine(kind=kind, workers=count, device=device, retries=RETRIES)


def _fitting(engine: Engine, clips: int) -> Engine:
    """No Ray where its start would take longer than the work, unless a number was asked for."""
    few = engine.workers == "auto" and clips < FEW
    return engine.model_copy(update={"kind": "serial"}) if few else engine


def _pieces(
    clips: Sequence[FolderClip], panel: Panel, setup: PanelSetup, engine: Engine, bar: Bar
) -> Generator[Piece, None, None]:
    def execute(tasks: Sequence[FolderTask]) -> Iterator[Event]:
        with running(FolderWorker, setup, [[task] for task in tasks], engine) as events:
            for event in events:
                if isinstance(event, Restarted):
                    bar.write(f"{tasks[event.shard].clip.name} begins anew: {event.why}")
                yield event

    return scored(clips, [member.use for member in panel.members], execute)


def _collect(
    pieces: Iterable[Piece],
    todo: dict[str, FolderClip],
    out: Path,
    done: dict[str, list[Row]],
    panel: Panel,
    bar: Bar,
) -> list[dict[str, str]]:
    """Keep what comes back, clip by clip; returns what was given up."""
    keys = list(todo)
    broken: dict[str, list[Row]] = {}
    lost = []
    for piece in pieces:
        key, task = keys[piece.place], piece.task
        if task.clip == todo[key] and task.metric is None and piece.rows is not None:
            done[key] = list(piece.rows)
            part_files.append_json(_partial_path(out), {"clip": key, "rows": piece.rows})
            bar.update(1)
            continue
        if piece.rows is None:
            lost.append(_told(piece))
        broken.setdefault(key, []).extend(piece.rows or _nulls(piece, panel))
    for key, rows in broken.items():
        done[key] = _joined(todo[key], rows, panel)
        bar.update(1)
    return lost


def _told(piece: Piece) -> dict[str, str]:
    [(system, _)] = piece.task.clip.candidates
    metric = piece.task.metric
    what = {} if metric is None else {"metric": metric.metric}
    return {"file": piece.task.clip.name, "system": system, **what, "why": piece.why}


def _nulls(piece: Piece, panel: Panel) -> list[Row]:
    """The rows of a piece that was given up."""
    of = [m for m in panel.members if piece.task.metric in (None, m.use)]
    reasons = {score.name: str(Reason.METRIC_ERROR) for member in of for score in member.scores}
    return unscored(piece.task.clip, reasons, piece.why)


def _joined(clip: FolderClip, rows: Sequence[Row], panel: Panel) -> list[Row]:
    """One row per candidate of a clip, of rows that hold some of its scores each."""
    whole = []
    for system, _ in clip.candidates:
        parts = [row for row in rows if row["system"] == system]
        row: Row = {}
        for part in parts:
            row |= part
        row["failures"] = [one for part in parts for one in part["failures"] or ()] or None
        row["notes"] = {k: v for part in parts for k, v in (part["notes"] or {}).items()} or None
        whole.append(row)
    return whole


def _partial_path(out: Path) -> Path:
    return out.with_name(out.name + ".partial")


@contextmanager
def _tidied(out: Path) -> Iterator[None]:
    """Leave no partial table in which nothing is finished."""
    try:
        yield
    finally:
        path = _partial_path(out)
        if len(part_files.read_json_lines(path)) <= 1:
            path.unlink(missing_ok=True)


def _begun(out: Path, facts: dict[str, Any]) -> dict[str, list[Row]]:
    """The rows that an earlier call left, by the digest of their clip.

    Raises:
        InputError: they are of another panel or other texts.
    """
    path = _partial_path(out)
    header = {name: digest(value) for name, value in facts.items()}
    records = part_files.read_json_lines(path)
    if len(records) <= 1:  # nothing is finished, so nothing is lost
        part_files.begin_json(path, header)
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
