"""Answers to a listening test, for the tests."""

import numpy as np

from gensr_pref.auditing.listening.statistics import Answers


def make_answers(answer, margins=None, clip=None, listener=None, pair=None, smallest=None):
    count = len(answer)
    margins = np.ones((count, 1)) if margins is None else np.asarray(margins, dtype=float)
    clip = np.arange(count) if clip is None else np.asarray(clip)
    return Answers(
        clip=clip,
        listener=["ann"] * count if listener is None else listener,
        pair=clip if pair is None else np.asarray(pair),
        answer=np.asarray(answer, dtype=float),
        margins=margins,
        smallest=margins[:, 0] if smallest is None else np.asarray(smallest, dtype=float),
        clips=int(clip.max()) + 1 if count else 0,
    )
