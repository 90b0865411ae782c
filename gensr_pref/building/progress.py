"""What a person sees while long work runs.

On a terminal one bar per stage, elsewhere a plain line now and then; of a build also the same as
JSON lines in its run directory, which ``gensr-pref status`` reads. All durations are taken from a
clock that never jumps.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

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
WINDOW = 20  # snapshots, one every 30 s, that a rate is taken over: 10 minutes
STAGES: tuple[Stage, ...] = ("sample", "score")
_TITLES: dict[Stage, str] = {"sample": "sampling", "score": "scoring "}


@dataclass
class _Work:
    """What was done at one stage since this process began, and who does it."""

    clips: int = 0
    seconds: float = 0.0
    audio_seconds: float = 0.0
    workers: int = 1
    device: str = "cpu"
    at: deque[tuple[float, int, float, float]] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def rates(self, now: float) -> dict[str, float]:
        """Over the last minutes: clips per hour, audio-hours per hour, share of time at work."""
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
        """Remember how much was done until now."""
        self.at.append((now, self.clips, self.seconds, self.audio_seconds))


class Progress:
    """A build, as it goes.

    Args:
        out: the run directory.
        clips: of the run.
        done: how many of them have passed each stage already.
        failures: by reason, of what is there already.
        so_far: counts pairs.
        device: torch device, until the workers tell theirs.
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
        self._since_start: Counter[tuple[Stage, int]] = Counter()
        self._counts = Counter[str]()
        self._began = self._last_snapshot = time.monotonic()
        self._bars = {
            stage: Bar(clips, done[stage], title, place, lines=False)
            for place, (stage, title) in enumerate(_TITLES.items())
        }
        self._silent = self._bars["sample"].silent
        self._write = self._bars["sample"].write

    def show(self, event: Event) -> None:
        """Move the bars, say what went wrong, and now and then how far it is."""
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
            self._write_snapshot("running")

    def finish(self, summary: Summary) -> None:
        """Everything that could be done is."""
        counts = {"pairs": summary["pairs"], "yield": summary["yield"]}
        self._write_snapshot("finished" if summary["complete"] else "incomplete", counts)

    def snapshot(self, state: str) -> dict[str, Any]:
        """How far it is, as JSON-able data; fields as docs/run-directory.md says."""
        now = time.monotonic()
        stages = {
            stage: {
                "clips": self._done[stage],
                "workers": work.workers,
                "device": work.device,
                **work.rates(now),
            }
            for stage, work in self._work.items()
        }
        found = self._so_far
        share = found.paired / found.clips if found.clips else None
        left = self._seconds_left()
        return {
            "state": state,
            "time": round(time.time(), 1),
            "elapsed_seconds": round(now - self._began, 1),
            "clips": self._clips,
            "stages": stages,
            "yield": share,
            "pairs": found.pairs,
            "pairs_of_clips": found.clips,
            "seconds_left": None if left is None else round(left),
            "failures": dict(sorted(self._failures.items())),
            "restarted": self._counts["restarted"],
            "lost": self._counts["lost"],
        }

    def __enter__(self) -> Self:
        for work in self._work.values():
            work.mark(self._began)
        part_files.append_json(self._path, self.snapshot("running"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in self._bars.values():
            one.__exit__(kind, error, trace)
        if kind is not None:
            with suppress(StorageError):  # which may be what ends the build
                self._write_snapshot("interrupted")

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

    def _write_snapshot(self, state: str, known: Mapping[str, Any] | None = None) -> None:
        found = {**self.snapshot(state), **(known or {})}
        self._last_snapshot = time.monotonic()
        for work in self._work.values():
            work.mark(self._last_snapshot)
        part_files.append_json(self._path, found)
        if self._silent:
            self._write(line(found))

    def _seconds_left(self) -> float | None:
        """From what a clip took at each stage; None where one was not seen yet."""
        needs = []
        for stage, work in self._work.items():
            lacking = self._clips - self._done[stage]
            if lacking and not work.clips:
                return None
            needs.append(lacking * work.seconds / max(1, work.clips) / work.workers)
        return sum(needs) if self._shared else max(needs)


def line(found: Mapping[str, Any]) -> str:
    """A snapshot as one plain line."""
    clips = found["clips"]
    told = [
        f"{stage} {found['stages'][stage]['clips']}/{clips}"
        + _share(", busy {:.0%}", found["stages"][stage].get("utilisation"))
        for stage in STAGES
    ]
    speed = found["stages"]["score"].get("audio_hours_per_hour")
    told.append(_share("{:.2f} h of audio scored/h", speed))
    told.append("pairs {}".format(found["pairs"]) + _share(" (yield {:.0%})", found["yield"]))
    if found["seconds_left"] is not None and found["state"] == "running":
        told.append(f"{duration(found['seconds_left'])} left")
    if found["failures"]:
        told.append("left out " + ", ".join(f"{n} {why}" for why, n in found["failures"].items()))
    if found["lost"]:
        told.append(f"{quantity(found['lost'], 'shard')} given up")
    return "; ".join(text for text in told if text)


def _share(form: str, value: float | None) -> str:
    return "" if value is None else form.format(value)
