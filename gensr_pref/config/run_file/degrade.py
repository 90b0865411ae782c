"""The section ``corpus.degrade`` of a run file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from gensr_pref.config.run_file.fields import (
    Model,
    PositiveRange,
    Probability,
    Range,
    ShareRange,
)
from gensr_pref.config.run_file.sources import FileSource


class Reverb(Model):
    """Reverberation by a simulated room (image source method) or a recorded impulse response."""

    probability: Probability = 0.5
    rt60_s: PositiveRange = Field(
        (0.2, 0.8),
        description="reverberation time in seconds, drawn uniformly; for simulated rooms",
    )
    distance_m: PositiveRange = Field(
        (0.5, 3.0), description="distance from source to microphone in metres; for simulated rooms"
    )
    source: FileSource | None = Field(
        None, description="recorded impulse responses; null: rooms are simulated"
    )


class Clipping(Model):
    """Clipping of the amplitude at a share of the clip's peak."""

    probability: Probability = 0.25
    threshold: PositiveRange = Field((0.06, 0.9), description="share of the peak, drawn uniformly")


class BandLimit(Model):
    """Resampling down to one of the rates and back."""

    probability: Probability = 0.5
    rates_hz: list[Annotated[int, Field(ge=1000)]] = Field(
        [4000, 8000], min_length=1, description="rates to draw from"
    )


class Noise(Model):
    """Noise added at a signal-to-noise ratio over active speech (ITU-T P.56)."""

    probability: Probability = 0.9
    source: FileSource = Field(description="recordings of noise")
    snr_db: Range = Field((-5.0, 20.0), description="signal-to-noise ratio in dB")


class Codec(Model):
    """Encoding and decoding by libsndfile."""

    probability: Probability = 0.2
    names: list[Literal["opus", "vorbis", "gsm", "ulaw"]] = Field(
        ["opus", "gsm"],
        min_length=1,
        description="codecs to draw from: opus (6 to 8 kbit/s), vorbis (28 to 33), gsm (13, "
        "at 8 kHz), ulaw (64, at 8 kHz)",
    )


class PacketLoss(Model):
    """Replacement of 20 ms packets by silence, in bursts (Gilbert model)."""

    probability: Probability = 0.2
    rate: ShareRange = Field((0.02, 0.15), description="share of packets lost")
    burst: float = Field(2.0, ge=1, description="mean number of packets lost in a row")


class Degrade(Model):
    """Degradations of clean speech, applied in this order; a step that is null is not applied.

    Each step is applied to a clip with its `probability`. If there is only one step, its
    probability is 1 unless it is set.
    """

    reverb: Reverb | None = None
    clipping: Clipping | None = None
    band_limit: BandLimit | None = None
    noise: Noise | None = None
    codec: Codec | None = None
    packet_loss: PacketLoss | None = None

    @model_validator(mode="before")
    @classmethod
    def _apply_only_step_always(cls, data: Any) -> Any:
        """Set the probability of a step that is the only one to 1, unless it is given."""
        steps = [name for name in data if data[name] is not None] if isinstance(data, dict) else []
        if len(steps) != 1 or not isinstance(data[steps[0]], dict):
            return data
        return {steps[0]: {"probability": 1.0, **data[steps[0]]}}
