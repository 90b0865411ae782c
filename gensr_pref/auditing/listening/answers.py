"""Stores and reads the answers: one JSON line each, on the disk before the page gets a reply."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.auditing.listening import statistics
from gensr_pref.auditing.load import Evidence
from gensr_pref.errors import InputError, Problem, StorageError, parameter
from gensr_pref.rundir import part_files
from gensr_pref.storage import files

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
CHOICES = ("a", "b", "tie")
_VALUES = {"chosen": 1.0, "tie": 0.0, "rejected": -1.0}


def listener_name(name: str) -> str:
    """Return a listener's name in lower case.

    Raises:
        InputError: it does not have 1 to 40 characters from a-z, 0-9, - and _.
    """
    lower = name.strip().lower()
    if not NAME.fullmatch(lower):
        raise InputError(
            f"{name!r}: use 1 to 40 characters from a-z, 0-9, - and _",
            field=parameter("listener"),
            value=name,
            problem=Problem.INVALID,
        )
    return lower


def save_answer(out: Path, vote: dict[str, Any]) -> None:
    """Append an answer to ``listening/votes-<listener>.jsonl`` and wait until it is on the disk.

    Raises:
        StorageError: it cannot be written.
    """
    path = _path(out, vote["listener"])
    try:
        files.make_folder(path.parent)
        part_files.append_json(path, vote, durable=True)
    except OSError as error:
        raise StorageError(
            f"cannot be written: {error.strerror}", path=path, problem=Problem.UNWRITABLE
        ) from error


def read_answers(out: Path, listener: str) -> list[dict[str, Any]]:
    """Return a listener's answers so far, the first of each trial; a cut-off line is ignored."""
    first: dict[str, dict[str, Any]] = {}
    for vote in part_files.read_json_lines(_path(out, listener)):
        if _is_vote(vote):
            first.setdefault(vote["trial"], vote)
    return list(first.values())


def _is_vote(line: dict[str, Any]) -> bool:
    """Return whether a line of the file has the fields that are read, with valid values."""
    texts = ("listener", "trial", "kind", "clip_id", "chosen_id", "rejected_id", "preferred")
    return all(isinstance(line.get(name), str) for name in texts) and line["preferred"] in _VALUES


def list_listeners(out: Path) -> list[str]:
    """Return the names of everyone who has answered."""
    voted = [
        name for name in part_files.list_json_files(out / "listening") if name.startswith("votes-")
    ]
    names = (name.removeprefix("votes-").removesuffix(".jsonl") for name in voted)
    return sorted(name for name in names if NAME.fullmatch(name))


def audit_answers(run: Evidence) -> dict[str, Any]:
    """Return the statistics of the answers about a run's pairs; only counts if no answer counts.

    Answers of listeners who failed too many catch trials stay on the disk, but do not count.
    Answers about pairs that the current rule does not make count too, as long as the run has both
    candidates: they still show whether the scores agree with people.
    """
    every = [vote for name in list_listeners(run.out) for vote in read_answers(run.out, name)]
    catches = statistics.catch_trials(
        [vote["listener"] for vote in every],
        [vote["kind"] for vote in every],
        np.array([_is_passed(vote) for vote in every], dtype=bool),
    )
    inattentive = {one["listener"] for one in catches if not one["counted"]}
    every_pair = _answers(run, [vote for vote in every if vote["kind"] == "pair"])
    counted = every_pair.without(inattentive)
    counts = {
        "answers": len(counted.answer),
        "not_counted": len(every_pair.answer) - len(counted.answer),
        "listeners": len(set(counted.listener)),
        "pairs": len(np.unique(counted.pair)),
        "catches": catches,
    }
    if not len(counted.answer):
        return counts
    return {
        **counts,
        "panel": statistics.panel_agreement(counted),
        "scores": statistics.score_agreement(counted, run.judged.names),
        "between_listeners": statistics.between_listeners(counted),
        "by_margin": statistics.by_margin(counted),
    }


def _answers(run: Evidence, votes: list[dict[str, Any]]) -> statistics.Answers:
    rows = {key: _rows(run.ids, [vote[key] for vote in votes]) for key in _ID_KEYS}
    clip = _rows(run.clips.column("clip_id").combine_chunks(), [v["clip_id"] for v in votes])
    known = (rows["chosen_id"] >= 0) & (rows["rejected_id"] >= 0) & (clip >= 0)
    judged, used = run.judged, np.flatnonzero(known)
    difference = judged.value[rows["chosen_id"][used]] - judged.value[rows["rejected_id"][used]]
    spreads = difference / judged.unit
    names = [f"{vote['chosen_id']} {vote['rejected_id']}" for vote in votes]
    return statistics.Answers(
        clip=clip[used],
        listener=[votes[k]["listener"] for k in used],
        pair=np.unique(np.array(names, dtype=str)[used], return_inverse=True)[1],
        answer=np.array([_VALUES[votes[k]["preferred"]] for k in used], dtype=np.float64),
        margins=spreads,
        smallest=spreads[:, judged.votes].min(axis=1, initial=np.inf)
        if judged.votes.any()
        else np.full(len(used), np.nan),
        clips=len(run.clips),
    )


_ID_KEYS = ("chosen_id", "rejected_id")


def _rows(among: pa.Array, names: list[str]) -> np.ndarray:
    index = pc.fill_null(pc.index_in(pa.array(names, pa.string()), value_set=among), -1)
    return np.asarray(index.to_numpy(zero_copy_only=False), dtype=np.int64)


def _is_passed(vote: dict[str, Any]) -> bool:
    """Return whether a catch trial was passed: a tie for identical sounds, else the clean sound."""
    right = "tie" if vote["kind"] == "same" else "chosen"
    return bool(vote["preferred"] == right)


def _path(out: Path, listener: str) -> Path:
    return out / "listening" / f"votes-{listener_name(listener)}.jsonl"
