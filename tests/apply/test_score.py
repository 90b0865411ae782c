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
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from gensr_pref import audio
from gensr_pref.apply import default_panel
from gensr_pref.apply.audio_folders import Folders, match_clips
from gensr_pref.apply.score import engine_for, score
from gensr_pref.apply.transcripts import Transcript, Transcripts
from gensr_pref.cli.arguments import flags
from gensr_pref.cli.main import main, parse
from gensr_pref.config import code_digest
from gensr_pref.config.run_file import MetricUse
from gensr_pref.errors import (
    ConfigError,
    InputError,
    Message,
    RunIncompleteError,
    SourceError,
    StorageError,
)
from gensr_pref.metrics.panel import Panel
from tests.refusals import raises, refusal, refuses

HERE = Path(__file__).parents[1]
CHEAP = "cheap:Roughness"
SLOW = f"{CHEAP}.seconds=0.5"
SERIAL = engine_for("1", "cpu")


def tone(path, seconds=0.5, peak=0.5, rate=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = peak * np.sin(np.arange(int(seconds * rate)) * 0.1)
    soundfile.write(path, wave, rate)
    return path


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Two systems of three clips each, in nested folders and different formats, and their clean."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(HERE)
    shutil.copy(HERE / "cheap.py", tmp_path)  # where processes of their own look for it
    for place, name in enumerate(("a", "sub/b", "sub/c")):
        tone(tmp_path / "one" / f"{name}.wav", peak=0.1 * (place + 1))
        tone(tmp_path / "two" / f"{name}.flac", peak=0.2 * (place + 1))
        tone(tmp_path / "clean" / f"{name}.wav", peak=0.9)
    return tmp_path


def run(*words):
    return main(["score", *map(str, words), "--workers", "1"])


def rows(path):
    return pq.read_table(path).to_pylist()


# What belongs together


def test_files_are_matched_by_name_whatever_their_suffix(two):
    clips = match_clips(Folders((Path("one"), Path("two")), Path("clean")))
    assert [clip.name for clip in clips] == ["a", "sub/b", "sub/c"]
    assert clips[1].candidates == (("one", Path("one/sub/b.wav")), ("two", Path("two/sub/b.flac")))
    assert clips[1].clean == Path("clean/sub/b.wav")


def test_a_missing_file_shifts_nothing(two):
    (two / "one" / "a.wav").unlink()
    (two / "clean" / "sub" / "b.wav").unlink()
    clips = match_clips(Folders((Path("one"), Path("two")), Path("clean")))
    assert [[label for label, _ in clip.candidates] for clip in clips] == [
        ["two"], ["one", "two"], ["one", "two"],
    ]  # fmt: skip
    there = [Path("clean/a.wav"), Path("clean/sub/b"), Path("clean/sub/c.wav")]
    assert [clip.clean for clip in clips] == there


def test_a_missing_clean_file_is_not_replaced_by_the_noisy_one(two):
    (two / "clean" / "sub" / "b.wav").unlink()
    options = ["--reference", "clean", "--noisy", "two", "--panel", "cheap:Referring"]
    assert run("one", *options, "--out", "s.parquet") == 0
    assert [row["referring"] is None for row in rows("s.parquet")] == [False, True, False]
    [failure] = rows("s.parquet")[1]["failures"]
    assert (failure["reason"], failure["detail"]) == (
        "no_clean", "the clean clip is missing: clean/sub/b",
    )  # fmt: skip


def test_a_single_file_is_found_by_name_in_a_folder_and_a_table(two):
    Path("t.csv").write_text("audio,text\nb.wav,hello\n")
    [clip] = match_clips(Folders((Path("one/sub/b.wav"),), Path("clean/sub"), texts=Path("t.csv")))
    assert (clip.clean, clip.text) == (Path("clean/sub/b.wav"), "hello")


def test_one_reference_for_many_clips_is_refused(two):
    with raises(SourceError, field="reference", problem="conflict"):
        match_clips(Folders((Path("one"),), Path("clean/a.wav")))


def test_a_name_that_is_not_utf8_is_written_so_that_it_can_be_read(two):
    (two / "odd").mkdir()
    shutil.copy(two / "one" / "a.wav", two / "odd" / os.fsdecode(b"caf\xe9.wav"))
    assert run("odd", "--panel", CHEAP, "--out", "s.parquet") == 0
    [row] = rows("s.parquet")
    assert row["file"] == "caf\\xe9"
    assert row["level"] is not None


def test_single_files_are_matched_whatever_their_names(two):
    [clip] = match_clips(Folders((Path("one/a.wav"),), Path("clean/sub/b.wav")))
    assert clip.clean == Path("clean/sub/b.wav")
    assert clip.candidates == (("a.wav", Path("one/a.wav")),)


def test_texts_and_languages_come_from_a_table(two):
    Path("t.csv").write_text("audio,text,language\na.wav,hello,\nsub/c,ciao,it\n")
    clips = match_clips(Folders((Path("one"),), texts=Path("t.csv"), language="en"))
    assert [(clip.text, clip.language) for clip in clips] == [
        ("hello", "en"), (None, "en"), ("ciao", "it"),
    ]  # fmt: skip


def test_the_whole_table_is_studied_whichever_files_are_there(two):
    Path("t.csv").write_text("audio,text\na.wav,hello\nelsewhere.wav,ciao\nsub/c.wav,hello\n")
    assert Transcripts.read(Path("t.csv")).sentences == ("ciao", "hello")


@pytest.mark.parametrize(
    ("table", "name", "text"),
    [
        ("audio,text\na.1,one\na.2,two\n", "a.2", "two"),
        ("audio,text\nsub/a.1.wav,one\n", "sub/a.1", "one"),
        (',name,text\n0,a,"one, two"\n', "a", "one, two"),
        ("audio,text\na.wav,one,\n", "a", "one"),
    ],
)
def test_only_the_suffix_of_an_audio_file_is_none_of_the_name(tmp_path, table, name, text):
    (tmp_path / "t.csv").write_text(table)
    assert Transcripts.read(tmp_path / "t.csv").by_clip[name] == Transcript(text)


@pytest.mark.parametrize(
    ("table", "value", "problem", "place"),
    [
        ("audio,text\na.wav,one, two\n", None, "unreadable", None),
        ("audio,text\na.wav,one\na.flac,two\n", "a", "duplicate", None),
        ("audio,text\n,one\n", "audio", "empty", "t.csv, line 2"),
        ("audio,text,language\na,one,German\n", "language", "invalid", "t.csv, line 2"),
    ],
)
def test_a_table_that_may_mean_two_things_is_refused(tmp_path, table, value, problem, place):
    (tmp_path / "t.csv").write_text(table)
    with raises(SourceError, field="texts", value=value, problem=problem, place=place):
        Transcripts.read(tmp_path / "t.csv")


def test_json_lines_need_not_all_have_a_text(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"audio": "a.wav"}\n{"audio": "b.wav", "text": "two"}\n')
    assert Transcripts.read(path).by_clip == {"a": Transcript(), "b": Transcript("two")}


def test_inputs_that_do_not_fit_together_are_reported(two):
    Path("t.csv").write_text("audio,text\na.wav,hello\nz.wav,ciao\n")
    (two / "clean" / "a.wav").unlink()
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


def test_the_noisy_clips_are_compared_with_where_there_are_no_clean_ones():
    names = [
        use.metric for use in default_panel.choose_panel(None, [], reference=False, noisy=True)
    ]
    assert "speaker_similarity" in names
    assert "pesq" not in names


@pytest.mark.parametrize(
    ("panel", "given", "unused"),
    [
        ("speaker_similarity", {"noisy"}, set()),
        ("speaker_similarity", {"noisy", "reference"}, {"noisy"}),
        ("dnsmos", {"noisy", "reference", "language"}, {"noisy", "reference", "language"}),
        ("pesq", {"noisy", "reference"}, {"noisy"}),
        ("wer", {"texts", "language", "noisy"}, set()),
    ],
)
def test_what_is_given_and_not_used_is_told(panel, given, unused):
    folders = Folders(
        (Path("one"),),
        **{name: "en" if name == "language" else Path(name) for name in given},
    )
    lines = default_panel.describe_unused(
        Panel(default_panel.choose_panel(panel, [], reference=True)), folders
    )
    assert {Message(line).partition(":")[0] for line in lines} == unused


def test_alignment_that_no_metric_can_do_is_refused():
    with pytest.raises(ConfigError) as refused:
        default_panel.choose_panel("dnsmos", [], reference=False, align=True)
    assert refused.value.parameters[0] == "align"


@pytest.mark.parametrize(
    ("folders", "path", "problem"),
    [
        ({"systems": (Path("none"),)}, "none", "missing"),
        ({"reference": Path("other")}, "other", "unknown"),
        ({"texts": Path("bad.csv")}, "bad.csv", "missing"),
        ({"systems": (Path("one"), Path("one"))}, None, "duplicate"),
    ],
)
def test_what_does_not_fit_together_is_refused(two, folders, path, problem):
    tone(two / "other" / "z.wav")
    Path("bad.csv").write_text("clip,text\na,hello\n")
    [field] = folders
    with raises(SourceError, field=field, path=path, problem=problem):
        match_clips(Folders(**{"systems": (Path("one"),), **folders}))


def test_a_table_of_other_files_is_refused(two, capsys):
    Path("no.csv").write_text("audio,text\nz.wav,hello\n")
    words = ["score", "one", "--texts", "no.csv", "--panel", CHEAP, "--out", "s.csv"]
    refuses(words, SourceError, field="texts", problem="unknown")


def test_systems_of_the_same_name_are_called_by_their_paths(two):
    tone(two / "x" / "one" / "a.wav")
    clips = match_clips(Folders((Path("one"), Path("x/one"))))
    assert [label for label, _ in clips[0].candidates] == ["one", "x/one"]


# The panel in few words


def test_a_panel_by_names_with_settings():
    uses = default_panel.choose_panel("pesq,stoi", ["stoi.align=true"], reference=True)
    assert [(use.metric, use.options) for use in uses] == [("pesq", {}), ("stoi", {"align": True})]
    aligned = default_panel.choose_panel("dnsmos,stoi", [], reference=True, align=True)
    assert [use.options for use in aligned] == [{}, {"align": True}]


def test_without_a_reference_nothing_that_needs_one_is_asked():
    alone = [use.metric for use in default_panel.choose_panel(None, [], reference=False)]
    assert alone == ["dnsmos", "utmos"]
    assert "pesq" in [use.metric for use in default_panel.choose_panel(None, [], reference=True)]


@pytest.mark.parametrize("setting", ["stoi.align", "dnsmoss.x=1", "align=true", "=1"])
def test_a_setting_of_no_metric_is_refused(setting):
    with pytest.raises(ConfigError):
        default_panel.choose_panel("pesq,stoi", [setting], reference=True)


def test_a_panel_from_a_file(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("panel:\n  - {metric: pesq, vote: true}\n")
    [use] = default_panel.choose_panel(str(path), [], reference=True)
    assert use == MetricUse(metric="pesq", vote=True)
    path.write_text("panel: 3\n")
    with raises(ConfigError, field="panel", problem="missing"):
        default_panel.choose_panel(str(path), [], reference=True)


def test_words_that_can_never_be_heard_are_told_at_the_start(two, capsys):
    Path("t.csv").write_text("audio,text\na.wav,hello fnordling\n")
    words = ["one", "--panel", "wer", "--texts", "t.csv", "--out", "s.csv", "--language", "en"]
    run(*words)
    assert "lacks 1 of the 2 different words" in capsys.readouterr().err


# The table


def test_one_row_per_file_with_the_panels_values(two, capsys):
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


def test_a_reference_beyond_full_scale_is_scaled_and_the_table_says_by_how_much(two):
    tone = np.sin(np.arange(8000) / 5).astype(np.float32)
    soundfile.write("clean/a.wav", 2 * tone / np.abs(tone).max(), 16000, subtype="FLOAT")
    for suffix in ("parquet", "csv", "jsonl"):
        out = f"s.{suffix}"
        assert run("one", "--reference", "clean", "--panel", CHEAP, "--out", out) == 0
    found = {row["file"]: (row["clean_gain"], row["noisy_gain"]) for row in rows("s.parquet")}
    assert found == {"a": (0.5, None), "sub/b": (None, None), "sub/c": (None, None)}
    assert "clean_gain" in Path("s.csv").read_text().splitlines()[0]
    assert json.loads(Path("s.jsonl").read_text().splitlines()[0])["clean_gain"] == 0.5


def test_csv_and_json_lines_hold_the_same(two):
    for suffix in ("parquet", "csv", "jsonl"):
        assert run("one", "--panel", f"{CHEAP}", "--out", f"s.{suffix}") == 0
    with Path("s.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    lines = [json.loads(line) for line in Path("s.jsonl").read_text().splitlines()]
    for row, cells, line in zip(rows("s.parquet"), table, lines, strict=True):
        assert row["level"] == np.float32(cells["level"]) == np.float32(line["level"])
        assert row["file"] == cells["file"] == line["file"]


def test_what_cannot_be_scored_is_null_with_a_reason(two):
    (two / "one" / "a.wav").write_bytes(b"not audio")
    tone(two / "one" / "sub" / "b.wav", peak=0.0)
    assert run("one", "--panel", f"{CHEAP},stoi", "--out", "s.parquet") == 0
    broken, silent, whole = rows("s.parquet")
    assert {one["reason"] for one in broken["failures"]} == {"unreadable"}
    assert broken["level"] is broken["stoi"] is broken["seconds"] is None
    assert {one["reason"] for one in silent["failures"]} == {"silent"}
    assert [one for one in whole["failures"] if one["score"] == "level"] == []
    assert {one["reason"] for one in whole["failures"]} == {"no_clean"}


@pytest.mark.slow
def test_the_same_bytes_on_ray(two):
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
def test_bad_input_is_refused_before_any_work(two, arguments, field, value, problem):
    Path("there.csv").write_text("")
    full = arguments if "--workers" in arguments else [*arguments, "--workers", "1"]
    error = refusal("score", "one", *full)
    assert isinstance(error, InputError)
    assert (error.field, error.value, error.problem) == (field, value, problem), error
    if f"--{field}" in full:
        assert flags(parse(["score", "one", *full]))[error.parameters[0]] == f"--{field}"
    assert not list(two.glob("*.partial"))


@pytest.mark.parametrize("out", ["file/s.csv", "s.csv.partial/../s.csv"])
def test_a_place_that_cannot_be_written_is_said(two, capsys, out):
    Path("file").write_text("not a folder")
    Path("s.csv.partial").mkdir()
    error = refusal("score", "one", "--panel", CHEAP, "--out", out, "--workers", "1")
    assert isinstance(error, StorageError)
    assert error.problem == "unwritable"


# Interruption


def test_what_is_finished_is_not_done_again(two, monkeypatch):
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
    os.chdir(two)
    score(systems, "whole.csv", uses, engine=SERIAL)
    assert Path("s.csv").read_text() == Path("whole.csv").read_text()


@pytest.mark.slow
def test_a_clip_that_kills_its_process_costs_no_other(two, capsys):
    tone(two / "one" / "poison.wav", peak=0.99)
    tone(two / "two" / "poison.wav", peak=0.5)
    tone(two / "one" / "lonely.wav", peak=0.99)
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


def test_a_load_that_fails_leaves_nothing_in_the_way(two):
    assert run("one", "--panel", "cheap:Locked", "--out", "s.csv") == 2
    assert not Path("s.csv.partial").exists()
    assert run("one", "--panel", CHEAP, "--out", "s.csv") == 0


def test_what_has_no_score_at_all_is_not_called_done(two, capsys):
    words = ["score", "one", "--panel", "stoi", "--out", "s.csv", "--workers", "1"]
    refuses(words, RunIncompleteError, path="s.csv", problem="empty")
    assert Path("s.csv").exists()


def test_a_table_that_appears_meanwhile_is_not_overwritten(two, monkeypatch):
    original = Panel.score

    def appearing(self, *given):
        Path("s.csv").write_text("mine")
        return original(self, *given)

    monkeypatch.setattr(Panel, "score", appearing)
    assert run("one", "--panel", CHEAP, "--out", "s.csv") == 2
    assert Path("s.csv").read_text() == "mine"
    Path("s.csv").unlink()
    monkeypatch.undo()
    os.chdir(two)
    sys.path.insert(0, str(HERE))
    assert run("one", "--panel", CHEAP, "--out", "s.csv") == 0
    sys.path.remove(str(HERE))


def test_continued_json_lines_are_those_of_one_go(two, monkeypatch):
    original = Panel.score

    def stopping(self, candidates, *rest):
        if "b.wav" in str(candidates):
            raise KeyboardInterrupt
        return original(self, candidates, *rest)

    tone(two / "one" / "a.wav", peak=0.0)
    Path("t.csv").write_text("audio,text\na.wav,hello\n")
    words = ["one", "--panel", "cheap:Talkative", "--texts", "t.csv", "--out"]
    with monkeypatch.context() as patch:
        patch.setattr(Panel, "score", stopping)
        assert run(*words, "s.jsonl") == 1
    assert run(*words, "s.jsonl") == 0
    assert run(*words, "whole.jsonl") == 0
    assert Path("s.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_terminated_in_the_middle_it_continues(two, workers):
    for place in range(8):
        tone(two / "one" / f"{place}.wav")
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


def test_an_hour_and_a_tenth_of_a_second_in_one_folder(tmp_path, monkeypatch):
    """Cheap metrics only; the real panel's memory is measured in docs/metrics.md."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(HERE)
    tone(tmp_path / "x" / "long.flac", seconds=3600, rate=8000)
    tone(tmp_path / "x" / "short.wav", seconds=0.1)
    assert run("x", "--panel", CHEAP, "--out", "s.parquet") == 0
    assert [row["seconds"] for row in rows("s.parquet")] == [3600.0, 0.1]
    assert audio.read_header(tmp_path / "x" / "long.flac").rate == 8000


def test_files_that_are_left_out_are_told_once_per_folder(two):
    for place in ("one/notes.txt", "one/more.json", "clean/.a.wav"):
        (two / place).write_text("x")
    (two / "one/linked").symlink_to(two / "two")
    lines = []
    clips = match_clips(
        Folders((two / "one", two / "two"), reference=two / "clean"), report=lines.append
    )
    assert len(clips) == 3
    assert [line.partition(":")[0] for line in lines] == ["systems", "reference"]
    assert all(words in lines[0] for words in ("2 ", "more.json", "linked", str(two / "one")))


def test_counterparts_are_found_by_names_that_look_the_same(two):
    composed, apart = (unicodedata.normalize(form, "\u00e9") for form in ("NFC", "NFD"))
    tone(two / "made" / f"{apart}.wav")
    tone(two / "clean" / f"{composed}.wav")
    (two / "t.csv").write_text(f"audio,text,language\n{composed}.wav,yes,eng\n", encoding="utf-8")
    [clip] = match_clips(Folders((two / "made",), reference=two / "clean", texts=two / "t.csv"))
    assert (clip.name, clip.text, clip.language) == (composed, "yes", "en")
    assert clip.clean.exists()


@pytest.mark.parametrize("code", ["eng", "EN_us", "en"])
def test_a_language_is_one_whatever_code_it_is_called_by(two, code):
    score(two / "one", two / "s.parquet", [CHEAP], language=code, engine=SERIAL)
    with raises(SourceError, field="language", value="xx", problem="invalid"):
        score(two / "one", two / "t.parquet", [CHEAP], language="xx", engine=SERIAL)
