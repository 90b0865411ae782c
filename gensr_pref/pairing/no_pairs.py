"""The rule that makes no pairs, for runs that only need candidates and scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gensr_pref.config.run_file import Pairing
from gensr_pref.errors import InputError, Problem, command_line
from gensr_pref.pairing.base import CODE, Ballot, NoPairReason, Pairwise, Verdicts, may_be_paired

_NAMES = ("none", "gensr_pref.pairing.no_pairs:none", "gensr_pref.pairing.unpaired:unpaired")
NOTICE = "pairing.rule is none, so no pairs were asked for"


def asks_for_pairs(rule: str) -> bool:
    """Return whether a run with this pair rule asks for pairs; only one with `none` does not."""
    return rule not in _NAMES


def require_pair_rule(run: Path, rule: str, purpose: str, field: str | None = None) -> None:
    """Refuse a run whose rule makes no pairs.

    Args:
        run: the run directory.
        rule: name of its pair rule.
        purpose: verb that completes "has no pairs to".
        field: the setting that names the run directory, if any.

    Raises:
        InputError: the message names the rule, and the command that makes pairs.
    """
    if asks_for_pairs(rule):
        return
    command = command_line("gensr-pref", "pair", run, "rule=unanimous")
    where = "" if field is None else f"{run} "
    raise InputError(
        f"{where}has no pairs to {purpose}: {NOTICE}. Make some: {command}",
        field=field,
        path=run,
        value="pairs",
        problem=Problem.EMPTY,
    )


def judge_none(ballot: Ballot, pairing: Pairing) -> Verdicts:
    """Return the verdicts of `none`: no two candidates are a pair."""
    shape = may_be_paired(ballot, pairing).shape
    return Verdicts(np.full(shape, CODE[NoPairReason.RULE], dtype=np.int8), np.zeros(shape))


none = Pairwise(judge_none)
