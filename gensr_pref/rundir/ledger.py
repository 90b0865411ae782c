"""The ledger of a run: the time that each shard took, and a stamp of each part that was written.

Which parts exist is decided by the files alone. The ledger records what they were like when they
were written, so that a later change is detected. A part that is not in the ledger is read
completely; each of its pages has a checksum.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from gensr_pref.errors import GensrPrefError, StorageError
from gensr_pref.rundir import part_files
from gensr_pref.rundir.machine import Machine
from gensr_pref.rundir.part_files import Stamp
from gensr_pref.storage.base import Entry

LEDGER = "timings.jsonl"  # in a run directory
CHECKED = "checked.jsonl"  # likewise: stamps of parts whose content was read and is unchanged
TABLES: tuple[part_files.Table, ...] = get_args(part_files.Table)
Parts = Mapping[str, Stamp | None]  # by part_name; None: the table has no rows for the shard
_AT_ONCE = 8  # parts whose content is read at the same time
_PARTS_PER_LINE = 100  # in CHECKED


def part_name(path: Path) -> str:
    """Return the name of a part in its run directory, such as ``scores/part-00000.parquet``."""
    return f"{path.parent.name}/{path.name}"


def record_stage(
    out: Path,
    stage: str,
    shard: int,
    took: tuple[float, float] = (0.0, 0.0),
    parts: Parts | None = None,
    extends: bool = False,
    machine: Machine | None = None,
) -> None:
    """Record what a stage of a shard took and wrote.

    Args:
        out: the run directory.
        stage: sample, score or the like.
        shard: number of the shard.
        took: seconds of work, and of audio.
        parts: the parts that were written.
        extends: whether the parts also hold earlier rows, which took no work now.
        machine: the machine that computed the parts.
    """
    line: dict[str, Any] = {
        "stage": stage,
        "shard": shard,
        "seconds": round(took[0], 3),
        "audio_seconds": round(took[1], 3),
    }
    if parts is not None:
        line["parts"] = _as_json(parts)
        line["extends"] = extends
    if machine is not None:
        line["machine"] = machine.as_json()
    part_files.append_json(out / LEDGER, line)


def record_parts(out: Path, parts: Parts) -> None:
    """Record parts that belong to no stage of a shard."""
    if parts:
        part_files.append_json(out / LEDGER, {"parts": _as_json(parts)})


def stage_times(out: Path) -> dict[str, dict[str, float]]:
    """Return seconds of work and of audio and their ratio by stage; repeated work counts once."""
    total: dict[tuple[str, int], Counter[str]] = {}
    for line in part_files.read_json_lines(out / LEDGER):
        if "stage" not in line:
            continue
        key = (line["stage"], line["shard"])
        before = total.get(key, Counter()) if line.get("extends") else Counter[str]()
        total[key] = before + Counter({k: line[k] for k in ("seconds", "audio_seconds")})
    summed: dict[str, Counter[str]] = {}
    for (stage, _), seconds in total.items():
        summed.setdefault(stage, Counter()).update(seconds)
    return {stage: _with_ratio(counts) for stage, counts in summed.items()}


def machines(out: Path) -> dict[str, dict[Machine, int]]:
    """Return by stage how many shards were computed, at least in part, on each kind of machine."""
    of_shard: dict[tuple[str, int], set[Machine]] = {}
    for line in part_files.read_json_lines(out / LEDGER):
        if "stage" not in line or "machine" not in line:
            continue
        key = (line["stage"], line["shard"])
        before = of_shard.get(key, set()) if line.get("extends") else set()
        of_shard[key] = before | {Machine.from_json(line["machine"])}
    by_stage: dict[str, Counter[Machine]] = {}
    for (stage, _), kinds in of_shard.items():
        by_stage.setdefault(stage, Counter()).update(kinds)
    return {stage: dict(count) for stage, count in by_stage.items()}


class Stamps:
    """The recorded stamps of a run directory's parts, and the entries of the parts that exist.

    The parts are listed once, when this object is created. In a store, this takes one request for
    every 1000 parts of a table.

    Attributes:
        entries: entries of the parts that existed then, by path.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._known: dict[str, Stamp | None] = {}
        for line in part_files.read_json_lines(out / LEDGER):
            self._known.update(_parts_in(line))
        self.entries: dict[Path, Entry] = {
            path: entry
            for table in TABLES
            for path, entry in part_files.stat_parts(out, table).items()
        }

    def exists(self, path: Path) -> bool:
        """Return whether a part exists."""
        return path in self.entries

    def is_known(self, path: Path) -> bool:
        """Return whether the ledger has a record of a part, or that it has no rows."""
        return part_name(path) in self._known

    def get(self, path: Path) -> Stamp | None:
        """Return the stamp of a part; None where it is not recorded or the part has no rows."""
        return self._known.get(part_name(path))

    def missing_names(self) -> list[str]:
        """Return the names of recorded parts that do not exist or have another size now."""
        sizes = {part_name(path): entry.size for path, entry in self.entries.items()}
        known = {name: stamp.size for name, stamp in self._known.items() if stamp is not None}
        return sorted(name for name, size in known.items() if sizes.get(name) != size)

    @property
    def is_empty(self) -> bool:
        """Whether the ledger has no record of any part."""
        return not self._known

    def find_changed(self, paths: Sequence[Path]) -> list[Path]:
        """Return those of some existing parts that do not hold what was written.

        A part's content is read only if its entry differs from when it was written, and from when
        its content was last read for this check. The new entry is then recorded, if the directory
        can be written. So the parts of a copy are read once.
        """
        unsure = [path for path in paths if not self.is_as_recorded(path)]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            current = list(threads.map(_stamp_if_readable, unsure))
        unchanged = {
            path: stamp
            for path, stamp in zip(unsure, current, strict=True)
            if stamp and (known := self.get(path)) and stamp.digest == known.digest
        }
        self._record_checked(unchanged)
        return [path for path in unsure if path not in unchanged]

    def is_as_recorded(self, path: Path) -> bool:
        """Return whether a part's entry is that of the ledger or of a later content check."""
        known, entry = self.get(path), self.entries.get(path)
        if known is None or entry is None:
            return False
        if entry.is_same(known.entry):
            return True
        last = self._checks.get(part_name(path))
        return last is not None and last.digest == known.digest and entry.is_same(last.entry)

    def is_unexpected(self, path: Path) -> bool:
        """Return whether a part exists although the ledger records that it has no rows."""
        return self.exists(path) and self.is_known(path) and self.get(path) is None

    def is_intact(self, path: Path) -> bool:
        """Return whether a required part exists and holds what was written."""
        entry = self.entries.get(path)
        if entry is not None and self.is_as_recorded(path):
            return True
        return part_files.is_intact(path, self.get(path), entry)

    def are_failures_intact(self, path: Path) -> bool:
        """Return whether a part of failures is intact; without failures there is none."""
        if not self.exists(path):
            return self.get(path) is None
        return self.is_intact(path)

    def is_whole(self, path: Path, fingerprint: str) -> bool:
        """Return whether a part exists, is complete Parquet, and belongs to this run."""
        known = self._current_stamp(path)
        if known is not None:
            return known.fingerprint == fingerprint
        return self.exists(path) and part_files.is_whole(path, fingerprint)

    def count_rows(self, table: part_files.Table) -> int:
        """Return the number of rows of a table; only a part without a valid stamp is read.

        Raises:
            StorageError: a part that is read is corrupt.
        """
        paths = [path for path in self.entries if path.parent.name == table]
        return sum(self._count_rows(path) for path in paths)

    def _count_rows(self, path: Path) -> int:
        known = self._current_stamp(path)
        count = known.rows if known is not None else None
        return part_files.count_rows(path) if count is None else count

    def _current_stamp(self, path: Path) -> Stamp | None:
        """Return the stamp of a part that has the recorded entry; None for any other."""
        return self.get(path) if self.is_as_recorded(path) else None

    @cached_property
    def _checks(self) -> dict[str, Stamp]:
        """Stamps of parts from when their content was last read."""
        stamps: dict[str, Stamp] = {}
        for line in part_files.read_json_lines(self._out / CHECKED):
            stamps |= {name: stamp for name, stamp in _parts_in(line).items() if stamp is not None}
        return stamps

    def _record_checked(self, parts: Mapping[Path, Stamp]) -> None:
        """Record the stamps of parts that were read, if the directory can be written."""
        known = [(part_name(path), replace(stamp, rows=None)) for path, stamp in parts.items()]
        self._checks.update(known)
        with contextlib.suppress(StorageError):
            for start in range(0, len(known), _PARTS_PER_LINE):
                batch = dict(known[start : start + _PARTS_PER_LINE])
                part_files.append_json(self._out / CHECKED, {"parts": _as_json(batch)})


def _stamp_if_readable(path: Path) -> Stamp | None:
    try:
        return part_files.stamp(path)
    except GensrPrefError:
        return None


def _as_json(parts: Parts) -> dict[str, tuple[Any, ...] | None]:
    return {name: None if stamp is None else astuple(stamp) for name, stamp in parts.items()}


def _parts_in(line: dict[str, Any]) -> dict[str, Stamp | None]:
    stamps: dict[str, Stamp | None] = {}
    parts = line.get("parts")
    for name, values in parts.items() if isinstance(parts, dict) else ():
        with contextlib.suppress(TypeError):  # a damaged record: the part counts as not recorded
            stamps[name] = None if values is None else Stamp(*values)
    return stamps


def _with_ratio(total: Counter[str]) -> dict[str, float]:
    seconds, audio = float(total["seconds"]), float(total["audio_seconds"])
    ratio = {"real_time_factor": round(seconds / audio, 4)} if audio else {}
    return {"seconds": round(seconds, 3), "audio_seconds": round(audio, 3), **ratio}
