"""What a shard has already, of a run that has grown or of parts that were lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gensr_pref.building.sampling import NO_CANDIDATES, ClipCandidates, index_of
from gensr_pref.building.tasks import Row
from gensr_pref.errors import CorruptPartError
from gensr_pref.identity import is_noisy, split_candidate_id
from gensr_pref.metrics.members import PanelMember
from gensr_pref.metrics.results import CandidateScores
from gensr_pref.rundir import part_files, provenance
from gensr_pref.rundir.provenance import PartRecord, fingerprints, read_part_record
from gensr_pref.schema import Failure, Reason


@dataclass(frozen=True)
class ExistingSamples:
    """Existing clips and candidates of a shard.

    Attributes:
        clips: by id; None if the part must be rewritten.
        drawn: by clip and generator.
    """

    clips: dict[str, Row] | None = None
    drawn: dict[tuple[str, str], ClipCandidates] = field(default_factory=dict)

    def of(self, clip_id: str, label: str) -> ClipCandidates:
        """What a generator has drawn for a clip."""
        return self.drawn.get((clip_id, label), NO_CANDIDATES)


@dataclass(frozen=True)
class ExistingScores:
    """The scores that are there.

    Attributes:
        metrics: names of the members whose scores stay.
        of: by candidate, with nothing of other metrics.
    """

    metrics: frozenset[str] = frozenset()
    of: dict[str, CandidateScores] = field(default_factory=dict)


NOTHING_SCORED = ExistingScores()


def existing_samples(
    out: Path, shard: int, wanted: PartRecord, clips_fingerprint: str
) -> ExistingSamples:
    """What the parts of a shard hold of what is wanted of its clips and candidates.

    Args:
        wanted: the metadata that the candidates' part shall have.
        clips_fingerprint: the one that the clips' part shall have.
    """
    path = part_files.part(out, "clips", shard)
    clips = None
    if part_files.is_whole(path, clips_fingerprint):
        clips = {row["clip_id"]: row for row in _rows(path)}
    path = part_files.part(out, "candidates", shard)
    there = read_part_record(path)
    labels = _labels(there, wanted)
    if not labels:
        return ExistingSamples(clips)
    rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in _rows(path):
        rows[row["clip_id"], row["generator"]].append(row)
    failures: dict[tuple[str, str], list[Failure]] = defaultdict(list)
    for one in _failures(out, shard, "sample", wanted):
        if one.candidate_id is not None:
            failures[one.clip_id, _label(one.candidate_id)].append(one)
    counts = {one.name: one.candidates for one in wanted.generators}
    return ExistingSamples(
        clips,
        {
            key: _first_candidates(rows[key], failures[key], counts[key[1]])
            for key in [*rows, *(key for key in failures if key not in rows)]
            if key[1] in labels
        },
    )


def existing_scores(
    out: Path, shard: int, wanted: PartRecord, members: Sequence[PanelMember]
) -> ExistingScores:
    """What the part of a shard holds of the scores that are wanted.

    Args:
        wanted: the metadata that the part shall have.
        members: of the panel, in the order of ``wanted.panel``.
    """
    path = part_files.part(out, "scores", shard)
    there = read_part_record(path)
    labels = _labels(there, wanted)
    valid = fingerprints(there.panel)
    stay = [
        member
        for member, entry in zip(members, wanted.panel, strict=True)
        if entry.fingerprint in valid
    ]
    if not labels or not stay:
        return ExistingScores()
    details = _details(out, shard, wanted)
    return ExistingScores(
        frozenset(member.metric.spec.name for member in stay),
        {
            row["candidate_id"]: _result(row, stay, details)
            for row in _rows(path)
            if is_noisy(row["candidate_id"]) or _label(row["candidate_id"]) in labels
        },
    )


def _labels(there: PartRecord, wanted: PartRecord) -> set[str]:
    """The generators whose candidates, or scores of candidates, stay."""
    if not provenance.same_clips(there, wanted):
        return set()
    valid = fingerprints(there.generators)
    return {one.name for one in wanted.generators if one.fingerprint in valid}


def _label(candidate_id: str) -> str:
    return split_candidate_id(candidate_id)[1]


def _rows(path: Path) -> list[Row]:
    """Of a part; none where it is damaged, so that they are made again."""
    try:
        rows: list[Row] = part_files.read(path).to_pylist()
    except CorruptPartError:
        return []
    return rows


def _first_candidates(
    rows: Sequence[Row], failures: Sequence[Failure], count: int
) -> ClipCandidates:
    """What is there of the first so many candidates, each once."""
    known = {row["index"] for row in rows}
    failed = {index_of(one): one for one in failures}
    return ClipCandidates(
        tuple(row for row in rows if row["index"] < count),
        tuple(one for index, one in sorted(failed.items()) if index < count and index not in known),
    )


def _failures(out: Path, shard: int, stage: str, wanted: PartRecord) -> list[Failure]:
    """Those of a stage of a shard."""
    path = part_files.part(out, "failures", shard, stage)
    if not provenance.same_clips(read_part_record(path), wanted):
        return []
    return [Failure(**{**row, "reason": Reason(row["reason"])}) for row in _rows(path)]


def _details(out: Path, shard: int, wanted: PartRecord) -> dict[tuple[str, str], str]:
    """Return the details of failures by candidate and score."""
    return {
        (one.candidate_id or "", one.score or ""): one.detail
        for one in _failures(out, shard, "score", wanted)
    }


def _result(
    row: Row, members: Sequence[PanelMember], details: dict[tuple[str, str], str]
) -> CandidateScores:
    """A row as the panel said it, without what other metrics said."""
    scores = [score.name for member in members for score in member.scores]
    reasons = {one["score"]: Reason(one["reason"]) for one in row["failures"] or ()}
    name = row["candidate_id"]
    return CandidateScores(
        {score: row[score] for score in scores},
        {score: reasons[score] for score in scores if score in reasons},
        {score: details[name, score] for score in scores if details.get((name, score))},
        _notes(row.get("notes") or {}),
    )


def _notes(notes: dict[str, Any]) -> dict[str, Any]:
    return {name: told for name, told in notes.items() if told is not None}
