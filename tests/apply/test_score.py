"""Tests of `gensr-pref score`: it reads plain folders and writes one row per file."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from gensr_pref import audio
from gensr_pref.apply.score import engine_for, score
from gensr_pref.cli.arguments import flags
from gensr_pref.cli.main import main, parse
from gensr_pref.config import code_digest
from gensr_pref.config.run_file import MetricUse
from gensr_pref.errors import (
    InputError,
    RunIncompleteError,
    SourceError,
    StorageError,
)
from gensr_pref.metrics.panel import Panel
from tests.apply.folders import write_tone
from tests.refusals import raises, refusal, refuses

HERE = Path(__file__).parents[1]
CHEAP = "cheap:Roughness"
SLOW = f"{CHEAP}.seconds=0.5"
SERIAL = engine_for("1", "cpu")


def run(*words):
    return main(["score", *map(str, words), "--workers", "1"])


def rows(path):
    return pq.read_table(path).to_pylist()


# Inputs


def test_a_missing_clean_file_is_not_replaced_by_the_noisy_one(two_systems):
    (two_systems / "clean" / "sub" / "b.wav").unlink()
    options = ["--reference", "clean", "--noisy", "two", "--panel", "cheap:Referring"]
    assert run("one", *options, "--out", "s.parquet") == 0
    assert [row["referring"] is None for row in rows("s.parquet")] == [False, True, False]
    [failure] = rows("s.parquet")[1]["failures"]
    assert (failure["reason"], failure["detail"]) == (
        "no_clean", "the clean clip is missing: clean/sub/b",
    )  # fmt: skip


def test_a_name_that_is_not_utf8_is_written_so_that_it_can_be_read(two_systems):
    (two_systems / "odd").mkdir()
    shutil.copy(two_systems / "one" / "a.wav", two_systems / "odd" / os.fsdecode(b"caf\xe9.wav"))
    assert run("odd", "--panel", CHEAP, "--out", "s.parquet") == 0
    [row] = rows("s.parquet")
    assert row["file"] == "caf\\xe9"
    assert row["level"] is not None


def test_inputs_that_do_not_fit_together_are_reported(two_systems):
    Path("t.csv").write_text("audio,text\na.wav,hello\nz.wav,ciao\n")
    (two_systems / "clean" / "a.wav").unlink()
    lines = []
    folders = {"reference": "clean", "texts": "t.csv"}
    score("one", "s.csv", [CHEAP], **folders, engine=SERIAL, report=lines.append)
    facts = [
        (field, *re.findall(r"\d+|'.*?'", text))
        for field, _, text in (line.partition(":") for line in lines)
        if field in folders
    ]
    assert facts == [
        ("texts", "2", "3", "'sub/b'"),
        ("texts", "1", "2", "'z'"),
        ("reference", "1", "3", "'a'"),
        ("reference",),
        ("texts",),
    ]


def test_a_table_of_other_files_is_refused(two_systems, capsys):
    Path("no.csv").write_text("audio,text\nz.wav,hello\n")
    words = ["score", "one", "--texts", "no.csv", "--panel", CHEAP, "--out", "s.csv"]
    refuses(words, SourceError, field="texts", problem="unknown")


# The panel in few words


def test_words_that_cannot_be_recognised_are_reported_first(two_systems, capsys):
    Path("t.csv").write_text("audio,text\na.wav,hello fnordling\n")
    words = ["one", "--panel", "wer", "--texts", "t.csv", "--out", "s.csv", "--language", "en"]
    run(*words)
    assert "lacks 1 of the 2 different words" in capsys.readouterr().err


# The table


def test_one_row_per_file_with_the_panels_values(two_systems, capsys):
    assert run("one", "two", "--reference", "clean", "--panel", CHEAP, "--out", "s.parquet") == 0
    found = rows("s.parquet")
    assert [(row["file"], row["system"]) for row in found] == [
        ("a", "one"), ("a", "two"), ("sub/b", "one"), ("sub/b", "two"), ("sub/c", "one"),
        ("sub/c", "two"),
    ]  # fmt: skip
    for row in found:
        [alone] = Panel([CHEAP]).score([row["path"]])
        assert row["level"] == np.float32(alone.values["level"])
        assert (row["seconds"], row["sample_rate"]) == (0.5, 16000)
    shown = capsys.readouterr()
    assert "one" in shown.out
    assert "level" in shown.out
    assert not Path("s.parquet.partial").exists()


def test_a_reference_beyond_full_scale_is_scaled_by_a_recorded_gain(two_systems):
    tone = np.sin(np.arange(8000) / 5).astype(np.float32)
    soundfile.write("clean/a.wav", 2 * tone / np.abs(tone).max(), 16000, subtype="FLOAT")
    for suffix in ("parquet", "csv", "jsonl"):
        out = f"s.{suffix}"
        assert run("one", "--reference", "clean", "--panel", CHEAP, "--out", out) == 0
    found = {row["file"]: (row["clean_gain"], row["noisy_gain"]) for row in rows("s.parquet")}
    assert found == {"a": (0.5, None), "sub/b": (None, None), "sub/c": (None, None)}
    assert "clean_gain" in Path("s.csv").read_text().splitlines()[0]
    assert json.loads(Path("s.jsonl").read_text().splitlines()[0])["clean_gain"] == 0.5


def test_csv_and_json_lines_hold_the_same(two_systems):
    for suffix in ("parquet", "csv", "jsonl"):
        assert run("one", "--panel", f"{CHEAP}", "--out", f"s.{suffix}") == 0
    with Path("s.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    lines = [json.loads(line) for line in Path("s.jsonl").read_text().splitlines()]
    for row, cells, line in zip(rows("s.parquet"), table, lines, strict=True):
        assert row["level"] == np.float32(cells["level"]) == np.float32(line["level"])
        assert row["file"] == cells["file"] == line["file"]


def test_a_file_that_cannot_be_scored_has_null_and_a_reason(two_systems):
    (two_systems / "one" / "a.wav").write_bytes(b"not audio")
    write_tone(two_systems / "one" / "sub" / "b.wav", peak=0.0)
    assert run("one", "--panel", f"{CHEAP},stoi", "--out", "s.parquet") == 0
    broken, silent, whole = rows("s.parquet")
    assert {one["reason"] for one in broken["failures"]} == {"unreadable"}
    assert broken["level"] is broken["stoi"] is broken["seconds"] is None
    assert {one["reason"] for one in silent["failures"]} == {"silent"}
    assert [one for one in whole["failures"] if one["score"] == "level"] == []
    assert {one["reason"] for one in whole["failures"]} == {"no_clean"}


@pytest.mark.slow
def test_ray_writes_the_same_bytes(two_systems):
    arguments = ["one", "two", "--panel", CHEAP]
    assert run(*arguments, "--out", "serial.parquet") == 0
    assert main(["score", *arguments, "--out", "ray.parquet", "--workers", "2"]) == 0
    assert Path("serial.parquet").read_bytes() == Path("ray.parquet").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "field", "value", "problem"),
    [
        (["--out", "s.txt"], "out", Path("s.txt"), "unsupported"),
        (["--out", "there.csv"], "out", Path("there.csv"), "exists"),
        (["--out", "s.csv", "--panel", "dnsmoss"], "panel.0", "dnsmoss", "unknown"),
        (["--out", "s.csv", "--workers", "some"], "workers", "some", "invalid"),
        (["--out", "s.csv", "--workers", "0"], "workers", "0", "invalid"),
        (["level.x=1", "--out", "s.csv", "--panel", "stoi"], "settings", "level", "unknown"),
        (["stoi=true", "--out", "s.csv", "--panel", "stoi"], "settings", "stoi=true", "invalid"),
        (["--out", "s.csv", "--language", "english"], "language", "english", "invalid"),
        (["--out", "s.csv", "--device", "cuda:99"], "device", "cuda:99", "unsupported"),
        (["--out", "s.csv", "--device", "gpu"], "device", "gpu", "unsupported"),
    ],
)
def test_bad_input_is_refused_before_any_work(two_systems, arguments, field, value, problem):
    Path("there.csv").write_text("")
    full = arguments if "--workers" in arguments else [*arguments, "--workers", "1"]
    error = refusal("score", "one", *full)
    assert isinstance(error, InputError)
    assert (error.field, error.value, error.problem) == (field, value, problem), error
    if f"--{field}" in full:
        assert flags(parse(["score", "one", *full]))[error.parameters[0]] == f"--{field}"
    assert not list(two_systems.glob("*.partial"))


@pytest.mark.parametrize("out", ["file/s.csv", "s.csv.partial/../s.csv"])
def test_a_table_that_cannot_be_written_is_refused(two_systems, capsys, out):
    Path("file").write_text("not a folder")
    Path("s.csv.partial").mkdir()
    error = refusal("score", "one", "--panel", CHEAP, "--out", out, "--workers", "1")
    assert isinstance(error, StorageError)
    assert error.problem == "unwritable"


# Interruption


def test_finished_clips_are_not_scored_again(two_systems, monkeypatch):
    uses = [MetricUse(metric=CHEAP)]
    calls = []
    digest_code = code_digest.digest_code
    original = Panel.score

    def counting(self, candidates, *rest):
        calls.append(candidates)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, candidates, *rest)

    monkeypatch.setattr(Panel, "score", counting)
    systems = ["one", "two"]
    with pytest.raises(KeyboardInterrupt):
        score(systems, "s.csv", uses, engine=SERIAL)
    assert Path("s.csv.partial").exists()
    with raises(InputError, value=["panel"], path="s.csv.partial", problem="changed"):
        score(systems, "s.csv", ["stoi"], engine=SERIAL)
    Path("t.csv").write_text("audio,text\na.wav,hello\n")
    with raises(InputError, value=["texts"], path="s.csv.partial", problem="changed"):
        score(systems, "s.csv", uses, texts="t.csv", engine=SERIAL)
    monkeypatch.setattr(code_digest, "digest_code", lambda name: "edited")
    with raises(InputError, value=["panel"], path="s.csv.partial", problem="changed"):
        score(systems, "s.csv", uses, engine=SERIAL)
    monkeypatch.setattr(code_digest, "digest_code", digest_code)
    score(systems, "s.csv", uses, engine=SERIAL)
    assert len(calls) == 4
    monkeypatch.undo()
    os.chdir(two_systems)
    score(systems, "whole.csv", uses, engine=SERIAL)
    assert Path("s.csv").read_text() == Path("whole.csv").read_text()


@pytest.mark.slow
def test_a_clip_that_kills_its_process_does_not_affect_others(two_systems, capsys):
    write_tone(two_systems / "one" / "poison.wav", peak=0.99)
    write_tone(two_systems / "two" / "poison.wav", peak=0.5)
    write_tone(two_systems / "one" / "lonely.wav", peak=0.99)
    panel = ["--panel", "cheap:Fragile,cheap:Lengthy"]
    arguments = ["one", "two", *panel, "--out", "s.csv", "--workers", "2"]
    assert main(["score", *arguments]) == 1
    with Path("s.csv").open(newline="") as file:
        found = {(row["file"], row["system"]): row for row in csv.DictReader(file)}
    told = capsys.readouterr().err
    for name in ("poison", "lonely"):
        fatal = found.pop((name, "one"))
        assert "level: metric_error" in fatal["failures"]
        assert fatal["level"] == ""
        assert fatal["length"] == "8000.0"
        assert f"{name} of one, cheap:Fragile" in told
    assert len(found) == 7
    assert all(row["level"] and row["length"] and not row["failures"] for row in found.values())


def test_a_metric_that_does_not_load_leaves_no_partial_table(two_systems):
    assert run("one", "--panel", "cheap:Locked", "--out", "s.csv") == 2
    assert not Path("s.csv.partial").exists()
    assert run("one", "--panel", CHEAP, "--out", "s.csv") == 0


def test_a_table_without_any_score_is_incomplete(two_systems, capsys):
    words = ["score", "one", "--panel", "stoi", "--out", "s.csv", "--workers", "1"]
    refuses(words, RunIncompleteError, path="s.csv", problem="empty")
    assert Path("s.csv").exists()


def test_a_table_that_is_created_meanwhile_is_not_overwritten(two_systems, monkeypatch):
    original = Panel.score

    def appearing(self, *given):
        Path("s.csv").write_text("mine")
        return original(self, *given)

    monkeypatch.setattr(Panel, "score", appearing)
    assert run("one", "--panel", CHEAP, "--out", "s.csv") == 2
    assert Path("s.csv").read_text() == "mine"
    Path("s.csv").unlink()
    monkeypatch.undo()
    os.chdir(two_systems)
    sys.path.insert(0, str(HERE))
    assert run("one", "--panel", CHEAP, "--out", "s.csv") == 0
    sys.path.remove(str(HERE))


def test_continued_json_lines_equal_uninterrupted_ones(two_systems, monkeypatch):
    original = Panel.score

    def stopping(self, candidates, *rest):
        if "b.wav" in str(candidates):
            raise KeyboardInterrupt
        return original(self, candidates, *rest)

    write_tone(two_systems / "one" / "a.wav", peak=0.0)
    Path("t.csv").write_text("audio,text\na.wav,hello\n")
    words = ["one", "--panel", "cheap:Talkative", "--texts", "t.csv", "--out"]
    with monkeypatch.context() as patch:
        patch.setattr(Panel, "score", stopping)
        assert run(*words, "s.jsonl") == 1
    assert run(*words, "s.jsonl") == 0
    assert run(*words, "whole.jsonl") == 0
    assert Path("s.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_terminated_command_continues(two_systems, workers):
    for place in range(8):
        write_tone(two_systems / "one" / f"{place}.wav")
    command = [
        sys.executable, "-m", "gensr_pref.cli", "score", "one", "--panel", CHEAP, SLOW,
        "--out", "s.csv", "--workers", workers,
    ]  # fmt: skip
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(HERE)})
    partial = Path("s.csv.partial")
    while not (partial.exists() and len(partial.read_text().splitlines()) >= 2):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 1
    before = len(partial.read_text().splitlines())
    assert 2 <= before < 12
    assert run("one", SLOW, "--panel", CHEAP, "--out", "s.csv") == 0
    with Path("s.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 11


def test_very_long_and_very_short_files_in_one_folder(tmp_path, monkeypatch):
    """Cheap metrics only; the real panel's memory is measured in docs/metrics.md."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(HERE)
    write_tone(tmp_path / "x" / "long.flac", seconds=3600, rate=8000)
    write_tone(tmp_path / "x" / "short.wav", seconds=0.1)
    assert run("x", "--panel", CHEAP, "--out", "s.parquet") == 0
    assert [row["seconds"] for row in rows("s.parquet")] == [3600.0, 0.1]
    assert audio.read_header(tmp_path / "x" / "long.flac").rate == 8000


@pytest.mark.parametrize("code", ["eng", "EN_us", "en"])
def test_codes_of_one_language_are_equivalent(two_systems, code):
    score(two_systems / "one", two_systems / "s.parquet", [CHEAP], language=code, engine=SERIAL)
    with raises(SourceError, field="language", value="xx", problem="invalid"):
        score(two_systems / "one", two_systems / "t.parquet", [CHEAP], language="xx", engine=SERIAL)
