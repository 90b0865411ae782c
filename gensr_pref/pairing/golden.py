"""The golden rule: the clean target is chosen, a candidate is rejected.

SpeechAlign (arXiv 2404.05600): golden tokens of real speech against the model's own samples. For
restoration it is here to compare with, not to recommend: with the ground truth as winner the
multi-metric paper's model collapsed (arXiv 2508.17229), GSEPF's did not improve (arXiv 2507.09929).

No score takes part: every candidate may be rejected, in the order of their rows. The chosen side is
named ``clip_id/clean/0`` (`identity.clean_id`); its audio is the clip's ``clean`` column, and its
margins are null, because the clean target is not scored against itself.
"""

from __future__ import annotations

import numpy as np

from gensr_pref.config.run_file import Pairing
from gensr_pref.identity import CLEAN
from gensr_pref.pairing.base import CODE, STANDS, Ballot, Pairwise, Stop, Verdicts

NOTICE = (
    "pairs with the clean target as chosen have collapsed restoration models (arXiv 2508.17229) "
    "or left them as they were (arXiv 2507.09929); use them to compare with"
)


def judge_golden(ballot: Ballot, pairing: Pairing) -> Verdicts:
    """Clean against every candidate; all pairs are equally strong."""
    clean = np.asarray(ballot.generators) == CLEAN
    stands = clean[..., :, None] & ~clean[..., None, :]
    code = np.where(stands, STANDS, CODE[Stop.RULE]).astype(np.int8)
    return Verdicts(code, np.zeros(code.shape))


golden = Pairwise(judge_golden, clean=True)
