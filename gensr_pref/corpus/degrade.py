"""Degradation of clean speech, with an exact record.

`draw_steps` returns the record: an ordered list of steps with all their parameters, as data that
JSON can hold. `apply_steps` applies it and nothing else: the same clean samples and the same record
give the same noisy samples. `degrade` does both.

    reverb       a room around the talker and the microphone
    clipping     the microphone's amplifier at its limit
    band_limit   a narrow channel
    noise        additive noise, at an SNR over active speech
    codec        coding at a low bit rate
    packet_loss  20 ms packets that never arrive
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gensr_pref.audio import SILENCE, Wave, pcm16, resample
from gensr_pref.config import run_file
from gensr_pref.corpus.codec import fit_length, transcode
from gensr_pref.corpus.degradation_sources import Library, RecordingPool
from gensr_pref.corpus.rooms import (
    Room,
    align_to_direct_path,
    draw_room,
    reverberate,
    simulate_response,
)
from gensr_pref.corpus.speech_level import active_rms
from gensr_pref.errors import InputError, Problem, Unusable
from gensr_pref.schema import Reason

PACKETS_PER_SECOND = 50
HEADROOM = 0.98  # peak after a gain; codecs overshoot a little
_GAIN_ATTEMPTS = 4

Step = dict[str, Any]
Steps = list[Step]


@dataclass(frozen=True)
class Degraded:
    """A noisy waveform [T], its clean target [T], and the record of the degradation.

    `clean` is on the 16-bit grid, so that it can be stored and degraded again exactly.
    """

    noisy: Wave
    clean: Wave
    steps: Steps


def degrade(
    clean: Wave, rate: int, settings: run_file.Degrade, library: Library, rng: np.random.Generator
) -> Degraded:
    """Draw a record and apply it, after a gain if the result would exceed full scale.

    Args:
        clean: [T], dry speech in [-1, 1].
        rate: Hz.
        settings: probabilities and strengths of the steps.
        library: library from the same settings.
        rng: random generator; each step has its own stream, so that removing one step does not
            change the others.

    Raises:
        Unusable: NO_SPEECH or SILENT, of the speech under the noise or of a segment of noise.
    """
    return within_full_scale(
        clean, rate, draw_steps(settings, library, rng, len(clean), rate), library
    )


def within_full_scale(clean: Wave, rate: int, steps: Steps, library: Library) -> Degraded:
    """Apply steps after one gain, recorded as the first step, that keeps every stage below 1."""
    gain = 1.0
    for _ in range(_GAIN_ATTEMPTS):
        recorded = [{"step": "gain", "factor": gain}, *steps] if gain < 1 else steps
        noisy, scaled, peak = _apply_with_peak(clean, rate, recorded, library)
        if peak <= 1:
            break
        gain *= HEADROOM / peak
    return Degraded(noisy, scaled, recorded)


def apply_steps(clean: Wave, rate: int, steps: Steps, library: Library) -> tuple[Wave, Wave]:
    """Apply the steps of a record.

    Args:
        clean: [T] in [-1, 1], before any gain.
        steps: result of `draw_steps`, or a clip's ``degradation``.
        library: library with the files that the record names.

    Returns:
        noisy [T], and the clean target [T], which is scaled by the recorded gain and rounded to
        16 bits.
    """
    noisy, scaled, _ = _apply_with_peak(clean, rate, steps, library)
    return noisy, scaled


def _apply_with_peak(
    clean: Wave, rate: int, steps: Steps, library: Library
) -> tuple[Wave, Wave, float]:
    gain = math.prod(step["factor"] for step in steps if step["step"] == "gain")
    scaled = pcm16(clean * np.float32(gain)).astype(np.float32) / np.float32(32768)
    noisy, peak = scaled, 0.0
    for step in steps:
        if step["step"] != "gain":
            noisy = _apply_function(step["step"])(noisy, rate, step, library)
            peak = max(peak, float(np.abs(noisy).max(initial=0)))
    return noisy, scaled, peak


@dataclass(frozen=True)
class _Draw:
    """The inputs from which a step's parameters are drawn."""

    library: Library
    rng: np.random.Generator
    num_samples: int
    rate: int

    def within(self, bounds: tuple[float, float]) -> float:
        return float(self.rng.uniform(*bounds))

    def one_of(self, values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]


def draw_steps(
    settings: run_file.Degrade,
    library: Library,
    rng: np.random.Generator,
    num_samples: int,
    rate: int,
) -> Steps:
    """Return the steps of one clip of `num_samples` at `rate`, with all their parameters."""
    steps: Steps = []
    for (name, drawn), stream in zip(
        _DRAW_FUNCTIONS.items(), rng.spawn(len(_DRAW_FUNCTIONS)), strict=True
    ):
        setting = getattr(settings, name)
        if setting is not None and stream.random() < setting.probability:
            parameters = drawn(setting, _Draw(library, stream, num_samples, rate))
            steps.append({"step": name, **parameters})
    return steps


def _draw_reverb(setting: run_file.Reverb, draw: _Draw) -> Step:
    if setting.source is not None:
        return {"file": draw.one_of(_require_pool(draw.library.responses, "reverb").names)}
    rt60_s, distance_m = draw.within(setting.rt60_s), draw.within(setting.distance_m)
    room = draw_room(rt60_s, distance_m, draw.rate, draw.rng)
    return {
        "rt60_s": rt60_s,
        "room_m": list(room.size_m),
        "talker_m": list(room.talker_m),
        "microphone_m": list(room.microphone_m),
        "absorption": room.absorption,
        "max_order": room.max_order,
    }


