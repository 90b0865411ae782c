"""The rule that makes no pairs, for runs that only need candidates and scores."""

from __future__ import annotations

import numpy as np

from gensr_pref.config.run_file import Pairing
from gensr_pref.pairing.base import CODE, Ballot, NoPairReason, Pairwise, Verdicts, may_be_paired

_NAMES = ("none", "gensr_pref.pairing.no_pairs:none", "gensr_pref.pairing.unpaired:unpaired")
NOTICE = "pairing.rule is none, so no pairs were asked for"


def asks_for_pairs(rule: str) -> bool:
    """Return whether a run with this pair rule asks for pairs; only one with `none` does not."""
    return rule not in _NAMES


def judge_none(ballot: Ballot, pairing: Pairing) -> Verdicts:
    """Return the verdicts of `none`: no two candidates are a pair."""
    shape = may_be_paired(ballot, pairing).shape
    return Verdicts(np.full(shape, CODE[NoPairReason.RULE], dtype=np.int8), np.zeros(shape))


none = Pairwise(judge_none)
