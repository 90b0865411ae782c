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
from typing import Any, get_args

from gensr_pref import shards
from gensr_pref.engine.work import Finished, Tick, Wrote
from gensr_pref.shards import Stamp

LEDGER = "timings.jsonl"  # of a run directory
TABLES: tuple[shards.Table, ...] = get_args(shards.Table)
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
    """How the parts of a run directory looked when they were written, and how they look now.

    What is there is listed once, when this is made: one request for every 1000 parts of a table,
    where the directory lies on a store.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._known: dict[str, Any] = {}
        for line in shards.read_json_lines(out / LEDGER):
            self._known.update(line.get("parts", {}))
        self._seen = {
            path: entry for table in TABLES for path, entry in shards.listed(out, table).items()
        }

    def exists(self, path: Path) -> bool:
        """Whether a part is there."""
        return path in self._seen

    def is_intact(self, path: Path) -> bool:
        """Whether a part that should be there is, as it was written."""
        known = self._of(path)
        written = known if isinstance(known, Stamp) else None
        return shards.is_intact(path, written, self._seen.get(path))

    def failures_intact(self, path: Path) -> bool:
        """The same of failures, of which there is no part where there are none."""
        if not self.exists(path):
            return not isinstance(self._of(path), Stamp)
        return self.is_intact(path)

    def is_whole(self, path: Path, fingerprint: str) -> bool:
        """Whether a part is there, ends as Parquet does, and belongs to this run."""
        known = self._unchanged(path)
        if known is not None:
            return known.fingerprint == fingerprint
        return self.exists(path) and shards.is_whole(path, fingerprint)

    def rows(self, table: shards.Table) -> int:
        """How many rows a table has; only a part that is not known is asked.

        Raises:
            StorageError: one that is asked is corrupt.
        """
        paths = [path for path in self._seen if path.parent.name == table]
        return sum(self._rows(path) for path in paths)

    def _rows(self, path: Path) -> int:
        known = self._unchanged(path)
        count = known.rows if known is not None else None
        return shards.rows(path) if count is None else count

    def _unchanged(self, path: Path) -> Stamp | None:
        """How a part was written, where it looks the same still."""
        known, seen = self._of(path), self._seen.get(path)
        same = isinstance(known, Stamp) and seen is not None and seen.is_same(known.entry)
        return known if same else None

    def _of(self, path: Path) -> Any:
        known = self._known.get(f"{path.parent.name}/{path.name}", _UNKNOWN)
        return Stamp(*known) if isinstance(known, list) else known
