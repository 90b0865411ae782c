"""The answers: one JSON line each, on the disk before the page is told so."""

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
from gensr_pref.storage.location import is_remote

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
CHOICES = ("a", "b", "tie")
_VALUES = {"chosen": 1.0, "tie": 0.0, "rejected": -1.0}


def listener_name(name: str) -> str:
    """A listener's name in lower case.

    Raises:
        InputError: it is not 1 to 40 letters, digits, - and _.
    """
    lower = name.strip().lower()
    if not NAME.fullmatch(lower):
        raise InputError(
            f"{name!r}: use 1 to 40 of a-z, 0-9, - and _",
            field=parameter("listener"),
            value=name,
            problem=Problem.INVALID,
        )
    return lower


def save_answer(out: Path, vote: dict[str, Any]) -> None:
    """Append an answer to ``listening/votes-<listener>.jsonl`` and wait until the disk has it.

    Raises:
        StorageError: it cannot be written.
    """
    path = _path(out, vote["listener"])
    try:
        if not is_remote(path):
            path.parent.mkdir(exist_ok=True)
        part_files.append_json(path, vote, durable=True)
    except OSError as error:
        raise StorageError(
            f"cannot be written: {error.strerror}", path=path, problem=Problem.UNWRITABLE
        ) from error


def read_answers(out: Path, listener: str) -> list[dict[str, Any]]:
    """A listener's answers so far, the first of each trial; a cut-off line is left out."""
    first: dict[str, dict[str, Any]] = {}
    for vote in part_files.read_json_lines(_path(out, listener)):
        if _is_vote(vote):
            first.setdefault(vote["trial"], vote)
    return list(first.values())


def _is_vote(line: dict[str, Any]) -> bool:
    """Whether a line of the file has all that `save_answer` writes and that is read again."""
    texts = ("listener", "trial", "kind", "clip_id", "chosen_id", "rejected_id", "preferred")
    return all(isinstance(line.get(name), str) for name in texts) and line["preferred"] in _VALUES


def list_listeners(out: Path) -> list[str]:
    """Everyone who has answered."""
    files = [name for name in part_files.json_files(out / "listening") if name.startswith("votes-")]
    found = (name.removeprefix("votes-").removesuffix(".jsonl") for name in files)
    return sorted(name for name in found if NAME.fullmatch(name))


def audit_answers(found: Evidence) -> dict[str, Any]:
    """What the answers say of the run's pairs; only the number of answers where none counts.

    Answers of listeners who failed the catch trials are kept, but do not count.
    Answers about pairs that the run's rule no longer makes count too, as long as both candidates
    are there: a pair is what was heard, whatever made it.
    """
    every = [vote for name in list_listeners(found.out) for vote in read_answers(found.out, name)]
    catches = statistics.catch_trials(
        [vote["listener"] for vote in every],
        [vote["kind"] for vote in every],
        np.array([_passed(vote) for vote in every], dtype=bool),
    )
    inattentive = {one["listener"] for one in catches if not one["counted"]}
    given = _answers(found, [vote for vote in every if vote["kind"] == "pair"])
    heard = given.without(inattentive)
    told = {
        "answers": len(heard.answer),
        "not_counted": len(given.answer) - len(heard.answer),
        "listeners": len(set(heard.listener)),
        "pairs": len(np.unique(heard.pair)),
        "catches": catches,
    }
    if not len(heard.answer):
        return told
    return {
        **told,
        "panel": statistics.panel_agreement(heard),
        "scores": statistics.score_agreement(heard, found.judged.names),
        "between_listeners": statistics.between_listeners(heard),
        "by_margin": statistics.by_margin(heard),
    }


def _answers(found: Evidence, votes: list[dict[str, Any]]) -> statistics.Answers:
    rows = {side: _rows(found.ids, [vote[side] for vote in votes]) for side in _SIDES}
    clip = _rows(found.clips.column("clip_id").combine_chunks(), [v["clip_id"] for v in votes])
    known = (rows["chosen_id"] >= 0) & (rows["rejected_id"] >= 0) & (clip >= 0)
    judged, kept = found.judged, np.flatnonzero(known)
    difference = judged.value[rows["chosen_id"][kept]] - judged.value[rows["rejected_id"][kept]]
    spreads = difference / judged.unit
    names = [f"{vote['chosen_id']} {vote['rejected_id']}" for vote in votes]
    return statistics.Answers(
        clip=clip[kept],
        listener=[votes[k]["listener"] for k in kept],
        pair=np.unique(np.array(names, dtype=str)[kept], return_inverse=True)[1],
        answer=np.array([_VALUES[votes[k]["preferred"]] for k in kept], dtype=np.float64),
        margins=spreads,
        smallest=spreads[:, judged.votes].min(axis=1, initial=np.inf)
        if judged.votes.any()
        else np.full(len(kept), np.nan),
        clips=len(found.clips),
    )


_SIDES = ("chosen_id", "rejected_id")


def _rows(among: pa.Array, names: list[str]) -> np.ndarray:
    place = pc.fill_null(pc.index_in(pa.array(names, pa.string()), value_set=among), -1)
    return np.asarray(place.to_numpy(zero_copy_only=False), dtype=np.int64)


def _passed(vote: dict[str, Any]) -> bool:
    """Whether a catch trial was answered rightly: identical sounds by a tie, else the clean one."""
    right = "tie" if vote["kind"] == "same" else "chosen"
    return bool(vote["preferred"] == right)


def _path(out: Path, listener: str) -> Path:
    return out / "listening" / f"votes-{listener_name(listener)}.jsonl"
