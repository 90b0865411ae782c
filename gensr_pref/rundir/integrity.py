"""Whether the parts of a run directory are all there, unchanged, and of one run.

Every reader asks before it publishes a number. It costs a listing of each table, the ledger and
the layout; the content of a part is read only where it does not look as it was written.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gensr_pref.errors import Fault, PartFault, PartsError, typed
from gensr_pref.identity import digest
from gensr_pref.rundir import part_files, provenance
from gensr_pref.rundir.document import RunDocument, read_document
from gensr_pref.rundir.layout import LAYOUT, Shard, shards_of
from gensr_pref.rundir.ledger import LEDGER, TABLES, Stamps, name_of
from gensr_pref.rundir.part_files import Stamp, Table
from gensr_pref.schema import SCHEMA_VERSION

MADE_BEFORE_PAIRS: tuple[Table, ...] = tuple(table for table in TABLES if table != "pairs")
SCORES = "scores"  # in the metadata of pairs: the digest of the scores that they were made from
PLAN = "plan"  # the stage of failures that no shard has
_STAGES: dict[str, provenance.Made] = {"sample": "candidates", "score": "scores"}
_NOT_OF_PAIRS = ("pairing", "licences")  # of the provenance, which pairs do not depend on
_ALL_NOTED = 2  # schema version from which on the ledger tells of every part
_SHOWN = 5
_HOLDS = "its parts do not belong together:"
_WORDS = {
    Fault.MISSING: "was written and is not there",
    Fault.CHANGED: "does not hold what was written",
    Fault.FOREIGN: "was made by another run",
    Fault.STRANGE: "is no part of this run. Move it away",
    Fault.OUTDATED: "was made from other scores, or under other settings, than are there now",
    Fault.UNRECORDED: "is not in the ledger, as the command that wrote it was interrupted",
}


@dataclass(frozen=True)
class Contents:
    """The parts of a run directory, which belong together.

    Attributes:
        out: the run directory.
        document: what ``run.yaml`` holds.
        shards: the clips of every shard.
        parts: of every table, as they were written.
        unfinished: shards of which something was not made yet, or not all that the run wants now
            that it has grown. A run with any is incomplete.
    """

    out: Path
    document: RunDocument
    shards: list[list[str]]
    parts: dict[Table, dict[Path, Stamp]]
    unfinished: tuple[int, ...] = ()

    def digest(self, table: Table) -> str:
        """32 digits that tell the content of all parts of a table; no part is read for it."""
        return digest_of(self.parts[table])


def check(out: Path, tables: Collection[Table] = TABLES) -> Contents:
    """The contents of a run directory, where they are whole.

    Args:
        tables: which of them must be; those that are not made yet are left out.

    Raises:
        RunMismatchError: it is no run directory, or its ``run.yaml`` was edited.
        PartsError: parts are missing, changed, doubled or of another run; it says which, and
            what command makes them again.
    """
    placed = shards_of(out)
    found = _Check(out, read_document(out), placed, Stamps(out)).of(tables)
    if placed and not any(one.contents for one in placed):
        _tell_of_unknown_recordings(out)
    return found


def _tell_of_unknown_recordings(out: Path) -> None:
    """Say once that nothing is known of what the recordings of a run of version 1 held."""
    if str(out) not in _told:
        _told.add(str(out))
        print(
            f"{out}: was made by an earlier version, which did not note what its recordings held. "
            "Its parts were checked as far as that version noted them",
            file=sys.stderr,
        )


_told: set[str] = set()  # of which run directories that was said


def lost(out: Path) -> list[str]:
    """What of a run directory is plainly not there any more, or has another size than was noted.

    No part is read: one of the same size that holds something else is found by `check`.
    """
    stamps = Stamps(out)
    layout = [] if shards_of(out) or not stamps.seen else [LAYOUT]
    ledger = [LEDGER] if stamps.seen and stamps.is_empty else []
    return [*layout, *ledger, *stamps.lost()]


def strangers(out: Path, there: Iterable[Path], count: int) -> list[Path]:
    """Which of the parts that are there are of no shard of a run.

    Args:
        count: shards of the run.
    """
    own = {part_files.part(out, "pairs", 0), part_files.part(out, "failures", 0, PLAN)}
    for shard in range(count):
        own |= {part_files.part(out, made, shard) for made in provenance.MADE}
        own |= {part_files.part(out, "failures", shard, stage) for stage in _STAGES}
    return [path for path in there if path not in own]


def refuse_strangers(out: Path, there: Iterable[Path], count: int) -> None:
    """Refuse parts that are of no shard of a run, such as doubles.

    Raises:
        PartsError: there are any.
    """
    faults = tuple(PartFault(name_of(p), Fault.STRANGE) for p in strangers(out, there, count))
    if faults:
        raise PartsError("\n".join([_HOLDS, *_lines(faults)]), faults, out)


@dataclass
class _Check:
    """A check under way."""

    out: Path
    document: RunDocument
    shards: list[Shard]
    stamps: Stamps
    faults: list[PartFault] = field(default_factory=list)
    unfinished: set[int] = field(default_factory=set)

    def of(self, tables: Collection[Table]) -> Contents:
        self._require_records()
        asked = [table for table in TABLES if table in tables]
        there = [path for path in self.stamps.seen if path.parent.name in asked]
        known = [path for path in there if self.stamps.of(path) is not None]
        self.changed = set(self.stamps.changed(known))
        parts: dict[Table, dict[Path, Stamp]] = {table: {} for table in asked}
        wanted = dict(self._wanted(asked))
        for path, fingerprint in wanted.items():
            stamp = self._part(path, fingerprint)
            if stamp is not None:
                parts[path.parent.name][path] = stamp  # type: ignore[index]
        for path in strangers(self.out, there, len(self.shards)):
            self._add(path, Fault.STRANGE)
        if "pairs" in asked:
            whole = "scores" in asked and not self.faults
            parts["pairs"] = self._pairs(parts["scores"] if whole else None)
        if self.faults:
            raise PartsError(self._told(), tuple(self.faults), self.out)
        clips = [list(one.clips) for one in self.shards]
        return Contents(self.out, self.document, clips, parts, tuple(sorted(self.unfinished)))

    def _require_records(self) -> None:
        """The layout and the ledger must be there where parts are."""
        if not self.stamps.seen:
            return
        if not self.shards:
            there = part_files.exists(self.out / LAYOUT)
            self.faults.append(PartFault(LAYOUT, Fault.CHANGED if there else Fault.MISSING))
        elif self.stamps.is_empty:
            self.faults.append(PartFault(LEDGER, Fault.MISSING))
        if self.faults:
            raise PartsError(self._told(), tuple(self.faults), self.out)

    def _wanted(self, tables: list[Table]) -> Iterator[tuple[Path, str]]:
        """The parts that there should be, but for pairs, and the fingerprint of each."""
        for made in provenance.MADE:
            stages = [one for one, by in _STAGES.items() if by == made and "failures" in tables]
            if made not in tables and not stages:
                continue
            for shard, one in enumerate(self.shards):
                fingerprint = provenance.of_part(made, self.document, *one.of).fingerprint
                if made in tables:
                    yield part_files.part(self.out, made, shard), fingerprint
                for stage in stages:
                    path = part_files.part(self.out, "failures", shard, stage)
                    if self.stamps.of(path) is not None or self.stamps.exists(path):
                        yield path, fingerprint
        plan = part_files.part(self.out, "failures", 0, PLAN)
        if "failures" in tables and (self.stamps.of(plan) or self.stamps.exists(plan)):
            yield plan, self.document.provenance.fingerprint

    def _part(self, path: Path, fingerprint: str) -> Stamp | None:
        """A part as it was written; None where it is at fault or was not made yet."""
        known = self.stamps.of(path)
        if not self.stamps.exists(path):
            if known is None and not self._was_made(path):
                self.unfinished.add(_shard_of(path))
            else:
                self._add(path, Fault.MISSING)
            return None
        if known is None or path in self.changed:
            return self._unnoted(path, known, fingerprint)
        if known.fingerprint != fingerprint and not self._grows(path, known):
            self._add(path, Fault.FOREIGN)
            return None
        return known

    def _unnoted(self, path: Path, known: Stamp | None, fingerprint: str) -> Stamp | None:
        """A part that an interrupted build wrote last, without a word to the ledger.

        Only that is taken which the run wants and the ledger could not tell of.
        """
        is_plan = path.stem.endswith(f"-{PLAN}")
        told = self.document.version >= _ALL_NOTED or not is_plan
        later = known.fingerprint != fingerprint if known else not self.stamps.is_known(path)
        if (
            later
            and part_files.is_whole(path, fingerprint)
            and part_files.is_intact(path, None, self.stamps.seen[path])
        ):
            if told:
                self.unfinished.add(_shard_of(path))
            return part_files.stamp(path)
        self._add(path, Fault.CHANGED)
        return None

    def _was_made(self, path: Path) -> bool:
        """Whether what was made from a part was written, so that the part had been there."""
        scores = part_files.part(self.out, "scores", _shard_of(path))
        return path.parent.name != "failures" and self.stamps.of(scores) is not None

    def _grows(self, path: Path, known: Stamp) -> bool:
        """Whether a part is as the run had it before it grew."""
        if path.stem.endswith(f"-{PLAN}"):
            return True  # each build determines again which recordings are left out
        there = provenance.read_part_record(path)
        shard = _shard_of(path)
        clips = provenance.clips_digest(self.shards[shard].clips, self.shards[shard].contents)
        if there.clips != clips or not provenance.is_contained(there, self.document.provenance):
            return False
        self.unfinished.add(shard)
        return True

    def _pairs(self, scores: dict[Path, Stamp] | None) -> dict[Path, Stamp]:
        """The part of the pairs, which must have been made from what is there."""
        path = part_files.part(self.out, "pairs", 0)
        known = self.stamps.of(path)
        if not self.stamps.exists(path):
            if known is not None:
                self._add(path, Fault.MISSING)
            return {}
        if path in self.changed:
            self._add(path, Fault.CHANGED)
            return {}
        if known is None and self.document.version >= _ALL_NOTED:
            self._add(path, Fault.UNRECORDED)
            return {}
        if self._are_outdated(path, scores):
            self._add(path, Fault.OUTDATED)
            return {}
        return {path: part_files.stamp(path) if known is None else known}

    def _are_outdated(self, path: Path, scores: dict[Path, Stamp] | None) -> bool:
        """Whether pairs were made under other settings than ``run.yaml`` has, or of other scores.

        That is so where `pair` was ended between its writes, and where the run has grown since.
        """
        there, made_from = part_files.facts_if_any(path), self.document.facts()
        shaping = {key: value for key, value in made_from.items() if key not in _NOT_OF_PAIRS}
        wanted = {**shaping, "pairing": self.document.pairing}
        if scores is not None and SCORES in there:
            wanted[SCORES] = digest_of(scores)
        return any(there.get(key) != value for key, value in wanted.items())

    def _add(self, path: Path, fault: Fault) -> None:
        self.faults.append(PartFault(name_of(path), fault))

    def _told(self) -> str:
        return "\n".join([_HOLDS, *_lines(self.faults), self._advice()])

    def _advice(self) -> str:
        if all(one.part.startswith("pairs/") for one in self.faults):
            return f"Make its pairs again: {typed('gensr-pref', 'pair', self.out)}"
        if self.document.version != SCHEMA_VERSION:
            return (
                f"Its tables are of version {self.document.version}, made by gensr-pref "
                f"{self.document.provenance.gensr_pref}; this one writes version {SCHEMA_VERSION}. "
                "Restore them from a copy, or run the same build again with the version that made "
                "them"
            )
        command = f"gensr-pref build RUN.yaml --out {typed(self.out)}"
        return f"Run the same build again, which makes again what is missing: {command}"


def _lines(faults: Sequence[PartFault]) -> list[str]:
    """The first faults, a line each."""
    lines = [f"  {one.part}: {_WORDS[one.fault]}" for one in faults[:_SHOWN]]
    rest = len(faults) - len(lines)
    return [*lines, f"  ... and {rest} more"] if rest else lines


def digest_of(parts: dict[Path, Stamp]) -> str:
    """Of the content of parts and where they stand."""
    return digest([[name_of(path), parts[path].digest] for path in sorted(parts)])


def _shard_of(path: Path) -> int:
    return int(path.stem.split("-")[1])