def _reverb(wave: Wave, rate: int, step: Step, library: Library) -> Wave:
    if "file" in step:
        recorded = _require_pool(library.responses, "reverb").read_whole(step["file"])
        return reverberate(wave, align_to_direct_path(recorded.at(rate).wave))
    room = Room(
        tuple(step["room_m"]),
        tuple(step["talker_m"]),
        tuple(step["microphone_m"]),
        step["absorption"],
        step["max_order"],
    )
    return reverberate(wave, simulate_response(room, step["rt60_s"], rate))


def _draw_clipping(setting: run_file.Clipping, draw: _Draw) -> Step:
    return {"threshold": draw.within(setting.threshold)}


def _clipping(wave: Wave, rate: int, step: Step, library: Library) -> Wave:
    limit = np.float32(step["threshold"]) * np.abs(wave).max(initial=0)
    return np.clip(wave, -limit, limit)


def _draw_band_limit(setting: run_file.BandLimit, draw: _Draw) -> Step:
    return {"rate_hz": draw.one_of(setting.rates_hz)}


def _band_limit(wave: Wave, rate: int, step: Step, library: Library) -> Wave:
    narrow = resample(wave, rate, step["rate_hz"])
    return fit_length(resample(narrow, step["rate_hz"], rate), len(wave))


def _draw_noise(setting: run_file.Noise, draw: _Draw) -> Step:
    """Draw a segment inside the file if it is long enough, else a loop from any point of it."""
    noise = _require_pool(draw.library.noise, "noise")
    file = draw.one_of(noise.names)
    item = noise.header(file)
    spare = item.frames - _frames_at(item.rate, draw.num_samples, draw.rate)
    starts = spare + 1 if spare >= 0 else item.frames
    start = int(draw.rng.random() * starts)
    return {"file": file, "start": start, "snr_db": draw.within(setting.snr_db)}


def _noise(wave: Wave, rate: int, step: Step, library: Library) -> Wave:
    """Add noise to the speech as it is at this step: reverberated, clipped and band-limited."""
    source = _require_pool(library.noise, "noise")
    item = source.header(step["file"])
    frames = _frames_at(item.rate, len(wave), rate)
    noise = fit_length(
        source.read_looped(step["file"], step["start"], frames).at(rate).wave, len(wave)
    )
    if float(np.abs(noise).max(initial=0)) <= SILENCE:
        detail = f"noise {step['file']!r} is silent from frame {step['start']} on"
        raise Unusable(Reason.SILENT, detail)
    rms = math.sqrt(float(np.square(noise, dtype=np.float64).mean()))
    gain = active_rms(wave, rate) / (rms * 10 ** (step["snr_db"] / 20))
    return wave + np.float32(gain) * noise


def _frames_at(rate: int, num_samples: int, clip_rate: int) -> int:
    return -(-num_samples * rate // clip_rate)


def _draw_codec(setting: run_file.Codec, draw: _Draw) -> Step:
    return {"name": draw.one_of(setting.names)}


def _codec(wave: Wave, rate: int, step: Step, library: Library) -> Wave:
    return transcode(wave, rate, step["name"])


def _draw_packet_loss(setting: run_file.PacketLoss, draw: _Draw) -> Step:
    """Draw losses by Gilbert's model: a two-state chain with the rate as share of losses."""
    rate = draw.within(setting.rate)
    recover = 1 / setting.burst
    lose = min(1.0, recover * rate / max(1 - rate, 1e-9))
    packets = math.ceil(draw.num_samples * PACKETS_PER_SECOND / draw.rate)
    chance = draw.rng.random(packets)
    lost, is_lost = [], bool(draw.rng.random() < rate)
    for packet in range(packets):
        is_lost = bool(chance[packet] < (1 - recover if is_lost else lose))
        if is_lost:
            lost.append(packet)
    return {"rate": rate, "packet_ms": 1000 // PACKETS_PER_SECOND, "lost": lost}


def _packet_loss(wave: Wave, rate: int, step: Step, library: Library) -> Wave:
    received = wave.copy()
    length = rate * step["packet_ms"] // 1000
    for packet in step["lost"]:
        received[packet * length : (packet + 1) * length] = 0
    return received


def _require_pool(recordings: RecordingPool | None, name: str) -> RecordingPool:
    if recordings is None:
        raise InputError(
            f"the record has a step {name!r} with files; make the library from the settings "
            f"of that record (their {name}.source)",
            value=name,
            problem=Problem.MISSING,
        )
    return recordings


def _apply_function(name: str) -> Callable[[Wave, int, Step, Library], Wave]:
    if name not in _APPLY_FUNCTIONS:
        raise InputError(
            f"the record has an unknown step {name!r}.", value=name, known=_APPLY_FUNCTIONS
        )
    return _APPLY_FUNCTIONS[name]


_DRAW_FUNCTIONS: dict[str, Callable[[Any, _Draw], Step]] = {
    "reverb": _draw_reverb,
    "clipping": _draw_clipping,
    "band_limit": _draw_band_limit,
    "noise": _draw_noise,
    "codec": _draw_codec,
    "packet_loss": _draw_packet_loss,
}
_APPLY_FUNCTIONS: dict[str, Callable[[Wave, int, Step, Library], Wave]] = {
    "reverb": _reverb,
    "clipping": _clipping,
    "band_limit": _band_limit,
    "noise": _noise,
    "codec": _codec,
    "packet_loss": _packet_loss,
}
