"""Tests of planning and making clips: order, limits, splits and replay."""

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
from gensr_pref.config import run_file
from gensr_pref.config.run_file import Corpus
from gensr_pref.corpus.clips import ClipMaker, ClipPlan, assign_splits, plan_clips, replay
from gensr_pref.corpus.degradation_sources import Library
from gensr_pref.errors import ConfigError, SourceError, Unusable
from gensr_pref.schema import Reason
from tests.refusals import raises

RATE = 16000


def corpus(**fields: Any) -> Corpus:
    defaults = {"source": {"kind": "folder", "path": "speech"}, "segment_seconds": (1, 3)}
    return Corpus(**{**defaults, **fields})


def rows_of(config: Corpus, base: Path, seed: int = 0) -> list[dict[str, Any]]:
    maker = ClipMaker(config, seed, base)
    return [maker.make(spec) for spec in plan_clips(config, seed, base).clips]


def noise_of(sample: Path) -> dict[str, Any]:
    return {"probability": 0.9, "source": {"kind": "folder", "path": str(sample / "noise")}}


def everything(sample: Path) -> dict[str, Any]:
    return {
        "reverb": {"probability": 0.5},
        "clipping": {"probability": 0.5},
        "band_limit": {"probability": 0.5},
        "noise": {**noise_of(sample), "snr_db": (-10, 10)},
        "codec": {"probability": 0.5, "names": ["gsm", "vorbis", "ulaw"]},
        "packet_loss": {"probability": 0.5},
    }


@pytest.fixture(scope="module")
def prompts(sample: Path) -> Corpus:
    columns = {"audio": "path", "text": "text", "speaker": "speaker", "language": "language"}
    source = {"kind": "manifest", "path": str(sample / "speech.csv"), "columns": columns}
    return corpus(source=source, limit=10, segment_seconds=(1, 4), degrade=everything(sample))


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


def test_clips_of_a_small_limit_are_among_those_of_a_larger_one(
    prompts: Corpus, sample: Path
) -> None:
    def ids(limit: int | None) -> list[str]:
        chosen = prompts.model_copy(update={"limit": limit})
        return [spec.clip_id for spec in plan_clips(chosen, 0, sample).clips]

    few, more, every = ids(8), ids(24), ids(None)
    assert len(few) == 8
    assert set(few) < set(more) < set(every)
    assert few != every[:8]
    assert more == [name for name in every if name in set(more)]
    assert ids(10_000) == every


def test_no_speaker_is_in_both_splits(write: Any, tmp_path: Path) -> None:
    for number in range(60):
        write(f"speech/{number % 20}/{number}.wav", seconds=1.0)
    source = {"kind": "folder", "path": "speech", "speaker": "parent"}
    clips = plan_clips(corpus(source=source, validation={"share": 0.3}), 0, tmp_path).clips
    sides: dict[str, set[str]] = {}
    for spec in clips:
        sides.setdefault(spec.item.speaker or "", set()).add(spec.split)
    assert all(len(side) == 1 for side in sides.values())
    held_out = [side for side in sides.values() if side == {"validation"}]
    assert 1 <= len(held_out) <= 12
    by_clip = corpus(source=source, validation={"share": 0.3, "by": "clip"})
    splits = [spec.split for spec in plan_clips(by_clip, 0, tmp_path).clips]
    assert 8 <= splits.count("validation") <= 28


def test_segments_of_a_recording_stay_in_one_split_by_source(write: Any, tmp_path: Path) -> None:
    for number in range(20):
        write(f"speech/{number}.wav", seconds=4.0)
    source = {"kind": "folder", "path": "speech"}
    sides: dict[str, dict[str, set[str]]] = {"source": {}, "clip": {}}
    for by, found in sides.items():
        settings = corpus(
            source=source, segment_seconds=(1, 1), validation={"share": 0.4, "by": by}
        )
        for spec in plan_clips(settings, 0, tmp_path).clips:
            found.setdefault(spec.item.source_id, set()).add(spec.split)
    assert all(len(side) == 1 for side in sides["source"].values())
    assert {"validation"} in sides["source"].values()
    assert any(len(side) == 2 for side in sides["clip"].values())


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


def test_corpus_of_short_recordings_only_is_an_error(write: Any, tmp_path: Path) -> None:
    write("speech/blip.wav", seconds=0.003)
    with raises(
        SourceError, field="corpus.source", value=[("blip.wav", "too_short")], problem="empty"
    ):
        plan_clips(corpus(), 0, tmp_path)


def test_two_rows_of_one_recording_are_refused(write: Any, tmp_path: Path) -> None:
    write("a.wav")
    write("b.wav")
    (tmp_path / "speech.csv").write_text("path\na.wav\nb.wav\n./a.wav\n")
    with raises(SourceError, field="corpus.source", value="a.wav", problem="duplicate"):
        plan_clips(corpus(source={"kind": "manifest", "path": "speech.csv"}), 0, tmp_path)


