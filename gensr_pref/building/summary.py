"""``summary.json``: how much of what is in a run directory, and what it cost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

import pyarrow.compute as pc

from gensr_pref.building.tasks import Lost
from gensr_pref.corpus.listing import LeftOut
from gensr_pref.corpus.splits import leak_notices
from gensr_pref.errors import quantity
from gensr_pref.pairing import golden
from gensr_pref.rundir import layout, ledger, part_files, provenance
from gensr_pref.rundir.document import MetricRecord, RunDocument, Section
from gensr_pref.rundir.machine import mixture_notices
from gensr_pref.schema import column
from gensr_pref.untrusted import documents

NOTICES = "notices.jsonl"  # of a run directory


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
        "machines": list[dict[str, Any]],
        "shards": int,
        "shards_expected": int,
        "complete": bool,
        "lost": list[dict[str, Any]],
        "notices": list[str],
    },
)


def write_summary(
    out: Path,
    document: RunDocument,
    expected_shards: int | None = None,
    lost: Sequence[Lost] = (),
    left_out: Sequence[LeftOut] = (),
) -> Summary:
    """Count what the tables hold and write ``summary.json``.

    Args:
        document: what ``run.yaml`` holds.
        expected_shards: parts per table when complete; None where only pairs changed.
        lost: tasks that were given up.
        left_out: what the corpus's folders hold and is not read; where only pairs changed, what the
            last summary says of it stays.
    """
    before = _previous_summary(out)
    if expected_shards is None:
        expected_shards = before.get("shards_expected", len(layout.read_clip_ids(out)))
        given_up = before.get("lost", [])
        besides = before.get("left_out", [])
    else:
        given_up = [{"shard": one.shard, "stage": one.stage, "why": one.why} for one in lost]
        besides = [asdict(one) for one in left_out]
    stamps = ledger.Stamps(out)
    done = _count_finished(out, document, stamps)
    clips, machines = stamps.count_rows("clips"), ledger.machines(out)
    paired = [clip for path in part_files.parts(out, "pairs") for clip in _clips(path)]
    undegraded = _undegraded(out)
    summary: Summary = {
        "clips": clips,
        "clips_undegraded": undegraded,
        "candidates": stamps.count_rows("candidates"),
        "scored": stamps.count_rows("scores"),
        "pairs": len(paired),
        "clips_with_pair": len(set(paired)),
        "yield": len(set(paired)) / clips if clips else None,
        "without_pair": _stops(out),
        "pairing": document.pairing,
        "failures": failures_by_reason(out),
        "left_out": besides,
        "stages": ledger.stage_times(out),
        "machines": [
            {"stage": stage, "shards": count, **one.as_json()}
            for stage, kinds in machines.items()
            for one, count in kinds.items()
        ],
        "shards": done,
        "shards_expected": expected_shards,
        "complete": done == expected_shards and not given_up,
        "lost": given_up,
        "notices": [
            *_notices(document.provenance.panel),
            *_generator_notices(out),
            *_warnings(document.pairing),
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


def _count_finished(out: Path, document: RunDocument, stamps: ledger.Stamps) -> int:
    """How many shards have all the scores that the run wants, now that it may have grown."""
    wanted = [
        provenance.part_record("scores", document, *one.columns) for one in layout.read_shards(out)
    ]
    return sum(
        stamps.is_whole(part_files.part(out, "scores", shard), one.fingerprint)
        for shard, one in enumerate(wanted)
    )


def _notices(panel: Sequence[MetricRecord]) -> list[str]:
    """What the metrics' licences and makers want to be told wherever they are used."""
    return [f"{one.metric}: {one.notice}" for one in panel if one.notice]


def _generator_notices(out: Path) -> list[str]:
    """The last that was said of each generator of a run."""
    lines = part_files.read_json_lines(out / NOTICES)
    return list({line["generator"]: str(line["text"]) for line in lines}.values())


def _warnings(pairing: dict[str, Any]) -> list[str]:
    """What is to be known of the rule that made the pairs."""
    return [f"golden: {golden.NOTICE}"] if pairing["rule"] == "golden" else []


def _undegraded(out: Path) -> int:
    """The number of clips that a corpus with degradations left as they were."""
    if not part_files.parts(out, "clips"):
        return 0
    steps = part_files.read_all(out, "clips", ["degradation"]).column("degradation")
    return int(pc.sum(pc.equal(steps, _NO_STEP)).as_py() or 0)


_NO_STEP = "[]"  # JSON, of a clip whose every step was left to chance and not drawn


def _undegraded_notices(undegraded: int, clips: int) -> list[str]:
    """What is to be known of clips whose noisy input is the clean speech."""
    if not undegraded:
        return []
    return [
        f"corpus.degrade: no step was drawn for {undegraded} of {quantity(clips, 'clip')}, so the "
        "noisy input is the clean speech. Set a step's probability to 1 to degrade every clip"
    ]


def _stops(out: Path) -> dict[str, int]:
    """Why the clips without a pair have none, and how many."""
    return {
        stop: count
        for path in part_files.parts(out, "pairs")
        for stop, count in part_files.read_facts(path).get("stops", {}).items()
    }


def _previous_summary(out: Path) -> dict[str, Any]:
    """The last summary; empty where there is none that can be read."""
    try:
        found = documents.parse_json(part_files.read_text(out / "summary.json"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _clips(path: Path) -> Sequence[Any]:
    return column(part_files.read(path, ["clip_id"]), "clip_id")


def failures_by_reason(out: Path) -> dict[str, dict[str, int]]:
    """Stage -> reason -> count."""
    found: dict[str, Counter[str]] = {}
    for path in part_files.parts(out, "failures"):
        table = part_files.read(path, ["stage", "reason"])
        for stage, reason in zip(column(table, "stage"), column(table, "reason"), strict=True):
            found.setdefault(stage, Counter())[reason] += 1
    return {stage: dict(sorted(counts.items())) for stage, counts in sorted(found.items())}
