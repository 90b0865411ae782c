"""Counts failed catch trials, and decides whose answers count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from gensr_pref.auditing.base import Mask

LAPSE = 0.05  # share of catch trials that an attentive listener fails; our choice
GUESS = 2 / 3  # share that a listener fails who presses the three buttons at random


class CatchRow(TypedDict):
    """The catch trials of one listener."""

    listener: str
    answers: int
    same: int
    clean: int
    same_failed: int
    clean_failed: int
    counted: bool
    why: str | None


def is_attentive(failed: int, count: int) -> bool:
    """Return whether failed catch trials indicate an attentive listener rather than a guesser.

    An attentive listener fails `LAPSE` of them, a guesser `GUESS`; the rule compares the two
    binomial likelihoods (Neyman & Pearson 1933). So one failure in one, two or three trials is too
    many, one in four is not; of many trials, about 29 % may be failed. Without catch trials the
    answers count.
    """
    passed = count - failed
    attentive = failed * np.log(LAPSE) + passed * np.log(1 - LAPSE)
    return bool(attentive >= failed * np.log(GUESS) + passed * np.log(1 - GUESS))


def catch_trials(listener: Sequence[str], kind: Sequence[str], passed: Mask) -> list[CatchRow]:
    """Count each listener's answers, and the catch trials given and failed.

    Args:
        listener: [T] listener's name.
        kind: [T] ``pair``, ``same`` (identical sounds: a tie is right) or ``clean`` (the clean clip
            and the anchor).
        passed: [T] whether the answer was right; ignored for pairs.

    Returns:
        Per listener the counts, ``counted``, and ``why`` not: ``failed_catches`` or None.
    """
    who, what = np.array(listener, dtype=str), np.array(kind, dtype=str)
    return [
        _catch_row(str(name), what[who == name], passed[who == name]) for name in np.unique(who)
    ]


def _catch_row(name: str, kind: npt.NDArray[np.str_], passed: Mask) -> CatchRow:
    count = {catch: int((kind == catch).sum()) for catch in ("same", "clean")}
    failed = {catch: int(((kind == catch) & ~passed).sum()) for catch in count}
    counts = is_attentive(sum(failed.values()), sum(count.values()))
    return {
        "listener": name,
        "answers": int((kind == "pair").sum()),
        "same": count["same"],
        "clean": count["clean"],
        "same_failed": failed["same"],
        "clean_failed": failed["clean"],
        "counted": counts,
        "why": None if counts else "failed_catches",
    }
