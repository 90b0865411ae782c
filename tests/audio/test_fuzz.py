"""A small part of `tests.benchmarks.fuzz_audio`: damage is detected or has no effect."""

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason
from tests.audio.material import encoded, noise
from tests.benchmarks.fuzz_audio import damages

CHECKED = [("FLAC", "PCM_16"), ("OGG", "VORBIS")]  # every byte of the sound is under a checksum
DECLARED = [("WAV", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "FLOAT"), ("CAF", "PCM_24")]
HARMLESS = ("none", "tag behind", "zeros behind")
ALLOWED = (Reason.TRUNCATED, Reason.UNREADABLE, Reason.EMPTY, Reason.NOT_FINITE)


def heard(data: bytes) -> audio.Wave | Reason:
    try:
        return audio.read(data).wave
    except Unusable as failed:
        return failed.reason


@pytest.mark.parametrize(("form", "subtype"), CHECKED)
def test_checked_sound_is_whole_or_refused(form, subtype):
    data = encoded(noise(6000), 8000, form, subtype)
    assert data is not None
    whole = audio.read(data).wave
    for seed in range(8):
        for name, made in damages(data, b"", np.random.default_rng(seed)).items():
            wave = heard(made)
            if isinstance(wave, Reason):
                assert wave in ALLOWED
                assert name not in HARMLESS
            elif name.startswith("chained with itself"):
                np.testing.assert_array_equal(wave, np.tile(whole, 2))
            elif name != "lying header":  # the rate is no part of the samples
                np.testing.assert_array_equal(wave, whole)


@pytest.mark.parametrize(("form", "subtype"), DECLARED)
def test_declared_sound_is_never_shorter(form, subtype):
    data = encoded(noise(6000), 8000, form, subtype)
    assert data is not None
    for seed in range(8):
        made = damages(data, b"", np.random.default_rng(seed))
        for name in ("none", "truncated", "junk behind", "zeros behind", "a part missing"):
            wave = heard(made[name])
            assert isinstance(wave, Reason) or len(wave) == 6000, (seed, name)
        assert not isinstance(heard(made["none"]), Reason)
