"""Tests of degradations: their records, replay, and independence of each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gensr_pref.audio import Wave, pcm16
from gensr_pref.config.run_file import (
    BandLimit,
    Clipping,
    Codec,
    Degrade,
    FolderSource,
    Noise,
    PacketLoss,
    Reverb,
)
from gensr_pref.corpus.degradation_sources import Library
from gensr_pref.corpus.degrade import Steps, apply_steps, degrade, draw_steps
from gensr_pref.corpus.speech_level import active_rms, decibels
from gensr_pref.errors import InputError, SourceError, Unusable
from gensr_pref.identity import rng_for
from gensr_pref.schema import Reason
from tests.refusals import raises

RATE = 16000


def settings(sample: Path, probability: float = 1.0, **only: Any) -> Degrade:
    noise = FolderSource(path=str(sample / "noise"))
    steps = {
        "reverb": Reverb(probability=probability),
        "clipping": Clipping(probability=probability),
        "band_limit": BandLimit(probability=probability),
        "noise": Noise(probability=probability, source=noise),
        "codec": Codec(probability=probability, names=["gsm", "ulaw", "vorbis"]),
        "packet_loss": PacketLoss(probability=probability),
    }
    return Degrade(**{**steps, **only})


def open_library(config: Degrade) -> Library:
    return Library.from_settings(config, Path("/"))


def draw_record(config: Degrade, seed: int = 0, num_samples: int = 5 * RATE) -> Steps:
    return draw_steps(config, open_library(config), rng_for(seed, "clip"), num_samples, RATE)


def one(speech: Wave, **step: Any) -> Wave:
    return apply_steps(speech, RATE, [step], Library())[0]


def test_record_is_json_in_order_and_complete(sample: Path) -> None:
    steps = draw_record(settings(sample))
    assert [step["step"] for step in steps] == [
        "reverb",
        "clipping",
        "band_limit",
        "noise",
        "codec",
        "packet_loss",
    ]
    assert json.loads(json.dumps(steps)) == steps
    noise = steps[3]
    assert "/" not in noise["file"]
    assert {"file", "start", "snr_db"} < set(noise)


def test_record_gives_the_same_samples_again(sample: Path, utterances: list[Wave]) -> None:
    config = settings(sample, probability=0.6)
    for number, clean in enumerate(utterances):
        made = degrade(clean, RATE, config, open_library(config), rng_for(number, "clip"))
        steps = json.loads(json.dumps(made.steps))
        noisy, target = apply_steps(clean, RATE, steps, open_library(config))
        np.testing.assert_array_equal(noisy, made.noisy)
        np.testing.assert_array_equal(target, made.clean)
        assert noisy.shape == target.shape == clean.shape


def test_target_is_the_dry_speech(sample: Path, speech: Wave) -> None:
    config = settings(sample)
    made = degrade(speech, RATE, config, open_library(config), rng_for(1, "clip"))
    gain = next((step["factor"] for step in made.steps if step["step"] == "gain"), 1.0)
    np.testing.assert_allclose(made.clean, speech * gain, atol=0.51 / 32768)
    assert np.array_equal(pcm16(made.clean) / 32768, made.clean)


def test_removing_one_step_changes_no_other(sample: Path) -> None:
    everything = {step["step"]: step for step in draw_record(settings(sample))}
    for name in everything:
        rest = draw_record(settings(sample, **{name: None}))
        assert {step["step"]: step for step in rest} == {
            other: step for other, step in everything.items() if other != name
        }


def test_another_probability_changes_no_parameter(sample: Path) -> None:
    everything = draw_record(settings(sample))
    rare = draw_record(settings(sample, probability=0.5))
    assert 0 < len(rare) < len(everything)
    assert all(step in everything for step in rare)


def test_seeds_do_not_depend_on_order(sample: Path, utterances: list[Wave]) -> None:
    config = settings(sample, probability=0.7, codec=None)
    library = open_library(config)

    def made(number: int) -> Wave:
        stream = rng_for(0, f"clip-{number}", "degrade")
        return degrade(utterances[number], RATE, config, library, stream).noisy

    forward = [made(number) for number in range(4)]
    backward = [made(number) for number in reversed(range(4))][::-1]
    for first, second in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(first, second)


def test_empty_record_changes_nothing(sample: Path, speech: Wave) -> None:
    config = settings(sample, probability=0.0)
    made = degrade(speech, RATE, config, open_library(config), rng_for(0, "clip"))
    assert made.steps == []
    np.testing.assert_array_equal(made.noisy, made.clean)


@pytest.mark.parametrize("snr_db", [-5.0, 10.0, 25.0])
def test_snr_is_over_active_speech(sample: Path, speech: Wave, snr_db: float) -> None:
    """0.05 dB: the gain is exact, but for the rounding of the clean speech to 16 bits."""
    paused = np.concatenate([speech, np.zeros(4 * RATE, np.float32)]) * np.float32(0.2)
    config = Degrade(
        noise=Noise(
            probability=1,
            source=FolderSource(path=str(sample / "noise")),
            snr_db=(snr_db, snr_db),
        )
    )
    made = degrade(paused, RATE, config, open_library(config), rng_for(2, "clip"))
    noise = made.noisy - made.clean
    measured = decibels(active_rms(made.clean, RATE) / float(np.sqrt(np.square(noise).mean())))
    assert measured == pytest.approx(snr_db, abs=0.05)


def test_snr_is_that_of_the_speech_at_the_noise_step(sample: Path, speech: Wave) -> None:
    config = settings(sample, clipping=None, band_limit=None, codec=None, packet_loss=None)
    quiet = speech * np.float32(0.1)
    library = open_library(config)
    made = degrade(quiet, RATE, config, library, rng_for(3, "clip"))
    reverb, noise = (step for step in made.steps if step["step"] != "gain")
    wet, _ = apply_steps(made.clean, RATE, [reverb], library)
    added = made.noisy - wet
    measured = decibels(active_rms(wet, RATE) / float(np.sqrt(np.square(added).mean())))
    assert measured == pytest.approx(noise["snr_db"], abs=0.05)


def test_short_noise_is_looped_from_any_point(speech: Wave, write: Any, tmp_path: Path) -> None:
    ramp = np.linspace(-0.5, 0.5, RATE // 2, dtype=np.float32)
    write("noise/ramp.wav", ramp, subtype="FLOAT")
    config = Degrade(noise=Noise(probability=1, source=FolderSource(path="noise")))
    library = Library.from_settings(config, tmp_path)
    starts = set()
    for seed in range(4):
        (step,) = draw_steps(config, library, rng_for(seed, "clip"), len(speech), RATE)
        starts.add(step["start"])
        looped = library.noise.read_looped("ramp.wav", step["start"], len(speech)).wave  # type: ignore[union-attr]
        np.testing.assert_array_equal(looped, np.resize(np.roll(ramp, -step["start"]), len(speech)))
    assert len(starts) == 4
    assert max(starts) < RATE // 2


def test_segment_of_long_noise_is_inside_the_file(sample: Path) -> None:
    config = settings(sample)
    for seed in range(20):
        noise = draw_record(config, seed, 5 * RATE)[3]
        assert 0 <= noise["start"] <= 3 * RATE  # the files last 8 s


def test_noise_at_another_rate(speech: Wave, write: Any, tmp_path: Path) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(44100) / 44100)
    write("noise/tone.wav", tone, rate=44100)
    config = Degrade(
        noise=Noise(probability=1, source=FolderSource(path="noise"), snr_db=(-20, -20))
    )
    library = Library.from_settings(config, tmp_path)
    made = degrade(speech * np.float32(0.1), RATE, config, library, rng_for(0, "clip"))
    spectrum = np.abs(np.fft.rfft(made.noisy))
    peak = np.fft.rfftfreq(len(speech), 1 / RATE)[int(np.argmax(spectrum))]
    assert peak == pytest.approx(1000, abs=2)


@pytest.mark.parametrize("threshold", [0.1, 0.5])
def test_clipping_is_at_its_share_of_the_peak(speech: Wave, threshold: float) -> None:
    clipped = one(speech, step="clipping", threshold=threshold)
    assert np.abs(clipped).max() == pytest.approx(threshold * np.abs(speech).max(), rel=1e-4)
    below = np.abs(speech) < 0.99 * threshold * np.abs(speech).max()
    np.testing.assert_allclose(clipped[below], speech[below], atol=1e-7)


@pytest.mark.parametrize("rate_hz", [4000, 8000])
def test_band_limit_removes_what_is_above_it(speech: Wave, rate_hz: int) -> None:
    limited = one(speech, step="band_limit", rate_hz=rate_hz)
    assert limited.shape == speech.shape
    frequency = np.fft.rfftfreq(len(speech), 1 / RATE)
    before, after = (np.square(np.abs(np.fft.rfft(wave))) for wave in (speech, limited))
    assert after[frequency > rate_hz / 2 * 1.05].sum() < 1e-5 * after.sum()
    kept = (frequency > 200) & (frequency < rate_hz / 2 * 0.8)
    assert after[kept].sum() == pytest.approx(before[kept].sum(), rel=0.01)


def test_packet_loss_is_silent_packets_in_bursts(speech: Wave) -> None:
    config = Degrade(packet_loss=PacketLoss(probability=1, rate=(0.1, 0.1), burst=3.0))
    long = np.resize(speech, 400 * RATE)
    (step,) = draw_steps(config, Library(), rng_for(0, "clip"), len(long), RATE)
    lost = np.zeros(400 * 50, bool)
    lost[step["lost"]] = True
    assert lost.mean() == pytest.approx(0.1, abs=0.015)
    bursts = np.count_nonzero(np.diff(lost.astype(int), prepend=0) == 1)
    assert lost.sum() / bursts == pytest.approx(3.0, abs=0.4)
    heard = one(long, **step).reshape(-1, 320)
    assert not heard[lost].any()
    np.testing.assert_array_equal(heard[~lost], long.reshape(-1, 320)[~lost])


def test_packet_loss_rate_in_the_mean_over_short_clips() -> None:
    config = Degrade(packet_loss=PacketLoss(probability=1, rate=(0.1, 0.1), burst=2.0))
    shares = [
        len(draw_steps(config, Library(), rng_for(seed, "c"), 2 * RATE, RATE)[0]["lost"]) / 100
        for seed in range(400)
    ]
    assert np.mean(shares) == pytest.approx(0.1, abs=0.012)


def test_noisy_and_clean_are_scaled_by_one_recorded_gain(sample: Path, speech: Wave) -> None:
    loud = speech / np.abs(speech).max()
    noise = FolderSource(path=str(sample / "noise"))
    config = Degrade(noise=Noise(probability=1, source=noise, snr_db=(-10, -10)))
    library = open_library(config)
    made = degrade(loud, RATE, config, library, rng_for(0, "clip"))
    gain, _ = made.steps
    assert gain["step"] == "gain"
    assert 0 < gain["factor"] < 1
    assert 0.9 < np.abs(made.noisy).max() <= 1
    np.testing.assert_allclose(made.clean, loud * gain["factor"], atol=0.51 / 32768)
    unscaled, _ = apply_steps(loud, RATE, made.steps[1:], library)
    assert np.abs(unscaled).max() > 1
    np.testing.assert_allclose(made.noisy, unscaled * gain["factor"], atol=1e-3)


def test_silent_segment_of_noise_is_a_reason(speech: Wave, write: Any, tmp_path: Path) -> None:
    write("noise/still.wav", np.zeros(RATE))
    config = Degrade(noise=Noise(probability=1, source=FolderSource(path="noise")))
    with raises(Unusable, reason="silent") as caught:
        degrade(speech, RATE, config, Library.from_settings(config, tmp_path), rng_for(0, "clip"))
    assert "still.wav" in caught.value.detail


def test_speechless_clip_under_noise_is_a_reason(sample: Path) -> None:
    config = settings(sample, reverb=None, clipping=None, band_limit=None)
    click = np.zeros(RATE, np.float32)
    click[50] = 0.9
    with pytest.raises(Unusable) as caught:
        degrade(click, RATE, config, open_library(config), rng_for(0, "clip"))
    assert caught.value.reason is Reason.NO_SPEECH


def test_unusable_noise_file_is_refused_at_opening(write: Any, tmp_path: Path) -> None:
    write("noise/good.wav")
    (tmp_path / "noise/bad one.wav").write_bytes(b"no audio")
    config = Degrade(noise=Noise(source=FolderSource(path="noise")))
    with raises(SourceError, field="corpus.degrade.noise.source", problem="unreadable"):
        Library.from_settings(config, tmp_path)


def test_corrupt_noise_names_the_file(speech: Wave, write: Any, tmp_path: Path) -> None:
    path = write("noise/cut.flac", seconds=4.0)
    content = path.read_bytes()
    path.write_bytes(content[:2000] + bytes(100) + content[2100:])
    config = Degrade(noise=Noise(probability=1, source=FolderSource(path="noise")))
    with raises(Unusable, reason="unreadable") as caught:
        degrade(speech, RATE, config, Library.from_settings(config, tmp_path), rng_for(0, "clip"))
    assert "cut.flac" in caught.value.detail


def test_recorded_rooms(speech: Wave, write: Any, tmp_path: Path) -> None:
    response = np.zeros(8000, np.float32)
    response[80], response[1680] = 0.5, 0.25
    write("rooms/hall.wav", response, subtype="FLOAT")
    config = Degrade(reverb=Reverb(probability=1, source=FolderSource(path="rooms")))
    library = Library.from_settings(config, tmp_path)
    made = degrade(speech * np.float32(0.3), RATE, config, library, rng_for(0, "clip"))
    assert made.steps == [{"step": "reverb", "file": "hall.wav"}]
    echo = np.pad(made.clean, (1600, 0))[: len(speech)]
    np.testing.assert_allclose(made.noisy, made.clean + 0.5 * echo, atol=1e-5)


def test_library_drops_the_oldest_file_from_its_cache(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        write(f"noise/{name}.wav", seconds=1.0)
    monkeypatch.setattr("gensr_pref.corpus.degradation_sources.CACHE_BYTES", 2 * RATE * 4)
    config = Degrade(noise=Noise(source=FolderSource(path="noise")))
    noise = Library.from_settings(config, tmp_path).noise
    assert noise is not None
    first = {name: noise.read_whole(name).wave for name in noise.names}
    assert noise.read_whole("c.wav").wave is first["c.wav"]
    assert noise.read_whole("a.wav").wave is not first["a.wav"]
    np.testing.assert_array_equal(noise.read_whole("a.wav").wave, first["a.wav"])


def test_very_long_noise_is_read_in_segments(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("noise/long.wav", seconds=3.0)
    monkeypatch.setattr("gensr_pref.corpus.degradation_sources._LARGEST_CACHED", 1000)
    config = Degrade(noise=Noise(source=FolderSource(path="noise")))
    noise = Library.from_settings(config, tmp_path).noise
    assert noise is not None
    stretch = noise.read_looped(path.name, 100, 500).wave
    np.testing.assert_array_equal(stretch, noise.read_whole(path.name).wave[100:600])


def test_record_of_other_settings_is_refused(sample: Path, speech: Wave) -> None:
    with raises(InputError, value="reverbb", problem="unknown"):
        one(speech, step="reverbb")
    noise = {"step": "noise", "file": "other.wav", "start": 0, "snr_db": 3.0}
    with raises(InputError, value="noise", problem="missing"):
        one(speech, **noise)
    with raises(SourceError, value="other.wav", problem="missing"):
        apply_steps(speech, RATE, [noise], open_library(settings(sample)))
