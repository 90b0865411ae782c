"""Rooms: simulated (image source method of Allen & Berkley, 1979, by pyroomacoustics) or recorded.

Every impulse response begins at its direct path, which has the value 1. So a reverberated recording
is the dry one plus the room's reflections, and the dry one is its time-aligned target.

Limits: walls absorb alike at all frequencies; the image order is capped, which bounds the cost of
one room and omits the last part of the decay of long reverberation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Wave
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

SPEED_OF_SOUND = 343.0  # m/s
MAX_ORDER = 40
_MOST_ABSORBENT = 0.9
_COVERED = 0.5  # share of RT60 (30 dB of decay) that the capped order must reach in all directions
_SABINE = 24 * math.log(10) / SPEED_OF_SOUND
_DIRECT_WITHIN = 0.5  # of the peak: -6 dB

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Room:
    """A shoebox room with a talker and a microphone, which determine its impulse response.

    Attributes:
        size_m, talker_m, microphone_m: length, width, height; positions from one corner.
        absorption: share of the energy that a wall absorbs.
        max_order: highest order of image sources.
    """

    size_m: Point
    talker_m: Point
    microphone_m: Point
    absorption: float
    max_order: int


def draw_room(rt60_s: float, distance_m: float, rate: int, rng: np.random.Generator) -> Room:
    """Draw a room with a reverberation time, and a talker and a microphone in it.

    A random shape is scaled until walls exist that give `rt60_s` (Sabine's formula) and the
    capped image order covers half of it. The distance is shortened where the room is too small,
    and to a whole number of samples of travel, so that the direct path falls on a sample.
    """
    proportions = rng.uniform((3.0, 2.5, 2.4), (10.0, 8.0, 4.0))
    size = proportions * _scale(proportions, rt60_s)
    absorption = min(1.0, _SABINE * _volume_to_surface(size) / rt60_s)
    order = min(MAX_ORDER, math.ceil(SPEED_OF_SOUND * rt60_s / _image_radius(size)))
    microphone, talker = _positions(size, distance_m, rate, rng)
    return Room(_point(size), _point(talker), _point(microphone), absorption, order)


def _volume_to_surface(size: npt.NDArray[np.float64]) -> float:
    return float(size.prod() / (2 * sum(a * b for a, b in combinations(size, 2))))


def _image_radius(size: npt.NDArray[np.float64]) -> float:
    """Return the metres by which each image order extends the sphere of complete reflections."""
    return float(min(a * b / math.hypot(a, b) for a, b in combinations(size, 2)))


def _scale(size: npt.NDArray[np.float64], rt60_s: float) -> float:
    largest = _MOST_ABSORBENT * rt60_s / (_SABINE * _volume_to_surface(size))
    smallest = _COVERED * SPEED_OF_SOUND * rt60_s / (MAX_ORDER * _image_radius(size))
    return min(max(1.0, smallest), largest)


def _positions(
    size: npt.NDArray[np.float64], distance_m: float, rate: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    margin = min(0.3, 0.1 * float(size.min()))
    azimuth, elevation = rng.uniform(0, 2 * math.pi), rng.uniform(-0.2, 0.2)
    direction = np.array(
        [
            math.cos(azimuth) * math.cos(elevation),
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
        ]
    )
    longest = float(np.min((size - 2 * margin) / np.abs(direction)))
    samples = max(1, int(min(distance_m, longest) * rate / SPEED_OF_SOUND))
    path = direction * samples * SPEED_OF_SOUND / rate
    lowest = margin + np.maximum(0, -path)
    highest = np.maximum(size - margin - np.maximum(0, path), lowest)
    microphone = rng.uniform(lowest, highest)
    return microphone, microphone + path


def _point(values: npt.NDArray[np.float64]) -> Point:
    x, y, z = (float(value) for value in values)
    return x, y, z


@lru_cache(maxsize=8)
def simulate_response(room: Room, rt60_s: float, rate: int) -> Wave:
    """Return the impulse response of a room from its direct path on, `rt60_s` long."""
    import pyroomacoustics

    box = pyroomacoustics.ShoeBox(
        room.size_m,
        fs=rate,
        materials=pyroomacoustics.Material(room.absorption),
        max_order=room.max_order,
        air_absorption=False,
        ray_tracing=False,
    )
    box.add_source(room.talker_m)
    box.add_microphone(room.microphone_m)
    with _one_thread():
        box.compute_rir()
    distance = math.dist(room.talker_m, room.microphone_m)
    direct = round(distance / SPEED_OF_SOUND * rate) + _filter_delay()
    response = box.rir[0][0][direct : direct + max(1, round(rt60_s * rate))] * distance
    response[0] = 1.0
    return np.asarray(response, np.float32)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: the response is a float32 sum, which depends on how threads divide it."""
    from pyroomacoustics import constants

    before = constants.get("num_threads")
    constants.set("num_threads", 1)
    try:
        yield
    finally:
        constants.set("num_threads", before)


def _filter_delay() -> int:
    from pyroomacoustics import constants

    return int(constants.get("frac_delay_length")) // 2


def align_to_direct_path(recorded: Wave) -> Wave:
    """Return a recorded impulse response from its direct path on, which is scaled to 1.

    The direct path is the first local extremum within 6 dB of the largest.

    Raises:
        Unusable: SILENT.
    """
    size = np.abs(recorded)
    if size.max(initial=0) == 0:
        raise Unusable(Reason.SILENT, "the impulse response is silent")
    first = int(np.argmax(size >= _DIRECT_WITHIN * size.max()))
    while first + 1 < len(size) and size[first + 1] > size[first]:
        first += 1
    return np.asarray(recorded[first:] / recorded[first], np.float32)


def reverberate(dry: Wave, response: Wave) -> Wave:
    """Convolve `dry` [T] with a response, and cut the result to the length of `dry`."""
    from scipy.signal import oaconvolve

    return np.asarray(oaconvolve(dry, response)[: len(dry)], np.float32)
