"""What each finished shard took, and how its parts looked when they were written.

The files are the truth about what is done; the ledger tells whether they are still what was
written. Where it does not know a part, the part is read through, and every page of it has a
checksum of its own.
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

LEDGER = "timings.jsonl"  # of a run directory
CHECKED = "checked.jsonl"  # likewise: how parts look whose content was found to be the same
TABLES: tuple[part_files.Table, ...] = get_args(part_files.Table)
Parts = Mapping[str, Stamp | None]  # by name_of; None for one that is rightly not there
_AT_ONCE = 8  # parts whose content is read at the same time
_LINE = 100  # parts of a line of CHECKED


def name_of(path: Path) -> str:
    """The name of a part in its run directory, such as ``scores/part-00000.parquet``."""
    return f"{path.parent.name}/{path.name}"


def note(
    out: Path,
    stage: str,
    shard: int,
    took: tuple[float, float] = (0.0, 0.0),
    parts: Parts | None = None,
    extends: bool = False,
    machine: Machine | None = None,
) -> None:
    """Write down what a stage of a shard took and made.

    Args:
        took: seconds of work, and of audio.
        parts: those that it wrote.
        extends: whether they hold rows that were there before, which took no work now.
        machine: what computed them.
    """
    line: dict[str, Any] = {
        "stage": stage,
        "shard": shard,
        "seconds": round(took[0], 3),
        "audio_seconds": round(took[1], 3),
    }
    if parts is not None:
        line["parts"] = _lines_of(parts)
        line["extends"] = extends
    if machine is not None:
        line["machine"] = machine.as_json()
    part_files.append_json(out / LEDGER, line)


def note_parts(out: Path, parts: Parts) -> None:
    """Write down parts that are no work of a shard."""
    if parts:
        part_files.append_json(out / LEDGER, {"parts": _lines_of(parts)})


def stages(out: Path) -> dict[str, dict[str, float]]:
    """Stage -> seconds of work, seconds of audio and their ratio; what was redone counts once."""
    total: dict[tuple[str, int], Counter[str]] = {}
    for line in part_files.read_json_lines(out / LEDGER):
        if "stage" not in line:
            continue
        key = (line["stage"], line["shard"])
        before = total.get(key, Counter()) if line.get("extends") else Counter[str]()
        total[key] = before + Counter({k: line[k] for k in ("seconds", "audio_seconds")})
    summed: dict[str, Counter[str]] = {}
    for (stage, _), one in total.items():
        summed.setdefault(stage, Counter()).update(one)
    return {stage: _with_ratio(counts) for stage, counts in summed.items()}


def machines(out: Path) -> dict[str, dict[Machine, int]]:
    """Stage -> kind of machine -> shards whose rows, or some of them, were computed on it."""
    of_shard: dict[tuple[str, int], set[Machine]] = {}
    for line in part_files.read_json_lines(out / LEDGER):
        if "stage" not in line or "machine" not in line:
            continue
        key = (line["stage"], line["shard"])
        before = of_shard.get(key, set()) if line.get("extends") else set()
        of_shard[key] = before | {Machine.from_json(line["machine"])}
    found: dict[str, Counter[Machine]] = {}
    for (stage, _), kinds in of_shard.items():
        found.setdefault(stage, Counter()).update(kinds)
    return {stage: dict(count) for stage, count in found.items()}


class Stamps:
    """How the parts of a run directory looked when they were written, and how they look now.

    What is there is listed once, when this is made: one request for every 1000 parts of a table,
    where the directory lies on a store.

    Attributes:
        seen: what there is now, by path.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._known: dict[str, Stamp | None] = {}
        for line in part_files.read_json_lines(out / LEDGER):
            self._known.update(_parts_in(line))
        self.seen: dict[Path, Entry] = {
            path: entry
            for table in TABLES
            for path, entry in part_files.stat_parts(out, table).items()
        }

    def exists(self, path: Path) -> bool:
        """Whether a part is there."""
        return path in self.seen

    def is_known(self, path: Path) -> bool:
        """Whether the ledger tells of a part, or that there is rightly none."""
        return name_of(path) in self._known

    def of(self, path: Path) -> Stamp | None:
        """How a part was written; None where that is not known, or there is rightly none."""
        return self._known.get(name_of(path))

    def lost(self) -> list[str]:
        """The names of parts that were noted and are not there, or have another size now."""
        sizes = {name_of(path): entry.size for path, entry in self.seen.items()}
        known = {name: stamp.size for name, stamp in self._known.items() if stamp is not None}
        return sorted(name for name, size in known.items() if sizes.get(name) != size)

    @property
    def is_empty(self) -> bool:
        """Whether the ledger tells of no part at all."""
        return not self._known

    def changed(self, paths: Sequence[Path]) -> list[Path]:
        """Which of the parts that are there do not hold what was written.

        The content of a part is read where it does not look as it did when it was written, or
        when its content was last read for this; how it looks now is then written down, where that
        can be done. So the parts of a copy are read once.
        """
        unsure = [path for path in paths if not self.is_as_noted(path)]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            now = dict(zip(unsure, threads.map(_stamp_if_any, unsure), strict=True))
        known = {path: self.of(path) for path in unsure}
        same = [p for p in unsure if (k := known[p]) and (n := now[p]) and n.digest == k.digest]
        self._remember({path: one for path in same if (one := now[path])})
        kept = set(same)
        return [path for path in unsure if path not in kept]

    def is_as_noted(self, path: Path) -> bool:
        """Whether a part looks as the ledger, or a later check of its content, has it."""
        known, seen = self.of(path), self.seen.get(path)
        if known is None or seen is None:
            return False
        if seen.is_same(known.entry):
            return True
        last = self._checked.get(name_of(path))
        return last is not None and last.digest == known.digest and seen.is_same(last.entry)

    def is_strange(self, path: Path) -> bool:
        """Whether a part is there of which the ledger knows that there is none."""
        return self.exists(path) and self.is_known(path) and self.of(path) is None

    def is_intact(self, path: Path) -> bool:
        """Whether a part that should be there is, as it was written."""
        seen = self.seen.get(path)
        if seen is not None and self.is_as_noted(path):
            return True
        return part_files.is_intact(path, self.of(path), seen)

    def failures_intact(self, path: Path) -> bool:
        """The same of failures, of which there is no part where there are none."""
        if not self.exists(path):
            return self.of(path) is None
        return self.is_intact(path)

    def is_whole(self, path: Path, fingerprint: str) -> bool:
        """Whether a part is there, ends as Parquet does, and belongs to this run."""
        known = self._unchanged(path)
        if known is not None:
            return known.fingerprint == fingerprint
        return self.exists(path) and part_files.is_whole(path, fingerprint)

    def rows(self, table: part_files.Table) -> int:
        """How many rows a table has; only a part that is not known is asked.

        Raises:
            StorageError: one that is asked is corrupt.
        """
        paths = [path for path in self.seen if path.parent.name == table]
        return sum(self._rows(path) for path in paths)

    def _rows(self, path: Path) -> int:
        known = self._unchanged(path)
        count = known.rows if known is not None else None
        return part_files.rows(path) if count is None else count

    def _unchanged(self, path: Path) -> Stamp | None:
        """How a part was written, where it looks the same still."""
        return self.of(path) if self.is_as_noted(path) else None

    @cached_property
    def _checked(self) -> dict[str, Stamp]:
        """How parts looked when their content was last read."""
        found: dict[str, Stamp] = {}
        for line in part_files.read_json_lines(self._out / CHECKED):
            found |= {name: stamp for name, stamp in _parts_in(line).items() if stamp is not None}
        return found

    def _remember(self, parts: Mapping[Path, Stamp]) -> None:
        """Write down how parts look; not where the directory can only be read."""
        known = [(name_of(path), replace(one, rows=None)) for path, one in parts.items()]
        self._checked.update(known)
        with contextlib.suppress(StorageError):
            for start in range(0, len(known), _LINE):
                some = dict(known[start : start + _LINE])
                part_files.append_json(self._out / CHECKED, {"parts": _lines_of(some)})


def _stamp_if_any(path: Path) -> Stamp | None:
    try:
        return part_files.stamp(path)
    except GensrPrefError:
        return None


def _lines_of(parts: Parts) -> dict[str, Any]:
    return {name: one and astuple(one) for name, one in parts.items()}


def _parts_in(line: dict[str, Any]) -> dict[str, Stamp | None]:
    found: dict[str, Stamp | None] = {}
    parts = line.get("parts")
    for name, one in parts.items() if isinstance(parts, dict) else ():
        with contextlib.suppress(TypeError):  # damaged: then nothing is known of the part
            found[name] = None if one is None else Stamp(*one)
    return found


def _with_ratio(total: Counter[str]) -> dict[str, float]:
    seconds, audio = float(total["seconds"]), float(total["audio_seconds"])
    ratio = {"real_time_factor": round(seconds / audio, 4)} if audio else {}
    return {"seconds": round(seconds, 3), "audio_seconds": round(audio, 3), **ratio}
