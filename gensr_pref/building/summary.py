"""Writes ``summary.json``: the counts of a run, its failures, and the time that it took."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict, cast

import pyarrow.compute as pc

from gensr_pref.building.tasks import Lost, Stage
from gensr_pref.corpus.leakage import leak_notices
from gensr_pref.corpus.listing import LeftOut
from gensr_pref.errors import quantity
from gensr_pref.pairing import golden, no_pairs
from gensr_pref.rundir import ledger, part_files, provenance
from gensr_pref.rundir.document import MetricRecord, RunDocument, Section
from gensr_pref.rundir.machine import Machine, mixture_notices
from gensr_pref.rundir.shards import read_clip_ids, read_shards
from gensr_pref.schema import column
from gensr_pref.untrusted import documents

NOTICES = "notices.jsonl"  # of a run directory


class LostTask(TypedDict):
    """A task that was given up, and why.

    Keys:
        shard: number of its shard.
        stage: ``sample`` or ``score``.
        why: the error or the death of its worker.
    """

    shard: int
    stage: Stage
    why: str


Summary = TypedDict(
    "Summary",
    {
        "clips": int,
        "clips_undegraded": int,
        "candidates": int,
        "scored": int,
        "pairs": int,
        "clips_with_pair": int,
        "yield": float | None,
        "without_pair": dict[str, int],
        "pairing": Section,
        "failures": dict[str, dict[str, int]],
        "left_out": list[dict[str, Any]],
        "stages": dict[str, dict[str, float]],
        "machines": list[dict[str, str | int]],
        "shards": int,
        "shards_expected": int,
        "complete": bool,
        "lost": list[LostTask],
        "notices": list[str],
    },
)
"""The content of ``summary.json``; docs/run-directory.md describes its fields."""


class _EarlierFacts(TypedDict, total=False):
    """The facts of an earlier summary that stay when only the pairs change."""

    shards_expected: int
    lost: list[LostTask]
    left_out: list[dict[str, Any]]


def write_summary(
    out: Path,
    document: RunDocument,
    expected_shards: int | None = None,
    lost: Sequence[Lost] = (),
    left_out: Sequence[LeftOut] = (),
) -> Summary:
    """Count what the tables hold and write ``summary.json``.

    Args:
        document: content of ``run.yaml``.
        expected_shards: parts per table of a complete run; None if only the pairs changed. Then the
            earlier summary's lost tasks and left-out files stay.
        lost: tasks that were given up.
        left_out: files in the corpus's folders that are not read.
    """
    if expected_shards is None:
        earlier = _earlier_facts(out)
        expected_shards = earlier.get("shards_expected", len(read_clip_ids(out)))
        lost_tasks = earlier.get("lost", [])
        files_left_out = earlier.get("left_out", [])
    else:
        lost_tasks = [{"shard": task.shard, "stage": task.stage, "why": task.why} for task in lost]
        files_left_out = [asdict(files) for files in left_out]
    stamps = ledger.Stamps(out)
    done = _count_finished(out, document, stamps)
    clips, machines = stamps.count_rows("clips"), ledger.machines(out)
    paired = [clip for path in part_files.parts(out, "pairs") for clip in _clips(path)]
    undegraded = _count_undegraded(out)
    summary: Summary = {
        "clips": clips,
        "clips_undegraded": undegraded,
        "candidates": stamps.count_rows("candidates"),
        "scored": stamps.count_rows("scores"),
        "pairs": len(paired),
        "clips_with_pair": len(set(paired)),
        "yield": len(set(paired)) / clips if clips else None,
        "without_pair": _count_without_pair(out),
        "pairing": document.pairing,
        "failures": failures_by_reason(out),
        "left_out": files_left_out,
        "stages": ledger.stage_times(out),
        "machines": _machine_counts(machines),
        "shards": done,
        "shards_expected": expected_shards,
        "complete": done == expected_shards and not lost_tasks,
        "lost": lost_tasks,
        "notices": [
            *_plugin_notices(out, document),
            *_undegraded_notices(undegraded, clips),
            *leak_notices(out),
            *mixture_notices(machines),
        ],
    }
    part_files.write_text(
        out / "summary.json",
        json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    )
    return summary


def _machine_counts(machines: Mapping[str, Mapping[Machine, int]]) -> list[dict[str, str | int]]:
    """Return a row with the number of shards for each stage and kind of machine."""
    return [
        {"stage": stage, "shards": count, **machine.as_json()}
        for stage, counts in machines.items()
        for machine, count in counts.items()
    ]


def _count_finished(out: Path, document: RunDocument, stamps: ledger.Stamps) -> int:
    """Count the shards that have all scores of the run, which may have grown."""
    wanted = [
        provenance.part_record("scores", document, *shard.columns) for shard in read_shards(out)
    ]
    return sum(
        stamps.is_whole(part_files.part(out, "scores", index), record.fingerprint)
        for index, record in enumerate(wanted)
    )


def _plugin_notices(out: Path, document: RunDocument) -> list[str]:
    """Return the notices about metrics, generators and the pair rule."""
    return [
        *_metric_notices(document.provenance.panel),
        *_generator_notices(out),
        *_rule_notices(document.pairing),
    ]


def _metric_notices(panel: Sequence[MetricRecord]) -> list[str]:
    """Return the notices that the metrics' licences or authors require."""
    return [f"{record.metric}: {record.notice}" for record in panel if record.notice]


