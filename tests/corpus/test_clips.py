"""Tests of making clips: order, text, scaling, failures and replay."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from gensr_pref import audio, schema
from gensr_pref.audio import Wave, pcm16
from gensr_pref.config.run_file import Corpus
from gensr_pref.corpus.clip_plan import ClipPlan, plan_clips
from gensr_pref.corpus.clips import ClipMaker, replay
from gensr_pref.corpus.degradation_sources import Library
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason
from tests.corpus.sections import corpus
from tests.refusals import raises

RATE = 16000


def rows_of(config: Corpus, base: Path, seed: int = 0) -> list[dict[str, Any]]:
    maker = ClipMaker(config, seed, base)
    return [maker.make(spec) for spec in plan_clips(config, seed, base).clips]


def test_real_clips(prompts: Corpus, sample: Path) -> None:
    rows = rows_of(prompts, sample)
    table = pa.Table.from_pylist(rows, schema=schema.CLIPS)
    table.validate(full=True)
    assert len(rows) == 10
    for row in rows:
        assert row["num_samples"] % 320 == 0
        for name in ("noisy", "clean"):
            sound = audio.from_column(row[name])
            assert sound is not None
            assert (len(sound.wave), sound.rate) == (row["num_samples"], RATE)
        origin = json.loads(row["source"])
        assert set(origin) == {"source_id", "start", "frames", "rate"}
        assert origin["source_id"].startswith("speech/")
        whole = soundfile.info(sample / origin["source_id"]).frames - origin["frames"] < 320
        if row["language"] == "en":  # the others come without text
            assert (row["text"] is not None) == whole
        assert row["speaker"].startswith("prompt-")
    assert len({row["clip_id"] for row in rows}) == 10


def test_stored_noisy_is_replayed_exactly(prompts: Corpus, sample: Path) -> None:
    assert prompts.degrade is not None
    seen = set()
    for row in rows_of(prompts, sample):
        noisy = audio.from_column(row["noisy"])
        assert noisy is not None
        again = replay(row, Library.from_settings(prompts.degrade, sample))
        np.testing.assert_array_equal(pcm16(again), pcm16(noisy.wave))
        seen |= {step["step"] for step in json.loads(row["degradation"])}
    assert seen >= {"reverb", "clipping", "band_limit", "noise", "codec", "packet_loss", "gain"}


def test_clips_do_not_depend_on_order_or_process(prompts: Corpus, sample: Path) -> None:
    specs = pickle.loads(pickle.dumps(plan_clips(prompts, 0, sample).clips))
    forward = rows_of(prompts, sample)
    backward = [ClipMaker(prompts, 0, sample).make(spec) for spec in reversed(specs)]
    assert forward == backward[::-1]
    assert rows_of(prompts, sample, seed=1) != forward


def test_only_a_whole_recording_has_text(write: Any, tmp_path: Path) -> None:
    write("short.wav", seconds=2.0)
    write("long.wav", seconds=7.0)
    (tmp_path / "speech.csv").write_text("path,text\nshort.wav,hello\nlong.wav,good bye\n")
    source = {
        "kind": "manifest",
        "path": "speech.csv",
        "columns": {"audio": "path", "text": "text"},
    }
    rows = rows_of(corpus(source=source), tmp_path)
    assert [row["text"] for row in rows] == ["hello", None, None, None]
    assert [json.loads(row["source"])["start"] for row in rows] == [0, 0, 37120, 74240]


def test_recording_is_the_noisy_input_without_degradation(write: Any, tmp_path: Path) -> None:
    path = write("speech/ä b.wav", rate=RATE, seconds=1.51)
    (row,) = rows_of(corpus(), tmp_path)
    recording, _ = soundfile.read(path, dtype="int16")
    noisy = audio.from_column(row["noisy"])
    assert noisy is not None
    np.testing.assert_array_equal(pcm16(noisy.wave), recording[: 75 * 320])
    assert row["clean"] is None
    assert row["degradation"] is None
    assert row["clip_id"].startswith("ä_b-")
    with raises(Unusable, reason="no_clean"):
        replay(row, Library())


def test_paired_clips(write: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clean = rng.normal(0, 0.1, 44100 * 2).astype(np.float32)
    write("clean/a.wav", clean, rate=44100)
    write("noisy/a.flac", clean[: 44100 * 2 - 500] * 0.5, rate=44100)
    source = {"kind": "paired", "noisy": "noisy", "clean": "clean"}
    (row,) = rows_of(corpus(source=source), tmp_path)
    noisy, target = audio.from_column(row["noisy"]), audio.from_column(row["clean"])
    assert noisy is not None
    assert target is not None
    assert len(noisy.wave) == len(target.wave) == row["num_samples"] == 99 * 320
    inner = slice(0, -320)
    np.testing.assert_allclose(noisy.wave[inner], 0.5 * target.wave[inner], atol=1e-3)
    assert row["degradation"] is None


def test_96_khz_stereo_becomes_a_clip(write: Any, tmp_path: Path, speech: Wave) -> None:
    wide = audio.resample(speech, RATE, 96000)
    write("speech/wide.wav", np.stack([wide, wide], 1), rate=96000, subtype="FLOAT")
    row, second = rows_of(corpus(), tmp_path)
    noisy = audio.from_column(row["noisy"])
    assert noisy is not None
    same = speech[: row["num_samples"]]
    lost = noisy.wave - same  # what the resamplers take away near 8 kHz
    assert np.square(lost).sum() < 0.01 * np.square(same).sum()
    assert json.loads(second["source"])["rate"] == 96000


def test_recording_beyond_full_scale_is_scaled_and_recorded(write: Any, tmp_path: Path) -> None:
    wave = np.random.default_rng(0).normal(0, 1, 2 * RATE).astype(np.float32)
    write("speech/hot.wav", wave, subtype="FLOAT")
    (row,) = rows_of(corpus(), tmp_path)
    gain = json.loads(row["source"])["gain"]
    assert gain == pytest.approx(0.98 / np.abs(wave).max())
    noisy = audio.from_column(row["noisy"])
    assert noisy is not None
    np.testing.assert_allclose(noisy.wave, wave * gain, atol=1 / 32768)


@pytest.mark.parametrize(
    ("peak_db", "subtype", "noted"),
    [(-60, "PCM_24", True), (-60, "FLOAT", True), (-60, "PCM_16", False), (-20, "PCM_24", False)],
)
def test_large_rounding_error_of_16_bits_is_recorded(
    write: Any, tmp_path: Path, speech: Wave, peak_db: float, subtype: str, noted: bool
) -> None:
    wave = speech / np.abs(speech).max() * np.float32(10 ** (peak_db / 20))
    path = write("speech/quiet.wav", wave, subtype=subtype)
    row = rows_of(corpus(), tmp_path)[0]
    origin, stored = json.loads(row["source"]), audio.from_column(row["noisy"])
    assert ("rounding_snr_db" in origin) == noted
    if noted:
        assert stored is not None
        exact = soundfile.read(path)[0][: len(stored.wave)]
        error = exact - stored.wave
        snr = 10 * np.log10(np.sum(exact**2) / np.sum(error**2))
        assert origin["rounding_snr_db"] == pytest.approx(snr, abs=0.06)
        assert snr < 40


def nan(write: Any) -> None:
    wave = np.full(2 * RATE, 0.1, np.float32)
    wave[RATE] = np.nan
    write("speech/bad.wav", wave, subtype="FLOAT")


def silent(write: Any) -> None:
    write("speech/bad.wav", np.zeros(2 * RATE))


def corrupt(write: Any) -> None:
    path = write("speech/bad.flac", seconds=2.0)
    content = path.read_bytes()
    path.write_bytes(content[:9000] + bytes(100) + content[9100:])


def vanished(write: Any) -> None:
    write("speech/bad.wav")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (nan, Reason.NOT_FINITE),
        (silent, Reason.SILENT),
        (corrupt, Reason.UNREADABLE),
        (vanished, Reason.MISSING),
    ],
)
def test_damage_that_only_decoding_shows_is_a_failure(
    write: Any, tmp_path: Path, spoil: Any, reason: Reason
) -> None:
    spoil(write)
    write("speech/good.wav")
    planned = plan_clips(corpus(), 0, tmp_path)
    maker = ClipMaker(corpus(), 0, tmp_path)
    bad, good = planned.clips
    if spoil is vanished:
        (tmp_path / "speech/bad.wav").unlink()
    with pytest.raises(Unusable) as caught:
        maker.make(bad)
    assert caught.value.reason is reason
    assert maker.make(good)["clip_id"] == good.clip_id


def test_truncated_recording_is_one_failure_without_clips(write: Any, tmp_path: Path) -> None:
    for name in ("cut.flac", "cut.wav"):
        path = write(f"speech/{name}", seconds=30.0)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    write("speech/good.wav")
    planned = plan_clips(corpus(), 0, tmp_path)
    assert [spec.item.source_id for spec in planned.clips] == ["good.wav"]
    assert [(failed.clip_id, failed.reason) for failed in planned.failures] == [
        ("cut.flac", Reason.TRUNCATED),
        ("cut.wav", Reason.TRUNCATED),
    ]


def test_recording_of_3_ms_is_a_failure(write: Any, tmp_path: Path) -> None:
    write("speech/blip.wav", seconds=0.003)
    write("speech/good.wav")
    planned = plan_clips(corpus(), 0, tmp_path)
    assert len(planned.clips) == 1
    (failure,) = planned.failures
    assert (failure.clip_id, failure.reason) == ("blip.wav", Reason.TOO_SHORT)


def test_real_corpus(data: Path) -> None:
    columns = {"audio": "path", "text": "text", "speaker": "speaker"}
    config = corpus(
        source={"kind": "manifest", "path": "speech.csv", "columns": columns},
        segment_seconds=(2, 10),
        limit=6,
        degrade={
            "reverb": {"source": {"kind": "manifest", "path": "rir.csv"}, "probability": 1},
            "noise": {"source": {"kind": "manifest", "path": "noise.csv"}, "probability": 1},
        },
    )
    assert config.degrade is not None
    planned: ClipPlan = plan_clips(config, 0, data)
    assert {failure.reason for failure in planned.failures} == {Reason.TOO_SHORT}
    library = Library.from_settings(config.degrade, data)
    for row in rows_of(config, data):
        noisy = audio.from_column(row["noisy"])
        assert noisy is not None
        np.testing.assert_array_equal(pcm16(replay(row, library)), pcm16(noisy.wave))
