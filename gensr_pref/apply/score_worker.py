"""Scores one clip of the folders in a worker process and returns one row per file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gensr_pref import audio
from gensr_pref.apply.audio_folders import FolderClip
from gensr_pref.building.isolation import divide_or_skip
from gensr_pref.building.scoring import Results, Scorer, ScoringInput
from gensr_pref.building.tasks import (
    Call,
    CallStarted,
    ClipFinished,
    DivisibleTask,
    Event,
    Row,
    is_fatal,
)
from gensr_pref.building.worker import scores_of
from gensr_pref.config import plugins
from gensr_pref.config.run_file import MetricUse
from gensr_pref.corpus.file_sources import printable
from gensr_pref.errors import Unusable
from gensr_pref.metrics.panel import Panel
from gensr_pref.metrics.results import CandidateScores
from gensr_pref.schema import Reason

LONGEST_DETAIL = 300  # characters of an error that the table keeps


@dataclass(frozen=True)
class ScoreSetup:
    """Settings of a process that scores, small enough to send to another machine.

    Attributes:
        panel: the metrics.
        texts: sentences that are said in the clips, each once.
        base: folder that relative paths start from.
        device: torch device of the metrics.
        limit_seconds: time that the panel may take for one clip; None: no limit.
    """

    panel: tuple[MetricUse, ...]
    texts: tuple[str, ...]
    base: Path
    device: str
    limit_seconds: float | None


@dataclass(frozen=True)
class ScoreTask(DivisibleTask):
    """One clip to score."""

    clip: FolderClip


class ScoreWorker:
    """Scores clips of folders; loads the panel with the first clip."""

    def __init__(self, setup: ScoreSetup) -> None:
        plugins.search(setup.base)
        self._setup = setup

    def run(self, task: ScoreTask) -> Iterator[Event]:
        """Score one clip; its rows are in the one `ClipFinished`.

        An error outside of a metric, such as a file that is too large for the memory, is handled
        like the end of a process.
        """
        began = time.perf_counter()
        results: Results = {}
        call = Call(task.clip.name)
        try:
            for step in self._scorer.score(task, _sounds(task.clip)):
                if isinstance(step, Call):
                    call = step
                    yield CallStarted(task.stage, task.shard, call)
                else:
                    results = step
        except Exception as error:
            if is_fatal(error):
                raise
            why = Unusable(Reason.METRIC_ERROR, f"{type(error).__name__}: {error}")
            yield from self.run(divide_or_skip(task, call, why))
            return
        rows = tuple(rows_of(task.clip, results))
        audio_seconds = sum(row["seconds"] or 0.0 for row in rows)
        seconds = time.perf_counter() - began
        yield ClipFinished(
            task.stage, task.shard, audio_seconds, seconds, rows=rows, skipped=task.skipped
        )

    @cached_property
    def _scorer(self) -> Scorer:
        setup = self._setup
        panel = Panel(setup.panel, setup.texts, setup.base)
        return Scorer(panel, setup.texts, setup.base, setup.device, setup.limit_seconds)


def _sounds(clip: FolderClip) -> ScoringInput:
    sounds = dict(clip.candidates)
    return ScoringInput(clip.name, sounds, clip.clean, clip.noisy, clip.text, clip.language)


def rows_of(clip: FolderClip, results: Mapping[str, CandidateScores]) -> Iterator[Row]:
    """Return one row per file of a clip.

    Args:
        clip: the files.
        results: by system.
    """
    for system, path in clip.candidates:
        scores = results[system]
        gains = {f"{side}_gain": scores.gains.get(side) for side in ("clean", "noisy")}
        yield {
            **_facts_of(clip, system, path),
            **gains,
            **scores_of(scores),
            "failures": _failures(scores),
        }


def _failures(scores: CandidateScores) -> list[Row] | None:
    return [
        {
            "score": score,
            "reason": str(_SHOWN_AS.get(reason, reason)),
            "detail": printable(scores.details.get(score, ""))[:LONGEST_DETAIL],
        }
        for score, reason in scores.failures.items()
    ] or None


_SHOWN_AS = {Reason.WORKER_DIED: Reason.METRIC_ERROR}  # the table of files has one reason for both


def _facts_of(clip: FolderClip, system: str, path: Path) -> Row:
    try:
        header = audio.read_header(path)
    except Unusable:
        seconds, rate = None, None
    else:
        seconds, rate = header.frames / header.rate, header.rate
    return {
        "file": clip.name or printable(path.stem),
        "system": system,
        "path": printable(str(path)),
        "seconds": seconds,
        "sample_rate": rate,
    }
