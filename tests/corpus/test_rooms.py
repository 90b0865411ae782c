"""Tests of simulated rooms: decay, direct path and reproducibility."""

from __future__ import annotations

import time

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.audio import Wave
from gensr_pref.corpus.rooms import (
    MAX_ORDER,
    SPEED_OF_SOUND,
    align_to_direct_path,
    draw_room,
    reverberate,
    simulate_response,
)
from gensr_pref.errors import Unusable
from tests.refusals import raises

RATE = 16000


def decay_time(response: Wave, rate: int) -> float:
    """RT60 from the slope between -5 and -25 dB of Schroeder's integral (T20, ISO 3382)."""
    energy = np.cumsum(np.square(response[::-1].astype(np.float64)))[::-1]
    level = 10 * np.log10(energy / energy[0] + 1e-12)
    part = np.flatnonzero((level <= -5) & (level >= -25))
    slope, _ = np.polyfit(part / rate, level[part], 1)
    return float(-60 / slope)


@pytest.mark.parametrize("rt60_s", [0.2, 0.4, 0.8])
def test_decay_time_is_as_drawn(rt60_s: float) -> None:
    rng = np.random.default_rng(1)
    rooms = [draw_room(rt60_s, 1.5, RATE, rng) for _ in range(8)]
    ratios = [decay_time(simulate_response(room, rt60_s, RATE), RATE) / rt60_s for room in rooms]
    assert 0.8 < np.median(ratios) < 1.25
    assert min(ratios) > 0.6
    assert max(ratios) < 1.6


@pytest.mark.parametrize("rt60_s", [0.02, 0.1, 0.5, 3.0])
@pytest.mark.parametrize("distance_m", [0.01, 1.0, 50.0])
def test_any_decay_time_and_distance_give_a_room(rt60_s: float, distance_m: float) -> None:
    for seed in range(5):
        room = draw_room(rt60_s, distance_m, RATE, np.random.default_rng(seed))
        assert 0 < room.absorption <= 1
        assert room.max_order <= MAX_ORDER
        for point in (room.talker_m, room.microphone_m):
            assert all(0 < at < side for at, side in zip(point, room.size_m, strict=True))
    response = simulate_response(room, rt60_s, RATE)
    assert len(response) == round(rt60_s * RATE)
    assert np.isfinite(response).all()


def test_response_begins_at_its_direct_path() -> None:
    room = draw_room(0.4, 1.2, RATE, np.random.default_rng(3))
    travelled = np.linalg.norm(np.subtract(room.talker_m, room.microphone_m))
    samples = travelled / SPEED_OF_SOUND * RATE
    assert samples == pytest.approx(round(samples), abs=1e-6)
    assert simulate_response(room, 0.4, RATE)[0] == 1


def test_reverberation_does_not_delay_the_speech(speech: Wave) -> None:
    room = draw_room(0.5, 2.0, RATE, np.random.default_rng(4))
    wet = reverberate(speech, simulate_response(room, 0.5, RATE))
    assert wet.shape == speech.shape
    lags = np.arange(-40, 41)
    inner = slice(100, len(speech) - 100)
    likeness = [float(np.dot(speech[inner], np.roll(wet, -lag)[inner])) for lag in lags]
    assert lags[int(np.argmax(likeness))] == 0


def test_response_does_not_depend_on_threads() -> None:
    from pyroomacoustics import constants

    room = draw_room(0.3, 1.0, RATE, np.random.default_rng(5))
    before = constants.get("num_threads")
    first = simulate_response.__wrapped__(room, 0.3, RATE)
    constants.set("num_threads", 7)
    try:
        np.random.seed(0)
        second = simulate_response.__wrapped__(room, 0.3, RATE)
        assert constants.get("num_threads") == 7
    finally:
        constants.set("num_threads", before)
    np.testing.assert_array_equal(first, second)


def test_one_room_is_cheap() -> None:
    rng = np.random.default_rng(6)
    spent = []
    for _ in range(5):
        room = draw_room(1.0, 2.0, RATE, rng)
        began = time.process_time()
        simulate_response.__wrapped__(room, 1.0, RATE)
        spent.append(time.process_time() - began)
    assert np.median(spent) < 0.4  # 0.05 s on an idle core


def test_recorded_response_is_aligned_and_upright() -> None:
    response = np.zeros(2000, np.float32)
    response[300:304] = [-0.1, -0.5, -0.3, 0.1]
    response[700] = 0.6  # an early reflection above the direct path
    found = align_to_direct_path(response)
    assert found[0] == 1
    assert len(found) == 2000 - 301
    np.testing.assert_allclose(found[399], -1.2, rtol=1e-6)


def test_silent_response_is_refused() -> None:
    with raises(Unusable, reason="silent"):
        align_to_direct_path(np.zeros(100, np.float32))


def test_real_responses(data: object, speech: Wave) -> None:
    for path in sorted((data / "rir").glob("*.flac")):  # type: ignore[operator]
        sound = audio.read(path).at(RATE)
        response = align_to_direct_path(sound.wave)
        assert response[0] == 1
        assert np.isfinite(reverberate(speech, response)).all()
