"""The panel on plain folders of audio: one row per file, whatever can be had of it."""

from __future__ import annotations

import csv
import fcntl
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from gensr_pref import config, schema, shards
from gensr_pref.config import Engine, MetricUse
from gensr_pref.engine import actors, serial
from gensr_pref.engine.folders import (
    FolderClip,
    Folders,
    FolderTask,
    FolderWorker,
    PanelSetup,
    labelled,
    matched,
    sentences,
    unscored,
)
from gensr_pref.engine.panels import described
from gensr_pref.engine.work import Event, Lost, Restarted, Row, Tick
from gensr_pref.errors import ConfigError, InputError, StorageError
from gensr_pref.identity import digest
from gensr_pref.metrics.panel import Panel
from gensr_pref.schema import Reason

FACTS = [
    pa.field("file", pa.string(), nullable=False),
    pa.field("system", pa.string(), nullable=False),
    pa.field("path", pa.string(), nullable=False),
    pa.field("seconds", pa.float64()),
    pa.field("sample_rate", pa.int32()),
]


def score(
    folders: Folders,
    uses: Sequence[MetricUse],
    out: Path,
    engine: Engine,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Score folders of audio into one table, or continue.

    What is finished is kept beside `out`, as ``OUT.partial``, until all is.

    Args:
        folders: what to score.
        uses: the panel.
        out: ``.parquet``, ``.csv`` or ``.jsonl``; must not be there yet.
        engine: how the work is run.
        tell: called with lines for the person who waits: the panel that is used.

    Returns:
        Per system: files, mean of each score and how many it is of, nulls by reason; `lost`: clips
        whose scoring ended the process that did it, null in the table.

    Raises:
        InputError: before any work.
        StorageError: the table cannot be written; what is finished stays.
    """
    writer = _WRITERS.get(out.suffix)
    if writer is None:
        raise ConfigError(f"--out: {out.name!r} ends in none of {', '.join(_WRITERS)}")
    if out.exists():
        raise InputError(f"--out: {out} is there already; remove it or name another")
    clips = {clip.digest(): clip for clip in matched(folders)}
    texts = sentences(folders)
    panel = Panel(uses, texts)
    for line in described(panel):
        tell(line)
    setup = PanelSetup(tuple(uses), texts, engine.device, Path.cwd())
    facts = {"panel": panel.facts(), "texts": digest(list(texts))}
    with _partial(out, digest(facts)) as done:
        todo = {key: clip for key, clip in clips.items() if key not in done}
        with _bar(len(clips), len(todo)) as bar:
            events = _execute(setup, list(todo.values()), engine)
            lost = _collect(events, todo, out, done, panel, bar)
    rows = [row for key in clips for row in done[key]]
    writer(out, rows, panel, facts)
    _partial_path(out).unlink()
    told = summary(rows, panel, labelled(folders.systems))
    return {"out": str(out), "lost": lost, "systems": told}


def engine_for(workers: str, device: str) -> Engine:
    """How the work is run: in this process where one worker is asked for, else on Ray.

    Raises:
        ConfigError: `workers` is neither ``auto`` nor a number.
    """
    count: Any = int(workers) if workers.isdigit() else workers
    kind = "serial" if count == 1 else "ray"
    return config.parse({"kind": kind, "workers": count, "device": device}, Engine, "--workers")


def _execute(setup: PanelSetup, clips: Sequence[FolderClip], engine: Engine) -> Iterable[Event]:
    jobs = [[FolderTask(place, clip)] for place, clip in enumerate(clips)]
    if not jobs:
        return ()
    if engine.kind == "ray":
        return actors.run(FolderWorker, setup, jobs, engine)
    return serial.run(FolderWorker, setup, jobs)


def _bar(clips: int, todo: int) -> Any:
    from tqdm import tqdm

    return tqdm(total=clips, initial=clips - todo, unit="clip", disable=None)


def _collect(
    events: Iterable[Event],
    todo: dict[str, FolderClip],
    out: Path,
    done: dict[str, list[Row]],
    panel: Panel,
    bar: Any,
) -> list[dict[str, str]]:
    """Keep what comes back, clip by clip; returns the clips that were given up."""
    keys = list(todo)
    lost = []
    for event in events:
        key = keys[event.shard]
        if isinstance(event, Tick):
            done[key] = list(event.rows)
            shards.append_json(_partial_path(out), {"clip": key, "rows": event.rows})
            bar.update(1)
        elif isinstance(event, Lost):
            reasons = {score.name: str(Reason.METRIC_ERROR) for score in panel.scores}
            done[key] = unscored(todo[key], reasons)
            lost.append({"file": todo[key].name, "why": event.why})
            bar.update(1)
        elif isinstance(event, Restarted):
            bar.write(f"{todo[key].name} begins anew: {event.why}")
    return lost


def _partial_path(out: Path) -> Path:
    return out.with_name(out.name + ".partial")


@contextmanager
def _partial(out: Path, panel: str) -> Iterator[dict[str, list[Row]]]:
    """The rows that an earlier call left, by the digest of their clip; held for this process."""
    path = _partial_path(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        held = path.open("a", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"--out: {path} cannot be written: {error.strerror}") from error
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"--out: another process is writing {out}") from error
        records = shards.read_json_lines(path)
        if not records:
            shards.append_json(path, {"panel": panel})
        elif records[0].get("panel") != panel:
            raise InputError(
                f"{path}: was begun with another panel. Remove it, or name another --out"
            )
        yield {record["clip"]: record["rows"] for record in records[1:] if "clip" in record}


def _parquet(out: Path, rows: Sequence[Row], panel: Panel, facts: dict[str, Any]) -> None:
    told = {note.name: note.kind for note in panel.notes}
    scores = schema.scores_schema((score.name for score in panel.scores), told)
    shards.write(out, rows, pa.schema([*FACTS, *list(scores)[2:]]), facts)


def _json_lines(out: Path, rows: Sequence[Row], panel: Panel, facts: dict[str, Any]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    shards.write_text(out, "".join(lines))


def _csv(out: Path, rows: Sequence[Row], panel: Panel, facts: dict[str, Any]) -> None:
    """As flat as it can be: notes are columns, failures are ``score: reason`` in one cell."""
    notes = [note.name for note in panel.notes]
    names = [field.name for field in FACTS] + [score.name for score in panel.scores]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*names, *notes, "failures"], extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        failures = "; ".join(f"{one['score']}: {one['reason']}" for one in row["failures"] or ())
        writer.writerow({**row, **(row["notes"] or {}), "failures": failures})
    shards.write_text(out, text.getvalue())


_WRITERS = {".parquet": _parquet, ".csv": _csv, ".jsonl": _json_lines}


def summary(rows: Sequence[Row], panel: Panel, labels: Iterable[str]) -> dict[str, Any]:
    """Per system: how many files, and of each score the mean, its count and the nulls' reasons."""
    systems: dict[str, list[Row]] = {label: [] for label in labels}
    for row in rows:
        systems[row["system"]].append(row)
    return {
        system: {
            "files": len(of),
            "scores": {score.name: _summed(score.name, of) for score in panel.scores},
        }
        for system, of in systems.items()
    }


def _summed(score: str, rows: Sequence[Row]) -> dict[str, Any]:
    values = [row[score] for row in rows if row[score] is not None]
    reasons = Counter(
        one["reason"] for row in rows for one in row["failures"] or () if one["score"] == score
    )
    mean = sum(values) / len(values) if values else None
    return {"mean": mean, "count": len(values), "null": dict(sorted(reasons.items()))}
