"""What each finished shard took, and how its parts looked when they were written.

The files are the truth about what is done; the ledger tells whether they are still what was
written. Where it does not know a part, the part is read through, and every page of it has a
checksum of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from gensr_pref import shards
from gensr_pref.engine.work import Finished, Tick, Wrote
from gensr_pref.shards import Stamp

LEDGER = "timings.jsonl"  # of a run directory
_UNKNOWN = object()


def note(out: Path, finished: Finished, ticks: Sequence[Tick], wrote: Wrote | None) -> None:
    """Write down what a task took and made."""
    line: dict[str, Any] = {
        "stage": finished.stage,
        "shard": finished.shard,
        "seconds": round(sum(tick.seconds for tick in ticks), 3),
        "audio_seconds": round(sum(tick.audio_seconds for tick in ticks), 3),
    }
    if wrote is not None:
        line["parts"] = {name: one and astuple(one) for name, one in wrote.parts.items()}
        line["extends"] = wrote.extends
    shards.append_json(out / LEDGER, line)


def stages(out: Path) -> dict[str, dict[str, float]]:
    """Stage -> seconds of work, seconds of audio and their ratio; what was redone counts once."""
    total: dict[tuple[str, int], Counter[str]] = {}
    for line in shards.read_json_lines(out / LEDGER):
        key = (line["stage"], line["shard"])
        before = total.get(key, Counter()) if line.get("extends") else Counter[str]()
        total[key] = before + Counter({k: line[k] for k in ("seconds", "audio_seconds")})
    summed: dict[str, Counter[str]] = {}
    for (stage, _), one in total.items():
        summed.setdefault(stage, Counter()).update(one)
    return {stage: _with_ratio(counts) for stage, counts in summed.items()}


def _with_ratio(total: Counter[str]) -> dict[str, float]:
    seconds, audio = float(total["seconds"]), float(total["audio_seconds"])
    ratio = {"real_time_factor": round(seconds / audio, 4)} if audio else {}
    return {"seconds": round(seconds, 3), "audio_seconds": round(audio, 3), **ratio}


class Stamps:
    """How the parts of a run directory looked when they were written."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._known: dict[str, Any] = {}
        for line in shards.read_json_lines(out / LEDGER):
            self._known.update(line.get("parts", {}))

    def is_intact(self, path: Path) -> bool:
        """Whether a part that should be there is, as it was written."""
        known = self._of(path)
        return shards.is_intact(path, known if isinstance(known, Stamp) else None)

    def failures_intact(self, path: Path) -> bool:
        """The same of failures, of which there is no part where there are none."""
        known = self._of(path)
        if not path.exists():
            return not isinstance(known, Stamp)
        return self.is_intact(path)

    def _of(self, path: Path) -> Any:
        known = self._known.get(f"{path.parent.name}/{path.name}", _UNKNOWN)
        return Stamp(*known) if isinstance(known, list) else known
