"""Tests of cutting recordings into segments of exact length."""

from __future__ import annotations

import numpy as np
import pytest

from gensr_pref.audio import resample
from gensr_pref.corpus.segments import cut_segments
from gensr_pref.errors import ConfigError, Unusable
from gensr_pref.schema import Reason
from tests.refusals import raises

RATES = [8000, 11025, 16000, 22050, 44100, 48000, 96000]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seconds", [1.0, 1.999, 3.02, 4.5, 20.0, 61.7])
@pytest.mark.parametrize("bounds", [(1.0, 3.0), (0.5, 20.0), (1.0, 1.3)])
def test_segments_are_whole_frames_within_bounds(
    rate: int, seconds: float, bounds: tuple[float, float]
) -> None:
    frames = int(seconds * rate)
    if frames < bounds[0] * rate:
        pytest.skip("too short by rounding")
    pieces = cut_segments(frames, rate, bounds, 16000)
    assert len({piece.num_samples for piece in pieces}) == 1
    end = 0
    for piece in pieces:
        assert piece.num_samples % 320 == 0
        assert bounds[0] <= piece.num_samples / 16000 <= bounds[1]
        assert end - 2 <= piece.start
        end = piece.start + piece.frames
        assert end <= frames
        assert round(piece.frames * 16000 / rate) >= piece.num_samples


@pytest.mark.parametrize("rate", RATES)
def test_resampled_segment_has_all_its_samples(rate: int) -> None:
    for piece in cut_segments(rate * 2 + 17, rate, (0.5, 0.9), 16000):
        wave = resample(np.zeros(piece.frames, np.float32), rate, 16000)
        assert len(wave) >= piece.num_samples


def test_single_segment_is_the_whole_recording_except_for_a_frame() -> None:
    (piece,) = cut_segments(161_000, 16000, (1.0, 20.0), 16000)
    assert (piece.start, piece.frames, piece.num_samples, piece.whole) == (
        0,
        160_960,
        160_960,
        True,
    )
    assert not any(piece.whole for piece in cut_segments(400_000, 16000, (1.0, 20.0), 16000))


def test_segments_are_the_fewest_equal_ones() -> None:
    pieces = cut_segments(25 * 16000, 16000, (2.0, 10.0), 16000)
    assert [piece.num_samples for piece in pieces] == [133_120] * 3
    assert [piece.start for piece in pieces] == [0, 133_120, 266_240]


def test_longest_segments_are_cut_where_equal_ones_do_not_fit() -> None:
    (piece,) = cut_segments(11 * 16000, 16000, (6.0, 10.0), 16000)
    assert piece.num_samples == 160_000
    assert not piece.whole


def test_3_ms_at_96_khz_is_too_short() -> None:
    with pytest.raises(Unusable) as caught:
        cut_segments(288, 96000, (1.0, 20.0), 16000)
    assert caught.value.reason is Reason.TOO_SHORT


def test_bounds_without_a_whole_frame_are_refused() -> None:
    with raises(
        ConfigError, field="corpus.segment_seconds", value=(0.501, 0.519), problem="invalid"
    ):
        cut_segments(16000, 16000, (0.501, 0.519), 16000)
