"""Estimates what a build will need from a pilot run of a few clips.

The pilot's clips are the first of the whole run (the choice depends on their identity alone), so
that a build with the whole run file can continue the pilot in the same directory.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from gensr_pref.auditing.agreement import PairAgreement
from gensr_pref.auditing.run_audit import audit
from gensr_pref.building import ray_cluster
from gensr_pref.building.build import build
from gensr_pref.building.prepare import prepare
from gensr_pref.building.progress import STAGES
from gensr_pref.building.summary import Summary
from gensr_pref.building.tasks import Stage
from gensr_pref.config.bounds import require_whole_number
from gensr_pref.config.run_file import Engine, Run
from gensr_pref.errors import Problem, RunIncompleteError
from gensr_pref.rundir import part_files
from gensr_pref.schema import column
from gensr_pref.statistics.intervals import clopper_pearson, share_interval

_TABLES: tuple[part_files.Table, ...] = ("clips", "candidates", "scores", "pairs", "failures")


class CrewHours(TypedDict):
    """Processes that do the same stages on one device, and the hours that they need."""

    stages: list[Stage]
    device: str
    processes: int
    hours: float


class Cost(TypedDict):
    """The hours of a build.

    ``work_hours``: of one process, by stage; ``crews``: the processes that the engine would start;
    ``hours``: of the slowest crew; ``bottleneck``: its longest stage.
    """

    work_hours: dict[Stage, float]
    crews: list[CrewHours]
    hours: float
    bottleneck: Stage


class PilotCounts(TypedDict):
    """What the pilot made: its clips, its pairs and its run directory."""

    clips: int
    pairs: int
    out: str


_PilotYield = TypedDict("_PilotYield", {"yield": list[float]})


class Plan(_PilotYield, Cost):
    """What a number of pairs needs, as `plan` returns it and the command prints it as JSON.

    Intervals are [value, low, high] of 95 %. Hours and disk are of the clips needed, or of the
    corpus if no number of clips is enough.

    ``pilot``: what was made; ``yield``: share of the clips that have a pair, with its interval;
    ``pairs_per_clip``: mean with its interval; ``pairs``: the number to plan for; ``clips``: the
    number needed, the fewest and the most, None if no number is enough; ``clips_in_corpus``;
    ``left_out``: content of the corpus's folders that is not read; ``disk_gb``; ``agreement``: of
    the scores, as in an audit.
    """

    pilot: PilotCounts
    pairs_per_clip: list[float]
    pairs: int
    clips: list[int | None]
    clips_in_corpus: int
    left_out: list[dict[str, Any]]
    disk_gb: float
    agreement: list[PairAgreement]


def plan(run: Run, base: Path, out: Path, pilot: int, pairs: int) -> Plan:
    """Build a pilot run and estimate what a number of pairs needs.

    Args:
        base: folder that the run file's relative paths start from.
        out: run directory of the pilot.
        pilot: number of clips in the pilot.
        pairs: number of pairs to plan for.

    Raises:
        InputError: `build` refuses the run file, or a number is below 1.
        RunIncompleteError: the pilot could not be finished.
    """
    require_whole_number(pilot, "pilot", 1)
    require_whole_number(pairs, "pairs", 1)
    clips_in_corpus = len(prepare(run, base).clips)
    corpus = run.corpus.model_copy(update={"limit": min(pilot, clips_in_corpus)})
    summary = build(run.model_copy(update={"corpus": corpus}), out, base=base)
    if not summary["complete"] or not summary["clips"]:
        raise RunIncompleteError(
            "the pilot run could not be finished; its summary.json gives the reasons",
            path=out,
            problem=Problem.FAILED,
        )
    clips = summary["clips"]
    share = summary["clips_with_pair"] / clips
    rates = _pairs_per_clip(out, clips, run.pairing.pairs_per_clip)
    needed = [_clips_needed(pairs, rates[index]) for index in (0, 2, 1)]
    planned = needed[0] or clips_in_corpus
    return {
        "pilot": {"clips": clips, "pairs": summary["pairs"], "out": str(out)},
        "yield": [share, *clopper_pearson(share, clips)],
        "pairs_per_clip": rates,
        "pairs": pairs,
        "clips": needed,
        "clips_in_corpus": clips_in_corpus,
        **_cost(summary, run.engine, clips, planned),
        "left_out": summary["left_out"],
        "disk_gb": _count_bytes(out) / clips * planned / 1e9,
        "agreement": audit(out)["agreement"],
    }


def _pairs_per_clip(out: Path, clips: int, most: int) -> list[float]:
    """Return the mean number of pairs per clip with its interval: value, low, high.

    It is estimated as a share of `most`, the largest number that a clip may have.
    """
    ids = column(part_files.read_all(out, "pairs", ["clip_id"]), "clip_id")
    counts = np.zeros(clips)
    per_clip = np.unique(ids, return_counts=True)[1] if ids else counts[:0]
    most = max([most, *per_clip])
    counts[: len(per_clip)] = per_clip / most
    share = share_interval(np.arange(clips), counts)
    bounds = share.bounds or [0.0, 1.0]  # too few clips for an interval
    return [most * value for value in (share.value or 0.0, *bounds)]


def _clips_needed(pairs: int, rate: float) -> int | None:
    """Return the number of clips that a number of pairs needs; None if no number is enough."""
    return math.ceil(pairs / rate) if rate > 0 else None


def _cost(summary: Summary, engine: Engine, pilot: int, clips: int) -> Cost:
    """Estimate the hours of a number of clips with the processes that the engine would start.

    Args:
        pilot: number of clips that the summary is of.
    """
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
    slowest = max(hours, key=lambda crew: crew["hours"])
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


def _count_bytes(out: Path) -> int:
    return sum(
        part.size for table in _TABLES for part in part_files.stat_parts(out, table).values()
    )
