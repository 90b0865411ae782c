"""The check that the parts of a run directory are complete, unchanged, and of one run.

Every reader makes it before it reports a number. It takes a listing of each table, the ledger and
``shards.jsonl``. The content of a part is read only if its entry has changed since it was written.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gensr_pref.errors import Fault, PartFault, PartsError, command_line
from gensr_pref.identity import digest
from gensr_pref.rundir import part_files, provenance
from gensr_pref.rundir.document import RunDocument, read_document
from gensr_pref.rundir.ledger import LEDGER, TABLES, Stamps, part_name
from gensr_pref.rundir.part_files import Stamp, Table
from gensr_pref.rundir.shards import SHARDS_FILE, Shard, read_shards
from gensr_pref.schema import SCHEMA_VERSION

MADE_BEFORE_PAIRS: tuple[Table, ...] = tuple(table for table in TABLES if table != "pairs")
SCORES = "scores"  # key in the metadata of pairs: digest of the scores that they were made from
PLAN = "plan"  # stage of failures that belong to no shard
_STAGES: dict[str, provenance.Made] = {"sample": "candidates", "score": "scores"}
_NOT_OF_PAIRS = ("pairing", "licences")  # facts of the provenance that do not shape pairs
_ALL_RECORDED = 2  # schema version from which on the ledger records every part
_SHOWN = 5  # faults in a message
_HEADING = "its parts do not belong together:"
_WORDS = {
    Fault.MISSING: "was written and does not exist any more",
    Fault.CHANGED: "does not hold what was written",
    Fault.FOREIGN: "was made by another run",
    Fault.STRANGE: "is not a part of this run. Move it away",
    Fault.OUTDATED: "was made from other scores or settings than the current ones",
    Fault.UNRECORDED: f"is not in {LEDGER} because the command that wrote it was interrupted",
}


@dataclass(frozen=True)
class Contents:
    """The parts of a checked run directory.

    Attributes:
        out: the run directory.
        document: content of ``run.yaml``.
        shards: ids of the clips of every shard.
        parts: stamps of the parts of every table.
        unfinished: shards of which something is not made yet, also because the run has grown. A
            run with any is incomplete.
    """

    out: Path
    document: RunDocument
    shards: list[list[str]]
    parts: dict[Table, dict[Path, Stamp]]
    unfinished: tuple[int, ...] = ()

    def digest(self, table: Table) -> str:
        """Return the digest of the content of all parts of a table; reads no part."""
        return parts_digest(self.parts[table])


def check(out: Path, tables: Collection[Table] = TABLES) -> Contents:
    """Return the contents of a run directory; refuse parts that do not belong together.

    Args:
        out: the run directory.
        tables: the tables to check; parts that are not made yet are left out.

    Raises:
        RunMismatchError: `out` is not a run directory, or its ``run.yaml`` was edited.
        PartsError: parts are missing, changed, doubled or of another run; the message names them
            and the command that makes them again.
    """
    shards = read_shards(out)
    contents = _Check(out, read_document(out), shards, Stamps(out)).run(tables)
    if shards and not any(shard.contents for shard in shards):
        _notice_unknown_recordings(out)
    return contents


def _notice_unknown_recordings(out: Path) -> None:
    """Print once that a run of version 1 does not record the content of its recordings."""
    if str(out) not in _noticed:
        _noticed.add(str(out))
        print(
            f"{out}: was made by an earlier version, which did not record the content of the "
            "recordings. Its parts were checked as far as that version recorded them",
            file=sys.stderr,
        )


_noticed: set[str] = set()  # run directories for which the notice was printed


def list_missing(out: Path) -> list[str]:
    """Return the names of files of a run that do not exist or have another size than recorded.

    No part is read; `check` detects one that has the same size and another content.
    """
    stamps = Stamps(out)
    shards_file = [] if read_shards(out) or not stamps.entries else [SHARDS_FILE]
    ledger = [LEDGER] if stamps.entries and stamps.is_empty else []
    return [*shards_file, *ledger, *stamps.missing_names()]


def list_unexpected_parts(out: Path, existing: Iterable[Path], count: int) -> list[Path]:
    """Return those of the existing parts that belong to no shard of a run.

    Args:
        out: the run directory.
        existing: paths of the parts.
        count: number of shards of the run.
    """
    own = {part_files.part(out, "pairs", 0), part_files.part(out, "failures", 0, PLAN)}
    for shard in range(count):
        own |= {part_files.part(out, made, shard) for made in provenance.MADE}
        own |= {part_files.part(out, "failures", shard, stage) for stage in _STAGES}
    return [path for path in existing if path not in own]


def refuse_unexpected_parts(out: Path, existing: Iterable[Path], count: int) -> None:
    """Refuse parts that belong to no shard of a run, such as copies.

    Raises:
        PartsError: there are such parts.
    """
    unexpected = list_unexpected_parts(out, existing, count)
    faults = tuple(PartFault(part_name(path), Fault.STRANGE) for path in unexpected)
    if faults:
        raise PartsError("\n".join([_HEADING, *_lines(faults)]), faults, out)


@dataclass
class _Check:
    """A running check: what it knows and what it has found so far."""

    out: Path
    document: RunDocument
    shards: list[Shard]
    stamps: Stamps
    faults: list[PartFault] = field(default_factory=list)
    unfinished: set[int] = field(default_factory=set)

    def run(self, tables: Collection[Table]) -> Contents:
        self._require_records()
        asked = [table for table in TABLES if table in tables]
        existing = [path for path in self.stamps.entries if path.parent.name in asked]
        known = [path for path in existing if self.stamps.get(path) is not None]
        self.changed = set(self.stamps.find_changed(known))
        parts: dict[Table, dict[Path, Stamp]] = {table: {} for table in asked}
        for path, fingerprint in dict(self._required_parts(asked)).items():
            stamp = self._check_part(path, fingerprint)
            if stamp is not None:
                parts[path.parent.name][path] = stamp  # type: ignore[index]
        for path in list_unexpected_parts(self.out, existing, len(self.shards)):
            self._add(path, Fault.STRANGE)
        if "pairs" in asked:
            has_all_scores = "scores" in asked and not self.faults
            parts["pairs"] = self._check_pairs(parts["scores"] if has_all_scores else None)
        if self.faults:
            raise PartsError(self._message(), tuple(self.faults), self.out)
        clips = [list(shard.clips) for shard in self.shards]
        return Contents(self.out, self.document, clips, parts, tuple(sorted(self.unfinished)))

    def _require_records(self) -> None:
        """Refuse parts without ``shards.jsonl`` or a ledger."""
        if not self.stamps.entries:
            return
        if not self.shards:
            exists = part_files.exists(self.out / SHARDS_FILE)
            self.faults.append(PartFault(SHARDS_FILE, Fault.CHANGED if exists else Fault.MISSING))
        elif self.stamps.is_empty:
            self.faults.append(PartFault(LEDGER, Fault.MISSING))
        if self.faults:
            raise PartsError(self._message(), tuple(self.faults), self.out)

    def _required_parts(self, tables: list[Table]) -> Iterator[tuple[Path, str]]:
        """Yield the parts that the run should have, without pairs, and the fingerprint of each."""
        for made in provenance.MADE:
            stages = [name for name, by in _STAGES.items() if by == made and "failures" in tables]
            if made not in tables and not stages:
                continue
            for number, shard in enumerate(self.shards):
                record = provenance.part_record(made, self.document, *shard.columns)
                fingerprint = record.fingerprint
                if made in tables:
                    yield part_files.part(self.out, made, number), fingerprint
                for stage in stages:
                    path = part_files.part(self.out, "failures", number, stage)
                    if self.stamps.get(path) is not None or self.stamps.exists(path):
                        yield path, fingerprint
        plan = part_files.part(self.out, "failures", 0, PLAN)
        if "failures" in tables and (self.stamps.get(plan) or self.stamps.exists(plan)):
            yield plan, self.document.provenance.fingerprint

    def _check_part(self, path: Path, fingerprint: str) -> Stamp | None:
        """Return the stamp of a part; None if the part has a fault or is not made yet."""
        known = self.stamps.get(path)
        if not self.stamps.exists(path):
            if known is None and not self._was_made(path):
                self.unfinished.add(_shard_of(path))
            else:
                self._add(path, Fault.MISSING)
            return None
        if known is None or path in self.changed:
            return self._check_unrecorded(path, known, fingerprint)
        if known.fingerprint != fingerprint and not self._matches_run_before_growth(path, known):
            self._add(path, Fault.FOREIGN)
            return None
        return known

    def _check_unrecorded(self, path: Path, known: Stamp | None, fingerprint: str) -> Stamp | None:
        """Return the stamp of a part that an interrupted build wrote last and did not record.

        Such a part is accepted only if it is intact and the run wants it, and if the ledger has no
        record of this version of the part.
        """
        is_plan = path.stem.endswith(f"-{PLAN}")
        is_recorded_later = self.document.version >= _ALL_RECORDED or not is_plan
        is_newer = known.fingerprint != fingerprint if known else not self.stamps.is_known(path)
        if (
            is_newer
            and part_files.is_whole(path, fingerprint)
            and part_files.is_intact(path, None, self.stamps.entries[path])
        ):
            if is_recorded_later:
                self.unfinished.add(_shard_of(path))
            return part_files.stamp(path)
        self._add(path, Fault.CHANGED)
        return None

    def _was_made(self, path: Path) -> bool:
        """Return whether scores were made from a part, so that the part must have existed."""
        scores = part_files.part(self.out, "scores", _shard_of(path))
        return path.parent.name != "failures" and self.stamps.get(scores) is not None

    def _matches_run_before_growth(self, path: Path, known: Stamp) -> bool:
        """Return whether a part holds what the run asked for before it grew.

        Its shard then counts as unfinished.
        """
        if path.stem.endswith(f"-{PLAN}"):
            return True  # each build determines again which recordings are left out
        record = provenance.read_part_record(path)
        number = _shard_of(path)
        shard = self.shards[number]
        clips = provenance.clips_digest(shard.clips, shard.contents)
        if record.clips != clips or not provenance.is_contained(record, self.document.provenance):
            return False
        self.unfinished.add(number)
        return True

    def _check_pairs(self, scores: dict[Path, Stamp] | None) -> dict[Path, Stamp]:
        """Return the stamp of the pairs, which must have been made from the current scores."""
        path = part_files.part(self.out, "pairs", 0)
        known = self.stamps.get(path)
        if not self.stamps.exists(path):
            if known is not None:
                self._add(path, Fault.MISSING)
            return {}
        if path in self.changed:
            self._add(path, Fault.CHANGED)
            return {}
        if known is None and self.document.version >= _ALL_RECORDED:
            self._add(path, Fault.UNRECORDED)
            return {}
        if self._are_outdated(path, scores):
            self._add(path, Fault.OUTDATED)
            return {}
        return {path: part_files.stamp(path) if known is None else known}

    def _are_outdated(self, path: Path, scores: dict[Path, Stamp] | None) -> bool:
        """Return whether pairs were made with other settings than those of ``run.yaml``.

        Pairs of other scores than `scores` are outdated too. This happens if `pair` was ended
        between its writes, or if the run has grown since.
        """
        facts, run_facts = part_files.read_facts_if_any(path), self.document.facts()
        shaping = {key: value for key, value in run_facts.items() if key not in _NOT_OF_PAIRS}
        wanted = {**shaping, "pairing": self.document.pairing}
        if scores is not None and SCORES in facts:
            wanted[SCORES] = parts_digest(scores)
        return any(facts.get(key) != value for key, value in wanted.items())

    def _add(self, path: Path, fault: Fault) -> None:
        self.faults.append(PartFault(part_name(path), fault))

    def _message(self) -> str:
        return "\n".join([_HEADING, *_lines(self.faults), self._advice()])

    def _advice(self) -> str:
        if all(fault.part.startswith("pairs/") for fault in self.faults):
            return f"Make its pairs again: {command_line('gensr-pref', 'pair', self.out)}"
        if self.document.version != SCHEMA_VERSION:
            return (
                f"Its tables are of version {self.document.version}, made by gensr-pref "
                f"{self.document.provenance.gensr_pref}; this one writes version {SCHEMA_VERSION}. "
                "Restore them from a copy, or run the same build again with the version that made "
                "them"
            )
        command = f"gensr-pref build RUN.yaml --out {command_line(self.out)}"
        return f"Run the same build again, which restores what is missing: {command}"


def _lines(faults: Sequence[PartFault]) -> list[str]:
    """Return one line for each of the first faults, and the number of the others."""
    lines = [f"  {fault.part}: {_WORDS[fault.fault]}" for fault in faults[:_SHOWN]]
    rest = len(faults) - len(lines)
    return [*lines, f"  ... and {rest} more"] if rest else lines


def parts_digest(parts: dict[Path, Stamp]) -> str:
    """Return the digest of the names and contents of parts."""
    return digest([[part_name(path), parts[path].digest] for path in sorted(parts)])


def _shard_of(path: Path) -> int:
    return int(path.stem.split("-")[1])
