"""Checks of the clean clip and a candidate, for the metrics that compare the two.

A `Panel` makes most of these checks too; here they protect a metric that is called directly.
"""

from __future__ import annotations

from gensr_pref.audio import Sound, Wave, require_sound
from gensr_pref.errors import Unusable
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.schema import Reason


def clean_signal(clip: ClipSounds) -> Wave:
    """Return the clean waveform [T] of a clip.

    Raises:
        Unusable: NO_CLEAN, the clip has none or it holds no signal.
    """
    wave = clip.reference().wave
    try:
        require_sound(wave)
    except Unusable as error:
        raise Unusable(Reason.NO_CLEAN, f"the clean clip is {error}") from error
    return wave


def candidate_signal(candidate: Sound, clean: Wave) -> Wave:
    """Return the waveform [T] of a candidate, to be compared with a clean waveform [T].

    Raises:
        Unusable: LENGTH_MISMATCH, or what `require_sound` raises.
    """
    require_sound(candidate.wave)
    if len(candidate.wave) != len(clean):
        raise Unusable(
            Reason.LENGTH_MISMATCH,
            f"{len(candidate.wave)} samples against {len(clean)} of the clean clip",
        )
    return candidate.wave
