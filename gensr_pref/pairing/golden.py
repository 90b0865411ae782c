"""The golden rule: the clean target is chosen, a candidate is rejected.

SpeechAlign (arXiv 2404.05600): golden tokens of real speech against the model's own samples. For
restoration the rule serves for comparison and is not recommended: with the ground truth as winner,
the multi-metric paper's model collapsed (arXiv 2508.17229), and GSEPF's did not improve (arXiv
2507.09929).

No score votes: every candidate may be rejected, in row order. The id of the chosen clean target is
``clip_id/clean/0`` (`identity.clean_id`). Its audio is in the clip's ``clean`` column, and the
margins are null, because the clean target is not scored against itself.
"""

from __future__ import annotations

import numpy as np

from gensr_pref.config.run_file import Pairing
from gensr_pref.identity import CLEAN
from gensr_pref.pairing.base import CODE, STANDS, Ballot, NoPairReason, Pairwise, Verdicts

NOTICE = (
    "pairs with the clean target as chosen made a restoration model collapse (arXiv 2508.17229) "
    "or did not improve it (arXiv 2507.09929); use them for comparison only"
)


def judge_golden(ballot: Ballot, pairing: Pairing) -> Verdicts:
    """Return the verdicts of `golden`: clean beats every candidate, all pairs equally strong."""
    clean = np.asarray(ballot.generators) == CLEAN
    is_pair = clean[..., :, None] & ~clean[..., None, :]
    code = np.where(is_pair, STANDS, CODE[NoPairReason.RULE]).astype(np.int8)
    return Verdicts(code, np.zeros(code.shape))


golden = Pairwise(judge_golden, clean=True)