def test_degradation_is_checked_before_long_work(write: Any, tmp_path: Path) -> None:
    write("speech/a.wav")
    absent = {"noise": {"source": {"kind": "folder", "path": "no noise"}}}
    with raises(
        SourceError, field="corpus.degrade.noise.source.path", path="no noise", problem="missing"
    ):
        plan_clips(corpus(degrade=absent), 0, tmp_path)


@pytest.mark.parametrize(
    ("fields", "field", "value", "problem"),
    [
        (
            {"degrade": {"band_limit": {"rates_hz": [4000, 16000]}}},
            "degrade.band_limit.rates_hz",
            [4000, 16000],
            "conflict",
        ),
        ({"degrade": {"reverb": {"rt60_s": (0, 1)}}}, "degrade.reverb.rt60_s", (0, 1), "invalid"),
        (
            {"degrade": {"packet_loss": {"rate": (0.5, 2)}}},
            "degrade.packet_loss.rate",
            (0.5, 2),
            "invalid",
        ),
        ({"segment_seconds": (0, 1)}, "segment_seconds", (0, 1), "invalid"),
        (
            {
                "source": {"kind": "manifest", "path": "x.csv", "columns": {"clean": "clean"}},
                "degrade": {},
            },
            "degrade",
            "clean",
            "conflict",
        ),
    ],
)
def test_invalid_settings_are_refused(
    fields: dict[str, Any], field: str, value: Any, problem: str
) -> None:
    settings = {"source": {"kind": "folder", "path": "speech"}, **fields}
    with raises(ConfigError, field=f"corpus.{field}", value=value, problem=problem):
        run_file.parse(settings, Corpus, field="corpus")


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


def test_languages_are_selected(prompts: Corpus, sample: Path) -> None:
    chosen = prompts.model_copy(update={"languages": ["es", "ru"], "limit": None})
    languages = {spec.item.language for spec in plan_clips(chosen, 0, sample).clips}
    assert languages == {"es", "ru"}


def test_language_that_no_recording_has_is_refused(prompts: Corpus, sample: Path) -> None:
    with raises(SourceError, field="corpus.languages", value=["ja"], problem="empty"):
        plan_clips(prompts.model_copy(update={"languages": ["ja"]}), 0, sample)


@pytest.mark.parametrize("by", ["speaker", "source", "clip"])
@pytest.mark.parametrize("seed", range(5))
def test_neither_split_is_empty_with_two_units(
    write: Any, tmp_path: Path, by: str, seed: int
) -> None:
    for number in range(8):
        write(f"speech/{number % 4}/{number}.wav", seconds=1.0)
    source = {"kind": "folder", "path": "speech", "speaker": "parent"}
    for share in (0.001, 0.999):
        settings = corpus(source=source, validation={"share": share, "by": by})
        splits = [spec.split for spec in plan_clips(settings, seed, tmp_path).clips]
        assert set(splits) == {"train", "validation"}
    for share, side in ((0.0, "train"), (1.0, "validation")):
        settings = corpus(source=source, validation={"share": share, "by": by})
        assert {spec.split for spec in plan_clips(settings, seed, tmp_path).clips} == {side}


def test_single_unit_is_in_the_split_that_is_drawn(write: Any, tmp_path: Path) -> None:
    write("speech/a/1.wav", seconds=1.0)
    write("speech/a/2.wav", seconds=1.0)
    source = {"kind": "folder", "path": "speech", "speaker": "parent"}
    settings = corpus(source=source, validation={"share": 0.001})
    assert {spec.split for spec in plan_clips(settings, 0, tmp_path).clips} == {"train"}


def test_split_of_a_clip_does_not_depend_on_the_limit(write: Any, tmp_path: Path) -> None:
    for number in range(24):
        write(f"speech/{number % 12}/{number}.wav", seconds=1.0)
    source = {"kind": "folder", "path": "speech", "speaker": "parent"}
    whole: dict[str, str] = {}
    for limit in (24, 12, 6):
        settings = corpus(source=source, limit=limit, validation={"share": 0.2})
        found = {spec.clip_id: spec.split for spec in plan_clips(settings, 3, tmp_path).clips}
        whole = whole or found
        if len({spec.item.speaker for spec in plan_clips(settings, 3, tmp_path).clips}) > 1:
            assert found.items() <= whole.items()


def test_known_split_holds_for_its_whole_unit(write: Any, tmp_path: Path) -> None:
    for number in range(8):
        write(f"speech/{number % 4}/{number}.wav", seconds=1.0)
    source = {"kind": "folder", "path": "speech", "speaker": "parent"}
    settings = corpus(source=source, validation={"share": 0.3})
    clips = plan_clips(settings, 0, tmp_path).clips
    one = clips[0]
    other = "train" if one.split == "validation" else "validation"
    again = assign_splits(clips, settings.validation, 0, {one.clip_id: other})
    assert {s.split for s in again if s.item.speaker == one.item.speaker} == {other}
    rest = [s.split for s in again if s.item.speaker != one.item.speaker]
    assert rest == [s.split for s in clips if s.item.speaker != one.item.speaker]
