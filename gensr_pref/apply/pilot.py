"""What a build would take: a few clips are built, and the rest is arithmetic.

The pilot's clips are the first of the run's own (they are drawn by identity), so a pilot that is
kept can be built on: the same directory and the whole run file continue it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from gensr_pref.auditing.run_audit import audit
from gensr_pref.building import ray_cluster
from gensr_pref.building.build import build
from gensr_pref.building.prepare import prepare
from gensr_pref.building.progress import STAGES
from gensr_pref.building.summary import Summary
from gensr_pref.building.tasks import Stage
from gensr_pref.config.run_file import Engine, Run
from gensr_pref.errors import InputError, Problem, RunIncompleteError, parameter
from gensr_pref.rundir import part_files
from gensr_pref.schema import column
from gensr_pref.statistics.intervals import count_interval, share_interval

_TABLES: tuple[part_files.Table, ...] = ("clips", "candidates", "scores", "pairs", "failures")


class CrewHours(TypedDict):
    """Processes that do the same stages, and the hours that they need."""

    stages: list[Stage]
    device: str
    processes: int
    hours: float


class Cost(TypedDict):
    """Hours of work by stage, and hours that pass; `bottleneck` is the slowest stage."""

    work_hours: dict[Stage, float]
    crews: list[CrewHours]
    hours: float
    bottleneck: Stage


def plan(run: Run, base: Path, out: Path, pilot: int, pairs: int) -> dict[str, Any]:
    """Build a pilot and say what an aimed number of pairs needs.

    Args:
        base: the folder the run file's relative paths start from.
        out: the run directory of the pilot.
        pilot: clips.
        pairs: the aim.

    Returns:
        ``yield`` and ``pairs_per_clip``, each [value, low, high] of a 95 % interval; ``clips`` that
        are needed, likewise; ``clips_in_corpus``; ``work_hours`` of one process per stage;
        ``crews``, the processes there would be, with the ``hours`` of each; ``hours`` of the
        slowest of them and ``bottleneck``, its longer stage; ``left_out``, what the corpus's
        folders hold and is not read; ``disk_gb``; ``agreement`` of the scores, as `audit` gives it.
        Hours and disk are of the clips needed, or else of the corpus.

    Raises:
        InputError: as `build`; or a pilot of no clips.
        RunIncompleteError: nothing of the pilot could be made.
    """
    if pilot < 1 or pairs < 1:
        raise InputError(
            f"give numbers from 1 up for it and for {parameter('pairs')}",
            field=parameter("pilot"),
            value=(pilot, pairs),
            problem=Problem.INVALID,
        )
    there = len(prepare(run, base).clips)
    corpus = run.corpus.model_copy(update={"limit": min(pilot, there)})
    summary = build(run.model_copy(update={"corpus": corpus}), out, base=base)
    if not summary["complete"] or not summary["clips"]:
        raise RunIncompleteError(
            "the pilot there could not be finished; see its summary.json",
            path=out,
            problem=Problem.FAILED,
        )
    clips = summary["clips"]
    share = count_interval(summary["clips_with_pair"], clips).triple
    rates = _pairs_per_clip(out, clips, run.pairing.pairs_per_clip)
    needed = [_clips(pairs, rates[place]) for place in (0, 2, 1)]
    return {
        "pilot": {"clips": clips, "pairs": summary["pairs"], "out": str(out)},
        "yield": share,
        "pairs_per_clip": rates,
        "pairs": pairs,
        "clips": needed,
        "clips_in_corpus": there,
        **_cost(summary, run.engine, clips, needed[0] or there),
        "left_out": summary["left_out"],
        "disk_gb": _bytes(out) / clips * (needed[0] or there) / 1e9,
        "agreement": audit(out)["agreement"],
    }


def _pairs_per_clip(out: Path, clips: int, most: int) -> list[float]:
    """Pairs per clip with its interval: value, low, high.

    As the share of the `most` that a clip may have, clips without a pair too.
    """
    ids = column(part_files.read_all(out, "pairs", ["clip_id"]), "clip_id")
    counts = np.zeros(clips)
    found = np.unique(ids, return_counts=True)[1] if ids else counts[:0]
    counts[: len(found)] = found / max([most, *found])
    share = share_interval(np.arange(clips), counts)
    bounds = share.bounds or [0.0, 1.0]  # so few clips tell nothing
    return [max([most, *found]) * one for one in (share.value or 0.0, *bounds)]


def _clips(pairs: int, rate: float) -> int | None:
    """How many clips so many pairs need; None where no number would do."""
    return math.ceil(pairs / rate) if rate > 0 else None


def _cost(summary: Summary, engine: Engine, pilot: int, clips: int) -> Cost:
    """Hours of work per stage and hours that pass, with the processes that there will be."""
    work = {stage: summary["stages"][stage]["seconds"] / pilot * clips / 3600 for stage in STAGES}
    crews = _crews(engine)
    hours: list[CrewHours] = [
        {
            "stages": list(crew.stages),
            "device": crew.device,
            "processes": crew.count,
            "hours": sum(work[stage] for stage in crew.stages) / crew.count,
        }
        for crew in crews
    ]
    slowest = max(hours, key=lambda one: one["hours"])
    return {
        "work_hours": work,
        "crews": hours,
        "hours": slowest["hours"],
        "bottleneck": max(slowest["stages"], key=lambda stage: work[stage]),
    }


def _crews(engine: Engine) -> tuple[ray_cluster.Crew, ...]:
    if engine.kind == "serial":
        return (ray_cluster.Crew(STAGES, 1, 0.0, engine.device),)
    with ray_cluster.running_ray(engine):
        return ray_cluster.plan_crews(engine, *ray_cluster.count_resources())


def _bytes(out: Path) -> int:
    return sum(
        part.size for table in _TABLES for part in part_files.stat_parts(out, table).values()
    )
