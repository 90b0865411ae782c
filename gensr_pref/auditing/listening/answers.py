"""Stores and reads the answers: one JSON line each, on the disk before the page gets a reply."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NotRequired, TypedDict, TypeGuard

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.auditing.base import Rows
from gensr_pref.auditing.listening import statistics
from gensr_pref.auditing.listening.catch_trials import CatchRow, catch_trials
from gensr_pref.auditing.listening.margin_fit import MarginFit, by_margin
from gensr_pref.auditing.load import RunTables
from gensr_pref.errors import InputError, Problem, StorageError, parameter
from gensr_pref.rundir import part_files
from gensr_pref.storage import files

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
CHOICES = ("a", "b", "tie")
_VALUES = {"chosen": 1.0, "tie": 0.0, "rejected": -1.0}


class StoredAnswer(TypedDict):
    """One line of ``votes-<listener>.jsonl``; docs/listening.md explains it.

    Keys:
        listener: the listener's name.
        trial: the trial's key, the same for all listeners.
        kind: pair, same or clean.
        clip_id, chosen_id, rejected_id: ids of the clip and of the two sounds.
        a: id of the sound behind button A.
        choice: the button that was pressed: a, b or tie.
        preferred: what it means: chosen, rejected or tie.
        seconds: response time in seconds, if known.
        time: time of the answer, in seconds since 1970.
    """

    listener: str
    trial: str
    kind: str
    clip_id: str
    chosen_id: str
    rejected_id: str
    a: str
    choice: str
    preferred: str
    seconds: float | None
    time: float


class Listening(TypedDict):
    """The part ``listening`` of the audit; only the counts if no answer counts.

    Keys:
        answers, not_counted: numbers of answers about pairs that count, and that do not.
        listeners, pairs: numbers of listeners and of pairs with answers that count.
        catches: the catch trials per listener.
        panel: shares of the answers that agree with the pairs.
        scores: how often each score agrees with the answers.
        between_listeners: how often two listeners agree.
        by_margin: how the answers depend on the smallest margin.
    """

    answers: int
    not_counted: int
    listeners: int
    pairs: int
    catches: list[CatchRow]
    panel: NotRequired[statistics.PanelAgreement]
    scores: NotRequired[list[statistics.ScoreAgreement]]
    between_listeners: NotRequired[statistics.ListenerAgreement]
    by_margin: NotRequired[MarginFit]


def listener_name(name: str) -> str:
    """Return a listener's name in lower case.

    Raises:
        InputError: the name does not have 1 to 40 characters from a-z, 0-9, - and _.
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


def save_answer(out: Path, answer: StoredAnswer) -> None:
    """Append an answer to ``listening/votes-<listener>.jsonl`` and wait until it is on the disk.

    Raises:
        StorageError: the answer cannot be written.
    """
    path = _path(out, answer["listener"])
    try:
        files.make_folder(path.parent)
        part_files.append_json(path, answer, durable=True)
    except OSError as error:
        raise StorageError(
            f"cannot be written: {error.strerror}", path=path, problem=Problem.UNWRITABLE
        ) from error


def read_answers(out: Path, listener: str) -> list[StoredAnswer]:
    """Return a listener's answers so far, the first of each trial; a cut-off line is ignored."""
    first: dict[str, StoredAnswer] = {}
    for line in part_files.read_json_lines(_path(out, listener)):
        if _is_answer(line):
            first.setdefault(line["trial"], line)
    return list(first.values())


def _is_answer(line: dict[str, Any]) -> TypeGuard[StoredAnswer]:
    """Return whether a line of the file has the fields that an audit reads, with valid values."""
    texts = ("listener", "trial", "kind", "clip_id", "chosen_id", "rejected_id", "preferred")
    return all(isinstance(line.get(name), str) for name in texts) and line["preferred"] in _VALUES


def list_listeners(out: Path) -> list[str]:
    """Return the names of all listeners who have answered, in order."""
    logs = [
        name for name in part_files.list_json_files(out / "listening") if name.startswith("votes-")
    ]
    names = (name.removeprefix("votes-").removesuffix(".jsonl") for name in logs)
    return sorted(name for name in names if NAME.fullmatch(name))


def audit_answers(run: RunTables) -> Listening:
    """Return the statistics of the answers about a run's pairs; only counts if no answer counts.

    Answers of listeners who failed too many catch trials stay on the disk, but do not count.
    Answers about pairs that the current rule does not make count too, as long as the run has both
    candidates: they still show whether the scores agree with people.
    """
    stored = [answer for name in list_listeners(run.out) for answer in read_answers(run.out, name)]
    catches = catch_trials(
        [answer["listener"] for answer in stored],
        [answer["kind"] for answer in stored],
        np.array([_is_right(answer) for answer in stored], dtype=bool),
    )
    inattentive = {row["listener"] for row in catches if not row["counted"]}
    about_pairs = _answers(run, [answer for answer in stored if answer["kind"] == "pair"])
    counted = about_pairs.without(inattentive)
    counts: Listening = {
        "answers": len(counted.answer),
        "not_counted": len(about_pairs.answer) - len(counted.answer),
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
        "by_margin": by_margin(counted),
    }


def _answers(run: RunTables, stored: list[StoredAnswer]) -> statistics.Answers:
    """Return the answers about pairs of which the run has both candidates."""
    chosen = _rows(run.ids, [answer["chosen_id"] for answer in stored])
    rejected = _rows(run.ids, [answer["rejected_id"] for answer in stored])
    clip_ids = run.clips.column("clip_id").combine_chunks()
    clip = _rows(clip_ids, [answer["clip_id"] for answer in stored])
    known = (chosen >= 0) & (rejected >= 0) & (clip >= 0)
    judged, used = run.judged, np.flatnonzero(known)
    spreads = (judged.value[chosen[used]] - judged.value[rejected[used]]) / judged.unit
    names = [f"{answer['chosen_id']} {answer['rejected_id']}" for answer in stored]
    return statistics.Answers(
        clip=clip[used],
        listener=[stored[k]["listener"] for k in used],
        pair=np.unique(np.array(names, dtype=str)[used], return_inverse=True)[1],
        answer=np.array([_VALUES[stored[k]["preferred"]] for k in used], dtype=np.float64),
        margins=spreads,
        smallest=spreads[:, judged.votes].min(axis=1, initial=np.inf)
        if judged.votes.any()
        else np.full(len(used), np.nan),
        clips=len(run.clips),
    )


def _rows(among: pa.Array, names: list[str]) -> Rows:
    """Return the index of each name in a column; -1 if it is absent."""
    index = pc.fill_null(pc.index_in(pa.array(names, pa.string()), value_set=among), -1)
    return np.asarray(index.to_numpy(zero_copy_only=False), dtype=np.int64)


def _is_right(answer: StoredAnswer) -> bool:
    """Return whether a catch trial was passed: a tie for identical sounds, else the clean sound."""
    right = "tie" if answer["kind"] == "same" else "chosen"
    return answer["preferred"] == right


def _path(out: Path, listener: str) -> Path:
    return out / "listening" / f"votes-{listener_name(listener)}.jsonl"
