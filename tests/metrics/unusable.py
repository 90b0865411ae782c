"""Checks with sounds for which no metric that needs a reference may return a number."""

from dataclasses import replace

import numpy as np
import pytest

from gensr_pref.audio import Sound
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

NO_SIGNAL = {
    "silence": (0.0, Reason.SILENT),
    "an offset": (0.25, Reason.SILENT),
    "nan": (np.nan, Reason.NOT_FINITE),
    "infinity": (np.inf, Reason.NOT_FINITE),
}


def constant(sound, value):
    return Sound(np.full_like(sound.wave, value), sound.rate)


def assert_refuses_what_holds_no_signal(metric, clip):
    """Assert that a sound without a signal is refused, as a candidate and as the clean clip."""
    [expected] = metric.score(replace(clip, candidates=clip.candidates[:1]))
    for value, reason in NO_SIGNAL.values():
        dead = constant(clip.clean, value)
        good, bad = metric.score(replace(clip, candidates=[clip.candidates[0], dead]))
        assert good == expected
        assert isinstance(bad, Unusable)
        assert bad.reason is reason
        with pytest.raises(Unusable):
            metric.score(replace(clip, clean=dead))


def assert_refuses_another_length(metric, clip):
    """Assert that a candidate shorter or longer than the clean clip is refused."""
    longer = Sound(np.append(clip.clean.wave, clip.clean.wave[:100]), 16_000)
    shorter = Sound(clip.clean.wave[:-100], 16_000)
    for answer in metric.score(replace(clip, candidates=[longer, shorter])):
        assert isinstance(answer, Unusable)
        assert answer.reason is Reason.LENGTH_MISMATCH


def assert_candidates_do_not_matter_to_each_other(metric, clip):
    """Assert equal bits alone, together, in another order, and beside a candidate that fails."""
    together = metric.score(clip)
    alone = [
        metric.score(replace(clip, candidates=[candidate]))[0] for candidate in clip.candidates
    ]
    backwards = metric.score(replace(clip, candidates=clip.candidates[::-1]))[::-1]
    dead = constant(clip.clean, 0.0)
    beside = metric.score(replace(clip, candidates=[dead, *clip.candidates]))[1:]
    assert together == alone == backwards == beside
