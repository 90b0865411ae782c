"""The tables of an evaluation as arrays, and what is missing in them, counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gensr_pref import shards
from gensr_pref.audit.policies import Array, Measured
from gensr_pref.config import GeneratorUse
from gensr_pref.engine import rundir
from gensr_pref.engine.blueprint import votes_of
from gensr_pref.engine.sampling import twin_of
from gensr_pref.identity import is_noisy
from gensr_pref.schema import column

Counts = dict[str, dict[str, Counter[str]]]


def measured_in(out: Path, uses: Sequence[GeneratorUse]) -> tuple[Measured, Counts]:
    """The scores of some generators of a run directory.

    Args:
        uses: those, each with its label.

    Returns:
        The scores; and per generator ``failures``, what failed by reason, and ``nulls``, which
        score is null by reason.

    Raises:
        StorageError: there are no scores yet, or they cannot be read.
    """
    votes = votes_of(rundir.document(out)["provenance"]["panel"])
    names = [vote.score for vote in votes]
    clips = shards.read_all(out, "clips", ["clip_id", "speaker"])
    number = {name: place for place, name in enumerate(column(clips, "clip_id"))}
    labels = {str(use.name): place for place, use in enumerate(uses)}
    samples = [use.candidates for use in uses]
    value = np.full((len(labels), len(number), max(samples), len(names)), np.nan)
    noisy = np.full((len(number), len(names)), np.nan)
    for name, row in _scores(out, names):
        clip, label, index = name.rsplit("/", 2)
        if clip not in number:
            continue
        if is_noisy(name):
            noisy[number[clip]] = row
        elif label in labels and int(index) < samples[labels[label]]:
            value[labels[label], number[clip], int(index)] = row
    counts = _failures(out, value, number, labels)
    found = Measured(
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
    return found, counts


def _scores(out: Path, names: Sequence[str]) -> list[tuple[str, Array]]:
    """Candidate ids, each with its scores; NaN where null."""
    table = shards.read_all(out, "scores", ["candidate_id", *names])
    values = np.stack([np.asarray(column(table, name), dtype=float) for name in names], axis=1)
    return list(zip(column(table, "candidate_id"), values, strict=True))


def _failures(
    out: Path, value: Array, number: Mapping[str, int], labels: Mapping[str, int]
) -> Counts:
    """Count failures; a double of an earlier sample is none, and gets that one's scores."""
    failed: dict[str, Counter[str]] = defaultdict(Counter)
    nulls: dict[str, Counter[str]] = defaultdict(Counter)
    rows = [row for path in shards.parts(out, "failures") for row in shards.read(path).to_pylist()]
    for row in rows:
        clip, label, index = (row["candidate_id"] or "//").rsplit("/", 2)
        if label not in labels or clip not in number:
            continue
        of_clip = value[labels[label], number[clip]]
        twin = twin_of(row)
        if twin is not None and int(index) < len(of_clip):
            of_clip[int(index)] = of_clip[twin]
        elif row["stage"] == "candidates":
            failed[label][row["reason"]] += 1
        else:
            nulls[label][f"{row['detail'].partition(': ')[0]}: {row['reason']}"] += 1
    return {"failures": failed, "nulls": nulls}
