"""Finds the rows of a shard that can be reused after a run has grown or parts were lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

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
        clips: rows by clip id; None if the part must be rewritten.
        candidates: existing candidates by clip and generator.
    """

    clips: dict[str, Row] | None = None
    candidates: dict[tuple[str, str], ClipCandidates] = field(default_factory=dict)

    def of(self, clip_id: str, label: str) -> ClipCandidates:
        """Return the existing candidates of a generator for a clip."""
        return self.candidates.get((clip_id, label), NO_CANDIDATES)


@dataclass(frozen=True)
class ExistingScores:
    """Existing scores of a shard that can be reused.

    Attributes:
        metrics: names of the metrics whose scores are reused.
        of: scores of these metrics alone, by candidate.
    """

    metrics: frozenset[str] = frozenset()
    of: dict[str, CandidateScores] = field(default_factory=dict)


NOTHING_SCORED = ExistingScores()


def existing_samples(
    out: Path, shard: int, wanted: PartRecord, clips_fingerprint: str
) -> ExistingSamples:
    """Read the clips and candidates of a shard that can be reused.

    Args:
        wanted: metadata of the complete part of candidates.
        clips_fingerprint: fingerprint of the complete part of clips.
    """
    path = part_files.part(out, "clips", shard)
    clips = None
    if part_files.is_whole(path, clips_fingerprint):
        clips = {row["clip_id"]: row for row in _rows(path)}
    path = part_files.part(out, "candidates", shard)
    labels = _labels(read_part_record(path), wanted)
    if not labels:
        return ExistingSamples(clips)
    rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in _rows(path):
        rows[row["clip_id"], row["generator"]].append(row)
    failures: dict[tuple[str, str], list[Failure]] = defaultdict(list)
    for failure in _failures(out, shard, "sample", wanted):
        if failure.candidate_id is not None:
            failures[failure.clip_id, _label(failure.candidate_id)].append(failure)
    counts = {generator.name: generator.candidates for generator in wanted.generators}
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
    """Read the scores of a shard that can be reused.

    Args:
        wanted: metadata of the complete part of scores.
        members: members of the panel, in the order of ``wanted.panel``.
    """
    path = part_files.part(out, "scores", shard)
    existing = read_part_record(path)
    labels = _labels(existing, wanted)
    valid = fingerprints(existing.panel)
    reused = [
        member
        for member, entry in zip(members, wanted.panel, strict=True)
        if entry.fingerprint in valid
    ]
    if not labels or not reused:
        return NOTHING_SCORED
    details = _details(out, shard, wanted)
    return ExistingScores(
        frozenset(member.metric.spec.name for member in reused),
        {
            row["candidate_id"]: _result(row, reused, details)
            for row in _rows(path)
            if is_noisy(row["candidate_id"]) or _label(row["candidate_id"]) in labels
        },
    )


def _labels(existing: PartRecord, wanted: PartRecord) -> set[str]:
    """Return the generators whose candidates, or scores of candidates, can be reused."""
    if not provenance.same_clips(existing, wanted):
        return set()
    valid = fingerprints(existing.generators)
    return {entry.name for entry in wanted.generators if entry.fingerprint in valid}


def _label(candidate_id: str) -> str:
    return split_candidate_id(candidate_id)[1]


def _rows(path: Path) -> list[Row]:
    """Return the rows of a part; none if it is damaged, so that they are made again."""
    try:
        rows: list[Row] = part_files.read(path).to_pylist()
    except CorruptPartError:
        return []
    return rows


def _first_candidates(
    rows: Sequence[Row], failures: Sequence[Failure], count: int
) -> ClipCandidates:
    """Return the first `count` candidates, each once as a row or a failure."""
    known = {row["index"] for row in rows}
    failed = {index_of(failure): failure for failure in failures}
    return ClipCandidates(
        tuple(row for row in rows if row["index"] < count),
        tuple(
            failure
            for index, failure in sorted(failed.items())
            if index < count and index not in known
        ),
    )


def _failures(out: Path, shard: int, stage: str, wanted: PartRecord) -> list[Failure]:
    """Return the failures of a stage of a shard."""
    path = part_files.part(out, "failures", shard, stage)
    if not provenance.same_clips(read_part_record(path), wanted):
        return []
    return [Failure(**{**row, "reason": Reason(row["reason"])}) for row in _rows(path)]


def _details(out: Path, shard: int, wanted: PartRecord) -> dict[tuple[str, str], str]:
    """Return the details of failures by candidate and score."""
    return {
        (failure.candidate_id or "", failure.score or ""): failure.detail
        for failure in _failures(out, shard, "score", wanted)
    }


def _result(
    row: Row, members: Sequence[PanelMember], details: dict[tuple[str, str], str]
) -> CandidateScores:
    """Return the scores of these metrics in a row, as the panel returned them."""
    scores = [score.name for member in members for score in member.scores]
    reasons = {entry["score"]: Reason(entry["reason"]) for entry in row["failures"] or ()}
    name = row["candidate_id"]
    return CandidateScores(
        {score: row[score] for score in scores},
        {score: reasons[score] for score in scores if score in reasons},
        {score: details[name, score] for score in scores if details.get((name, score))},
        {note: value for note, value in (row.get("notes") or {}).items() if value is not None},
    )
