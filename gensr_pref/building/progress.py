"""Shows and records the progress of a build.

A terminal shows one bar per stage; elsewhere a plain line is written every 30 s. The run directory
gets the same figures as JSON lines, which ``gensr-pref status`` reads. All durations are taken from
a monotonic clock.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Required, Self, TypedDict

from gensr_pref.building import progress_bar
from gensr_pref.building.progress_bar import Bar, duration
from gensr_pref.building.summary import Summary
from gensr_pref.building.tasks import (
    ClipFinished,
    Event,
    Finished,
    Lost,
    Notice,
    Restarted,
    Stage,
    Stalled,
    WorkersChanged,
)
from gensr_pref.building.yield_count import YieldSoFar
from gensr_pref.errors import StorageError, quantity
from gensr_pref.rundir import part_files

SNAPSHOTS = "progress.jsonl"  # of a run directory
WINDOW = 20  # snapshots, one every 30 s, over which a rate is measured: 10 minutes
STAGES: tuple[Stage, ...] = ("sample", "score")
_TITLES: dict[Stage, str] = {"sample": "sampling", "score": "scoring "}


class Rates(TypedDict, total=False):
    """The speed of a stage over the last 10 minutes.

    Keys:
        clips_per_hour: clips that finished the stage per hour.
        audio_hours_per_hour: hours of candidates' audio made or scored per hour.
        utilisation: share of the time that the workers were busy.
    """

    clips_per_hour: float
    audio_hours_per_hour: float
    utilisation: float


class StageProgress(Rates):
    """The progress of a stage; the rates are absent if no time has passed.

    Keys:
        clips: number of clips that have finished the stage.
        workers: number of processes that work at it.
        device: torch device of these processes.
    """

    clips: Required[int]
    workers: Required[int]
    device: Required[str]


Snapshot = TypedDict(
    "Snapshot",
    {
        "state": str,
        "time": float,
        "elapsed_seconds": float,
        "clips": int,
        "stages": dict[Stage, StageProgress],
        "yield": float | None,
        "pairs": int,
        "pairs_of_clips": int,
        "seconds_left": int | None,
        "failures": dict[str, int],
        "restarted": int,
        "lost": int,
    },
)
"""A line of ``progress.jsonl``; docs/run-directory.md describes its fields."""


@dataclass
class _Work:
    """The work of one stage since this process began, and the workers that do it."""

    clips: int = 0
    seconds: float = 0.0
    audio_seconds: float = 0.0
    workers: int = 1
    device: str = "cpu"
    at: deque[tuple[float, int, float, float]] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def rates(self, now: float) -> Rates:
        """Return the rates over the last minutes; empty if no time has passed."""
        then, clips, seconds, audio_seconds = self.at[0]
        passed = now - then
        if passed <= 0:
            return {}
        return {
            "clips_per_hour": round((self.clips - clips) / passed * 3600, 1),
            "audio_hours_per_hour": round((self.audio_seconds - audio_seconds) / passed, 2),
            "utilisation": round((self.seconds - seconds) / passed / self.workers, 3),
        }

    def mark(self, now: float) -> None:
        """Remember the amount of work done until now."""
        self.at.append((now, self.clips, self.seconds, self.audio_seconds))


class Progress:
    """The progress of a build.

    Args:
        out: the run directory.
        clips: number of clips of the run.
        done: number of clips that have finished each stage already.
        failures: number of existing failures, by reason.
        so_far: counts the pairs of finished shards.
        device: torch device, until the workers report theirs.
    """

    def __init__(
        self,
        out: Path,
        clips: int,
        done: Mapping[Stage, int],
        failures: Mapping[str, int],
        so_far: YieldSoFar,
        device: str,
    ) -> None:
        self._path = out / SNAPSHOTS
        self._clips = clips
        self._done = dict(done)
        self._failures = Counter(failures)
        self._so_far = so_far
        self._work = {stage: _Work(device=device) for stage in STAGES}
        self._shared = True
        self._since_start: Counter[tuple[Stage, int]] = Counter()  # clips, by stage and shard
        self._counts = Counter[str]()
        self._began = self._last_snapshot = time.monotonic()
        self._bars = {
            stage: Bar(clips, done[stage], title, index, lines=False)
            for index, (stage, title) in enumerate(_TITLES.items())
        }
        self._silent = self._bars["sample"].silent
        self._write = self._bars["sample"].write

    def show(self, event: Event) -> None:
        """Update the bars, report problems, and write a snapshot every 30 s."""
        if isinstance(event, WorkersChanged):
            self._set_workers(event)
        elif isinstance(event, Stalled):
            self._write(event.why)
        elif isinstance(event, ClipFinished):
            self._count_clip(event)
        elif isinstance(event, Notice):
            self._write(f"note: {event.text}")
        elif isinstance(event, Finished) and event.stage == "score":
            self._so_far.add(event.shard)
        elif isinstance(event, Restarted | Lost):
            self._count_restart(event)
        if time.monotonic() - self._last_snapshot >= progress_bar.LINE_SECONDS:
            self._write_snapshot(self.snapshot("running"))

    def finish(self, summary: Summary) -> None:
        """Write the last snapshot, with the pairs of the whole run."""
        state = "finished" if summary["complete"] else "incomplete"
        self._write_snapshot(
            {**self.snapshot(state), "pairs": summary["pairs"], "yield": summary["yield"]}
        )

    def snapshot(self, state: str) -> Snapshot:
        """Return the present progress."""
        now = time.monotonic()
        stages: dict[Stage, StageProgress] = {
            stage: {
                "clips": self._done[stage],
                "workers": work.workers,
                "device": work.device,
                **work.rates(now),
            }
            for stage, work in self._work.items()
        }
        so_far = self._so_far
        share = so_far.paired / so_far.clips if so_far.clips else None
        left = self._seconds_left()
        return {
            "state": state,
            "time": round(time.time(), 1),
            "elapsed_seconds": round(now - self._began, 1),
            "clips": self._clips,
            "stages": stages,
            "yield": share,
            "pairs": so_far.pairs,
            "pairs_of_clips": so_far.clips,
            "seconds_left": None if left is None else round(left),
            "failures": dict(sorted(self._failures.items())),
            "restarted": self._counts["restarted"],
            "lost": self._counts["lost"],
        }

    def __enter__(self) -> Self:
        for work in self._work.values():
            work.mark(self._began)
        part_files.append_json(self._path, dict(self.snapshot("running")))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for bar in self._bars.values():
            bar.__exit__(kind, error, trace)
        if kind is not None:
            with suppress(StorageError):  # the same error may be ending the build
                self._write_snapshot(self.snapshot("interrupted"))

    def _set_workers(self, event: WorkersChanged) -> None:
        self._shared = len(event.stages) > 1
        for stage in event.stages:
            self._work[stage].workers, self._work[stage].device = event.workers, event.device

    def _count_clip(self, event: ClipFinished) -> None:
        work = self._work[event.stage]
        work.clips += 1
        work.seconds += event.seconds
        work.audio_seconds += event.audio_seconds
        self._done[event.stage] += 1
        self._since_start[event.stage, event.shard] += 1
        self._failures.update(str(reason) for reason in event.failures)
        self._bars[event.stage].update(1)

    def _count_restart(self, event: Restarted | Lost) -> None:
        again = self._since_start.pop((event.stage, event.shard), 0)
        self._done[event.stage] -= again
        self._bars[event.stage].update(-again)
        self._counts["restarted" if isinstance(event, Restarted) else "lost"] += 1
        verdict = "starts again" if isinstance(event, Restarted) else "is given up"
        self._write(f"shard {event.shard} ({event.stage}) {verdict}: {event.why}")

    def _write_snapshot(self, snapshot: Snapshot) -> None:
        self._last_snapshot = time.monotonic()
        for work in self._work.values():
            work.mark(self._last_snapshot)
        part_files.append_json(self._path, dict(snapshot))
        if self._silent:
            self._write(line(snapshot, self._so_far.asks_for_pairs))

    def _seconds_left(self) -> float | None:
        """Estimate the time left from the time per clip; None until each stage has finished one."""
        needs = []
        for stage, work in self._work.items():
            left = self._clips - self._done[stage]
            if left and not work.clips:
                return None
            needs.append(left * work.seconds / max(1, work.clips) / work.workers)
        return sum(needs) if self._shared else max(needs)


def line(snapshot: Snapshot, asks_for_pairs: bool = True) -> str:
    """Describe a snapshot in one plain line, without pairs if the run asks for none."""
    clips = snapshot["clips"]
    texts = [
        f"{stage} {snapshot['stages'][stage]['clips']}/{clips}"
        + _format_known(", busy {:.0%}", snapshot["stages"][stage].get("utilisation"))
        for stage in STAGES
    ]
    speed = snapshot["stages"]["score"].get("audio_hours_per_hour")
    texts.append(_format_known("{:.2f} h of audio scored/h", speed))
    share = _format_known(" (yield {:.0%})", snapshot["yield"])
    if asks_for_pairs:
        texts.append(f"pairs {snapshot['pairs']}{share}")
    if snapshot["seconds_left"] is not None and snapshot["state"] == "running":
        texts.append(f"{duration(snapshot['seconds_left'])} left")
    if snapshot["failures"]:
        counts = (f"{count} {reason}" for reason, count in snapshot["failures"].items())
        texts.append("left out " + ", ".join(counts))
    if snapshot["lost"]:
        texts.append(f"{quantity(snapshot['lost'], 'shard')} given up")
    return "; ".join(text for text in texts if text)


def _format_known(form: str, value: float | None) -> str:
    return "" if value is None else form.format(value)
