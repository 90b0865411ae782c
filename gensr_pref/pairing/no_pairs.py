"""The rule that makes no pairs, for runs that only need candidates and scores."""

from __future__ import annotations

import numpy as np

from gensr_pref.config.run_file import Pairing
from gensr_pref.pairing.base import CODE, Ballot, Pairwise, Stop, Verdicts, may_meet


def judge_none(ballot: Ballot, pairing: Pairing) -> Verdicts:
    """Return the verdicts of `none`: no two candidates are a pair."""
    shape = may_meet(ballot, pairing).shape
    return Verdicts(np.full(shape, CODE[Stop.RULE], dtype=np.int8), np.zeros(shape))


none = Pairwise(judge_none)
