"""Tests of `restore`: files of any kind, the best of N candidates, existing output."""

import json
import math
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gensr_pref import audio, sample
from gensr_pref.apply import restore as module
from gensr_pref.apply.restore import restore
from gensr_pref.cli.main import main
from gensr_pref.config.run_file import GeneratorUse
from gensr_pref.errors import ConfigError, InputError
from gensr_pref.identity import seed_for
from gensr_pref.metrics.panel import Panel
from tests.apply.loudness import loudness_judge
from tests.commands import finish, start
from tests.refusals import raises, refusal

PROMPTS = sorted((sample.FOLDER / "speech").glob("*.flac"))[:3]
RATE = 16000


@pytest.fixture
def noisy(tmp_path, monkeypatch) -> Path:
    """A folder of three files in three formats, and the cheap plugins beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    shutil.copy(Path(__file__).parents[1] / "cheap.py", tmp_path)
    folder = tmp_path / "noisy"
    (folder / "sub").mkdir(parents=True)
    shutil.copy(PROMPTS[0], folder / "one.flac")
    for name, prompt in (("two.wav", PROMPTS[1]), ("sub/three.ogg", PROMPTS[2])):
        sound = audio.read(prompt)
        soundfile.write(folder / name, sound.wave, sound.rate)
    return folder


def wanted(use="cheap:Hiss", best_of=1, by=None, seed=0, **options):
    generator = GeneratorUse(use=use, candidates=best_of, options=options)
    return {"generator": generator, "by": by, "seed": seed}


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".jsonl"
    }


def test_a_failed_file_has_the_generators_own_words(noisy, tmp_path):
    found = restore(
        noisy / "one.flac", tmp_path / "out.wav", **wanted("cheap:Faulty", how="own_words")
    )
    [failed] = found["failed"]
    assert failed["reason"] == "duplicate"
    assert "it sounds like the one before" in failed["detail"]


def ledger(out):
    lines = (out / module.LEDGER).read_text().splitlines()
    return {line["file"]: line for line in map(json.loads, lines)}


def test_every_file_is_made_under_its_own_name(noisy, tmp_path):
    found = restore(noisy, tmp_path / "out", **wanted())
    assert found == {
        "out": f"{tmp_path}/out", "restored": 3, "skipped": 0, "failed": [], "unjudged": 0,
        "notices": [], "scaled": [], "left_out": [],
    }  # fmt: skip
    assert set(contents(tmp_path / "out")) == {"one.flac", "two.wav", "sub/three.wav"}
    for name, source in (("one.flac", "one.flac"), ("sub/three.wav", "sub/three.ogg")):
        made, before = audio.read(tmp_path / "out" / name), audio.read(noisy / source)
        assert (len(made.wave), made.rate) == (len(before.wave), before.rate)
        assert 0.0005 < np.std(made.wave - before.wave) < 0.06  # the hiss
    assert soundfile.info(tmp_path / "out" / "one.flac").format == "FLAC"


def test_the_output_depends_on_name_and_seed_alone(noisy, tmp_path):
    restore(noisy, tmp_path / "all", **wanted())
    (noisy / "one.flac").unlink()
    restore(noisy, tmp_path / "less", **wanted())
    restore(noisy / "two.wav", tmp_path / "alone.wav", **wanted())
    restore(noisy, tmp_path / "other", **wanted(seed=1))
    everything = contents(tmp_path / "all")
    for name, content in contents(tmp_path / "less").items():
        assert content == everything[name]
        assert content != contents(tmp_path / "other")[name]
    assert (tmp_path / "alone.wav").read_bytes() == everything["two.wav"]


def test_the_best_of_n_is_the_best(noisy, tmp_path, monkeypatch):
    """The judge prefers the softest candidate, whose seed drew the least hiss."""
    monkeypatch.setattr(module, "judge_of", lambda by, count: loudness_judge())
    restore(noisy, tmp_path / "best", **wanted(best_of=6))
    for name, line in ledger(tmp_path / "best").items():
        seeds = [seed_for(0, "restore", f"{name}/0", "hiss", index) for index in range(6)]
        levels = [np.random.default_rng(seed).uniform(0.001, 0.05) for seed in seeds]
        assert [piece["chosen"] for piece in line["pieces"]] == [int(np.argmin(levels))]


def test_candidates_that_cannot_be_judged_are_counted(noisy, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "judge_of", lambda by, count: loudness_judge(bound=0.0))
    found = restore(noisy, tmp_path / "out", **wanted(best_of=2))
    assert found["unjudged"] == 3
    assert {line["pieces"][0]["chosen"] for line in ledger(tmp_path / "out").values()} == {0}


def test_finished_files_are_kept_and_the_rest_is_made(noisy, tmp_path):
    out = tmp_path / "out"
    restore(noisy, out, **wanted())
    before = contents(out)
    (out / "two.wav").unlink()
    (out / ".unfinished-two.wav").write_bytes(b"cut off")
    time = (out / "one.flac").stat().st_mtime_ns
    found = restore(noisy, out, **wanted())
    assert (found["restored"], found["skipped"]) == (1, 2)
    assert contents(out) == before
    assert (out / "one.flac").stat().st_mtime_ns == time
    assert not list(out.rglob(".unfinished*"))


@pytest.mark.parametrize(
    ("change", "problem"), [("foreign", "exists"), ("settings", "changed"), ("source", "changed")]
)
def test_nothing_is_overwritten(noisy, tmp_path, change, problem):
    out = tmp_path / "out"
    restore(noisy, out, **wanted())
    if change == "foreign":
        (out / module.LEDGER).unlink()
    if change == "source":
        shutil.copy(PROMPTS[1], noisy / "one.flac")
    before = contents(out)
    with raises(InputError, field="out", value=out / "one.flac", problem=problem):
        restore(noisy, out, **wanted(seed=7 if change == "settings" else 0))
    assert contents(out) == before


def test_a_single_file_is_not_overwritten(noisy, tmp_path):
    (tmp_path / "mine.wav").write_bytes(b"precious")
    with raises(InputError, field="out", value=tmp_path / "mine.wav", problem="exists"):
        restore(noisy / "two.wav", tmp_path / "mine.wav", **wanted())
    assert (tmp_path / "mine.wav").read_bytes() == b"precious"


def test_a_failed_file_does_not_affect_the_others(noisy, tmp_path):
    (noisy / "broken.wav").write_bytes(b"no audio")
    soundfile.write(noisy / "silence.wav", np.zeros(RATE), RATE)
    found = restore(noisy, tmp_path / "out", **wanted())
    assert found["restored"] == 3
    assert {one["file"]: one["reason"] for one in found["failed"]} == {
        "broken": "unreadable",
        "silence": "silent",
    }
    assert set(contents(tmp_path / "out")) == {"one.flac", "two.wav", "sub/three.wav"}


@pytest.mark.parametrize(
    ("use", "how", "reason"),
    [
        ("cheap:Misbehaving", "raise", "generator_error"),
        ("cheap:Misbehaving", "exit", "generator_error"),
        ("cheap:Faulty", "memory", "out_of_memory"),
        ("cheap:Faulty", "cpu_memory", "out_of_memory"),
    ],
)
def test_a_generator_that_fails_writes_nothing(noisy, tmp_path, use, how, reason):
    found = restore(noisy, tmp_path / "out", **wanted(use, how=how))
    assert {one["reason"] for one in found["failed"]} == {reason}
    assert contents(tmp_path / "out") == {}


def test_an_invalid_candidate_is_never_chosen(noisy, tmp_path, monkeypatch):
    """Silence would be the softest of all."""
    monkeypatch.setattr(module, "judge_of", lambda by, count: loudness_judge())
    found = restore(
        noisy, tmp_path / "out", **wanted("cheap:Misbehaving", how="silence", best_of=3)
    )
    assert found["restored"] == 3
    for line in ledger(tmp_path / "out").values():
        assert line["pieces"][0]["chosen"] in (0, 2)


# Long files


def test_a_long_file_is_joined_without_a_seam(noisy, tmp_path, monkeypatch):
    """A generator that changes nothing returns the same file, whatever its pieces."""
    wave = np.concatenate([audio.read(path).wave for path in PROMPTS])
    soundfile.write(tmp_path / "long.wav", wave, RATE)
    monkeypatch.setattr("gensr_pref.apply.file_pieces.PIECE_SECONDS", 1.0)
    restore(tmp_path / "long.wav", tmp_path / "same.wav", **wanted("cheap:Echo"))
    made = audio.read(tmp_path / "same.wav").wave
    assert len(made) == len(wave)
    np.testing.assert_allclose(made, wave, atol=2 / 32768)


def test_a_silent_stretch_of_a_long_file_is_copied(noisy, tmp_path, monkeypatch):
    wave = audio.read(PROMPTS[0]).wave[:RATE]
    soundfile.write(tmp_path / "long.wav", np.r_[wave, np.zeros(2 * RATE), wave], RATE)
    monkeypatch.setattr("gensr_pref.apply.file_pieces.PIECE_SECONDS", 1.0)
    found = restore(tmp_path / "long.wav", tmp_path / "made.wav", **wanted())
    assert found["failed"] == []
    made = audio.read(tmp_path / "made.wav").wave
    assert np.abs(made[int(1.75 * RATE) : int(2.25 * RATE)]).max() == 0
    assert np.abs(made[: RATE // 2] - wave[: RATE // 2]).max() > 0.001


# The command


def test_command_line(noisy, tmp_path, capsys):
    arguments = ["restore", str(noisy), str(tmp_path / "out"), "--generator", "cheap:Hiss"]
    assert main([*arguments, "--option", "name=other", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["restored"] == 3
    assert main([*arguments, "--option", "name=other"]) == 0
    assert "0 restored, 3 skipped" in capsys.readouterr().out
    (noisy / "broken.wav").write_bytes(b"no audio")
    assert main([*arguments, "--option", "name=other"]) == 1
    assert "broken: unreadable" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "field", "value", "problem"),
    [
        (["--by", "stoi"], "by", "stoi", "empty"),
        (["--best-of", "2", "--by", "stoi"], "by", "stoi", "conflict"),
        (["--best-of", "2", "--by", "dnsmos_ovr"], "by", "dnsmos_ovr", "unknown"),
        (["--best-of", "0"], "candidates", 0, "invalid"),
        (["--option", "loud=1"], "generator.options.loud", "loud", "unknown"),
        (["--option", "loud"], "generator.options", "loud", "missing"),
        (["--generator", "nothing"], "generator", "nothing", "unknown"),
        (["--generator", "cheap:Roughness"], "generator", ("sample", "candidates_of"), "missing"),
        (["--generator", "cheap:Unloadable"], None, "unloadable", "failed"),
    ],
)
def test_bad_input_exits_2(noisy, tmp_path, more, field, value, problem):
    arguments = ["restore", str(noisy), str(tmp_path / "out"), "--generator", "cheap:Hiss"]
    error = refusal(*arguments, *more)
    assert isinstance(error, InputError)
    assert (error.field, error.value, error.problem) == (field, value, problem), error
    assert contents(tmp_path / "out") == {} if (tmp_path / "out").exists() else True


def test_an_output_among_the_inputs_is_refused(noisy):
    with raises(InputError, field="out", problem="conflict"):
        restore(noisy, noisy / "out", **wanted())


@pytest.mark.parametrize("seed", [0.5, math.nan, "1", None])
def test_a_seed_that_is_not_a_whole_number_is_refused(noisy, tmp_path, seed):
    with raises(InputError, field="seed", value=seed, problem="invalid"):
        restore(noisy, tmp_path / "out", "cheap:Hiss", seed=seed)


def test_an_unknown_suffix_of_the_output_is_refused(noisy, tmp_path):
    with raises(ConfigError, field="out", problem="unsupported"):
        restore(noisy / "two.wav", tmp_path / "x.mp3", **wanted())


@pytest.mark.slow
def test_fm_tiny_and_dnsmos(noisy, tmp_path):
    """With the real models, the best of four is no worse than the first by the same score."""
    one = restore(noisy, tmp_path / "one", **wanted("fm-tiny"))
    four = restore(noisy, tmp_path / "four", **wanted("fm-tiny", best_of=4))
    assert one["restored"] == four["restored"] == 3
    panel = Panel(["dnsmos"])
    for name in contents(tmp_path / "one"):
        first, best = panel.score([tmp_path / "one" / name, tmp_path / "four" / name])
        assert best.values["dnsmos_ovrl"] >= first.values["dnsmos_ovrl"] - 1e-3


@pytest.mark.slow
def test_an_interrupted_command_continues(noisy, tmp_path):
    """After Ctrl-C, the same command makes the other files, as without an interruption."""
    command = [Path(sys.executable).parent / "gensr-pref", "restore", noisy]
    options = ["--generator", "cheap:Hiss", "--option", "seconds=0.5"]
    out = tmp_path / "out"
    process = start([*command, out, *options])
    while process.poll() is None and not contents(out):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[0]
    assert process.returncode == 1, told
    assert "interrupted" in told
    assert 1 <= len(contents(out)) < 3
    assert json.loads(finish([*command, out, *options, "--json"]))["skipped"] >= 1
    finish([*command, tmp_path / "whole", *options])
    assert contents(out) == contents(tmp_path / "whole")
    assert not list(out.rglob(".unfinished*"))


def test_recordings_beyond_full_scale_are_scaled_as_a_build_scales_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    shutil.copy(Path(__file__).parents[1] / "cheap.py", tmp_path)
    wave = np.concatenate([audio.read(path).wave for path in PROMPTS])
    wave *= 2.16 / np.abs(wave).max()
    (tmp_path / "in").mkdir()
    (tmp_path / "in/notes.txt").write_text("none")
    for name, factor in (("loud", 1.0), ("usual", 0.98 / 2.16)):
        scaled = (wave * np.float32(factor)).astype(np.float32)
        soundfile.write(tmp_path / f"in/{name}.wav", scaled, RATE, subtype="FLOAT")
    found = restore(tmp_path / "in", tmp_path / "out", **wanted("cheap:Hiss"))
    assert (found["restored"], found["failed"]) == (2, [])
    [scaled] = found["scaled"]
    assert scaled == {"file": "loud", "gain": pytest.approx(0.98 / 2.16)}
    assert ledger(tmp_path / "out")["loud"]["gain"] == scaled["gain"]
    assert ledger(tmp_path / "out")["usual"]["gain"] == 1
    loud, usual = (audio.read(tmp_path / f"out/{name}.wav").wave for name in ("loud", "usual"))
    assert np.corrcoef(loud, usual)[0, 1] > 0.9
    assert np.abs(loud).max() == pytest.approx(np.abs(usual).max(), rel=0.05)
    [left] = found["left_out"]
    assert (left["count"], left["example"]) == (1, "notes.txt")
