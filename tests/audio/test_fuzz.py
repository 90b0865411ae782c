"""Tests that damage is detected or has no effect, a small part of `tests.benchmarks.fuzz_audio`."""

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason
from tests.audio.material import encode, noise
from tests.benchmarks.fuzz_audio import damages

CHECKED = [("FLAC", "PCM_16"), ("OGG", "VORBIS")]  # checksums cover every byte of the sound
DECLARED = [("WAV", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "FLOAT"), ("CAF", "PCM_24")]
HARMLESS = ("none", "tag behind", "zeros behind")
ALLOWED = (Reason.TRUNCATED, Reason.UNREADABLE, Reason.EMPTY, Reason.NOT_FINITE)


def decode(data: bytes) -> audio.Wave | Reason:
    try:
        return audio.read(data).wave
    except Unusable as failed:
        return failed.reason


@pytest.mark.parametrize(("form", "subtype"), CHECKED)
def test_sound_with_checksums_is_whole_or_refused(form, subtype):
    data = encode(noise(6000), 8000, form, subtype)
    assert data is not None
    whole = audio.read(data).wave
    for seed in range(8):
        for name, made in damages(data, b"", np.random.default_rng(seed)).items():
            wave = decode(made)
            if isinstance(wave, Reason):
                assert wave in ALLOWED
                assert name not in HARMLESS
            elif name.startswith("chained with itself"):
                np.testing.assert_array_equal(wave, np.tile(whole, 2))
            elif name != "lying header":  # the rate is no part of the samples
                np.testing.assert_array_equal(wave, whole)


@pytest.mark.parametrize(("form", "subtype"), DECLARED)
def test_sound_with_a_declared_length_is_never_shorter(form, subtype):
    data = encode(noise(6000), 8000, form, subtype)
    assert data is not None
    for seed in range(8):
        made = damages(data, b"", np.random.default_rng(seed))
        for name in ("none", "truncated", "junk behind", "zeros behind", "a part missing"):
            wave = decode(made[name])
            assert isinstance(wave, Reason) or len(wave) == 6000, (seed, name)
        assert not isinstance(decode(made["none"]), Reason)
