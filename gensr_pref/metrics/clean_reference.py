"""The clean clip and a candidate as the metrics that compare the two may use them.

Below a `Panel` most of this has been seen to; a metric that is called directly refuses the same.
"""

from __future__ import annotations

from gensr_pref.audio import Sound, Wave, require_sound
from gensr_pref.errors import Unusable
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.schema import Reason


def clean_signal(clip: ClipSounds) -> Wave:
    """The clean waveform [T] of a clip.

    Raises:
        Unusable: NO_CLEAN, there is none or there is no signal in it.
    """
    wave = clip.reference().wave
    try:
        require_sound(wave)
    except Unusable as error:
        raise Unusable(Reason.NO_CLEAN, f"the clean clip is {error}") from error
    return wave


def counterpart(candidate: Sound, clean: Wave) -> Wave:
    """The waveform [T] of a candidate that is compared with a clean waveform [T], sample by sample.

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
