"""The tables of an evaluation as arrays, and what is missing in them, counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Missing:
    """What is missing in an evaluation's tables.

    Attributes:
        failures: by generator, how many candidates failed for each reason.
        nulls: by generator and score, how many are null for each reason.
    """

    failures: Counts
    nulls: Nulls


def read_scores(out: Path, uses: Sequence[GeneratorUse]) -> tuple[PolicyScores, Missing]:
    """The scores of some generators of a run directory.

    Args:
        uses: those, each with its label.

    Returns:
        The scores, and what is missing in them. A candidate with the samples of an earlier one
        is not missing: it has that one's scores.

    Raises:
        StorageError: there are no scores yet, or they cannot be read.
    """
    votes = votes_of_panel(open_run.read_document(out).provenance.panel)
    names = [vote.score for vote in votes]
    clips = part_files.read_all(out, "clips", ["clip_id", "speaker"])
    number = {name: place for place, name in enumerate(column(clips, "clip_id"))}
    labels = {str(use.name): place for place, use in enumerate(uses)}
    samples = [use.candidates for use in uses]
    value = np.full((len(labels), len(number), max(samples), len(names)), np.nan)
    noisy = np.full((len(number), len(names)), np.nan)
    scores = _scores(out, names)
    for name, row in scores.items():
        clip, label, index = split_candidate_id(name)
        if clip not in number:
            continue
        if is_noisy(name):
            noisy[number[clip]] = row
        elif label in labels and index < samples[labels[label]]:
            value[labels[label], number[clip], index] = row
    found = PolicyScores(
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
    return found, _missing(out, found, number, scores)


def _scores(out: Path, names: Sequence[str]) -> dict[str, Array]:
    """Scores by candidate id; NaN where null."""
    table = part_files.read_all(out, "scores", ["candidate_id", *names])
    values = np.stack([np.asarray(column(table, name), dtype=float) for name in names], axis=1)
    return dict(zip(column(table, "candidate_id"), values, strict=True))


def _missing(
    out: Path, measured: PolicyScores, number: Mapping[str, int], scores: Mapping[str, Array]
) -> Missing:
    """Count what is missing, and give every duplicate the scores of the candidate it repeats.

    Args:
        measured: its `value` is filled in where a candidate is a duplicate.
        number: position of each clip in it.
        scores: by candidate id.
    """
    position = {label: place for place, label in enumerate(measured.labels)}
    missing = Missing(defaultdict(Counter), defaultdict(lambda: defaultdict(Counter)))
    for row in _failures(out):
        clip, label, index = split_candidate_id(row["candidate_id"])
        if label not in position or clip not in number:
            continue
        if index >= measured.samples[position[label]]:
            continue
        earlier = scores.get(row["duplicate_of"])
        if row["stage"] == "scores":
            missing.nulls[label][row["score"]][row["reason"]] += 1
        elif earlier is not None:
            measured.value[position[label], number[clip], index] = earlier
        else:
            missing.failures[label][row["reason"]] += 1
    return missing


def _failures(out: Path) -> list[dict[str, Any]]:
    """Rows of the failures table that are about a candidate."""
    rows = [
        row
        for path in part_files.parts(out, "failures")
        for row in part_files.read(path).to_pylist()
    ]
    return [row for row in rows if row["candidate_id"] is not None]