def _generator_notices(out: Path) -> list[str]:
    """Return the last notice about each generator of a run."""
    lines = part_files.read_json_lines(out / NOTICES)
    return list({line["generator"]: str(line["text"]) for line in lines}.values())


def _rule_notices(pairing: Section) -> list[str]:
    """Return the notice about the rule that made the pairs, if there is one."""
    if not no_pairs.asks_for_pairs(pairing["rule"]):
        return [no_pairs.NOTICE]
    return [f"golden: {golden.NOTICE}"] if pairing["rule"] == "golden" else []


def _count_undegraded(out: Path) -> int:
    """Count the clips that the corpus's degradations have left unchanged."""
    if not part_files.parts(out, "clips"):
        return 0
    steps = part_files.read_all(out, "clips", ["degradation"]).column("degradation")
    return int(pc.sum(pc.equal(steps, _NO_STEP)).as_py() or 0)


_NO_STEP = "[]"  # JSON of a clip for which no degradation step was drawn


def _undegraded_notices(undegraded: int, clips: int) -> list[str]:
    """Return a notice if the noisy input of some clips is the clean speech."""
    if not undegraded:
        return []
    return [
        f"corpus.degrade: no step was drawn for {undegraded} of {quantity(clips, 'clip')}, so the "
        "noisy input is the clean speech. Set a step's probability to 1 to degrade every clip"
    ]


def _count_without_pair(out: Path) -> dict[str, int]:
    """Return the number of clips without a pair, by reason."""
    return {
        stop: count
        for path in part_files.parts(out, "pairs")
        for stop, count in part_files.read_facts(path).get("stops", {}).items()
    }


def _earlier_facts(out: Path) -> _EarlierFacts:
    """Read facts of the earlier summary; empty if there is no readable one."""
    try:
        summary = documents.parse_json(part_files.read_text(out / "summary.json"))
    except (OSError, ValueError):
        return {}
    return cast(_EarlierFacts, summary) if isinstance(summary, dict) else {}


def _clips(path: Path) -> Sequence[Any]:
    return column(part_files.read(path, ["clip_id"]), "clip_id")


def failures_by_reason(out: Path) -> dict[str, dict[str, int]]:
    """Return the number of failures by stage and reason."""
    by_stage: dict[str, Counter[str]] = {}
    for path in part_files.parts(out, "failures"):
        table = part_files.read(path, ["stage", "reason"])
        for stage, reason in zip(column(table, "stage"), column(table, "reason"), strict=True):
            by_stage.setdefault(stage, Counter())[reason] += 1
    return {stage: dict(sorted(counts.items())) for stage, counts in sorted(by_stage.items())}
