"""Reads the tables of an evaluation as arrays and counts what is missing in them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from gensr_pref.auditing.policy_comparison import Array, PolicyScores
from gensr_pref.building import open_run
from gensr_pref.config.run_file import GeneratorUse
from gensr_pref.identity import is_noisy, split_candidate_id
from gensr_pref.pairing.votes import votes_of_panel
from gensr_pref.rundir import part_files
from gensr_pref.schema import column

Counts = dict[str, Counter[str]]
Nulls = dict[str, dict[str, Counter[str]]]
Position = tuple[int, int, int]  # of a candidate in the arrays: policy, clip, sample


class CandidateFailure(TypedDict):
    """A row of the failures table about a candidate; see `gensr_pref.schema.Failure`.

    ``duplicate_of``: None unless the candidate has the same samples as an earlier one.
    """

    stage: str
    clip_id: str
    candidate_id: str
    score: str
    reason: str
    detail: str
    duplicate_of: str | None


@dataclass(frozen=True)
class MissingScores:
    """Counts of what is missing in an evaluation's tables.

    Attributes:
        failures: by generator and reason, the number of candidates that failed.
        nulls: by generator, score and reason, the number of scores that are null.
    """

    failures: Counts
    nulls: Nulls


def read_scores(out: Path, uses: Sequence[GeneratorUse]) -> tuple[PolicyScores, MissingScores]:
    """Return the scores of some generators of a run directory, and what is missing in them.

    A candidate with the same samples as an earlier one is not missing: it has the same scores.

    Args:
        uses: the generators, each with its label.

    Raises:
        StorageError: there are no scores yet, or they cannot be read.
    """
    votes = votes_of_panel(open_run.read_document(out).provenance.panel)
    names = [vote.score for vote in votes]
    clips = part_files.read_all(out, "clips", ["clip_id", "speaker"])
    clip_index = {name: index for index, name in enumerate(column(clips, "clip_id"))}
    labels = {str(use.name): index for index, use in enumerate(uses)}
    samples = [use.candidates for use in uses]
    value = np.full((len(labels), len(clip_index), max(samples), len(names)), np.nan)
    noisy = np.full((len(clip_index), len(names)), np.nan)
    scores = _scores(out, names)
    for name, row in scores.items():
        clip, label, index = split_candidate_id(name)
        if clip not in clip_index:
            continue
        if is_noisy(name):
            noisy[clip_index[clip]] = row
        elif label in labels and index < samples[labels[label]]:
            value[labels[label], clip_index[clip], index] = row
    policy_scores = PolicyScores(
        value,
        samples,
        noisy,
        list(labels),
        names,
        np.array([vote.higher_is_better for vote in votes]),
        np.array([vote.votes for vote in votes]),
        np.array([vote.ties for vote in votes]),
        column(clips, "speaker"),
    )
    failures = _failures(out, policy_scores, clip_index)
    _fill_duplicates(policy_scores.value, failures, scores)
    return policy_scores, _count_missing(failures, policy_scores.labels, scores)


def _scores(out: Path, names: Sequence[str]) -> dict[str, Array]:
    """Return the scores by candidate id; NaN for null."""
    table = part_files.read_all(out, "scores", ["candidate_id", *names])
    values = np.stack([np.asarray(column(table, name), dtype=float) for name in names], axis=1)
    return dict(zip(column(table, "candidate_id"), values, strict=True))


def _failures(
    out: Path, policy_scores: PolicyScores, clip_index: Mapping[str, int]
) -> list[tuple[Position, CandidateFailure]]:
    """Return the rows of the failures table about candidates that are compared, and their place.

    Args:
        policy_scores: the arrays of the comparison.
        clip_index: index of each clip in them.
    """
    label_index = {label: index for index, label in enumerate(policy_scores.labels)}
    failures = []
    for path in part_files.parts(out, "failures"):
        for row in part_files.read(path).to_pylist():
            if row["candidate_id"] is None:
                continue
            clip, label, index = split_candidate_id(row["candidate_id"])
            if label not in label_index or clip not in clip_index:
                continue
            if index < policy_scores.samples[label_index[label]]:
                failures.append(((label_index[label], clip_index[clip], index), row))
    return failures


def _fill_duplicates(
    value: Array,
    failures: Sequence[tuple[Position, CandidateFailure]],
    scores: Mapping[str, Array],
) -> None:
    """Give every candidate that repeats an earlier one its scores, in `value` [L, C, S, M]."""
    for position, row in failures:
        earlier = scores.get(row["duplicate_of"] or "")
        if row["stage"] != "scores" and earlier is not None:
            value[position] = earlier


def _count_missing(
    failures: Sequence[tuple[Position, CandidateFailure]],
    labels: Sequence[str],
    scores: Mapping[str, Array],
) -> MissingScores:
    """Count the failed candidates and the null scores; duplicates of scored ones are neither."""
    missing = MissingScores(defaultdict(Counter), defaultdict(lambda: defaultdict(Counter)))
    for (label, _, _), row in failures:
        if row["stage"] == "scores":
            missing.nulls[labels[label]][row["score"]][row["reason"]] += 1
        elif row["duplicate_of"] not in scores:
            missing.failures[labels[label]][row["reason"]] += 1
    return missing
