"""Tests of splits in builds: clips keep theirs, and new labels need no other work."""

import re
import shlex

import pyarrow as pa
import pytest
import yaml

from gensr_pref.building.build import build
from gensr_pref.cli.main import main
from gensr_pref.config import run_file
from gensr_pref.rundir import integrity, part_files
from tests.small_run import RUN, rows, tables

BY_CLIP = "corpus.validation={share: 0.5, by: clip}"


def held_out(out):
    return {row["clip_id"] for row in rows(out, "clips") if row["split"] == "validation"}


@pytest.fixture
def counted(base, tmp_path):
    """Return a function that makes runs whose generator and metric log their calls."""
    document = {
        **RUN,
        "generators": [
            {"use": "cheap:Faulty", "candidates": 3,
             "options": {"how": "one_row", "log": str(tmp_path / "calls")}}
        ],
        "panel": [
            {"metric": "cheap:Counting",
             "options": {"log": str(tmp_path / "asked"), "how": "picky"}}
        ],
    }  # fmt: skip

    def made(*overrides):
        return run_file.parse(run_file.override(document, list(overrides)), run_file.Run, "test")

    return made


def work(tmp_path):
    return [(tmp_path / name).stat().st_size for name in ("calls", "asked")]


def test_small_run_has_held_out_clips(run, base, tmp_path):
    build(run(), tmp_path / "run", base=base)
    assert 0 < len(held_out(tmp_path / "run")) < 7


@pytest.mark.slow
def test_new_splits_need_no_new_work_and_equal_those_of_a_new_run(counted, base, tmp_path):
    out = tmp_path / "run"
    build(counted(), out, base=base)
    before, asked = tables(out), work(tmp_path)
    summary = build(counted(BY_CLIP), out, base=base)
    assert summary["complete"]
    assert work(tmp_path) == asked
    after = tables(out)
    changed = {name for name in after if after[name] != before[name]}
    assert changed
    assert all(name.startswith("clips/") for name in changed)
    build(counted(BY_CLIP), tmp_path / "new", base=base)
    assert after == tables(tmp_path / "new")
    assert integrity.check(out).unfinished == ()
    assert build(counted(), out, base=base)["complete"]
    assert tables(out) == before


@pytest.mark.slow
def test_interrupted_change_of_splits_is_finished(counted, base, tmp_path, monkeypatch):
    out = tmp_path / "run"
    build(counted(), out, base=base)
    written = []

    def dies(*given):
        if written:
            raise KeyboardInterrupt
        written.append(given[0])
        return part_files.write_table(given[0], pa.Table.from_pylist(given[1], given[2]), given[3])

    with monkeypatch.context() as patch:
        patch.setattr(part_files, "write", dies)
        with pytest.raises(KeyboardInterrupt):
            build(counted(BY_CLIP), out, base=base)
    assert integrity.check(out).unfinished
    build(counted(BY_CLIP), out, base=base)
    build(counted(BY_CLIP), tmp_path / "new", base=base)
    assert tables(out) == tables(tmp_path / "new")


def test_larger_limit_moves_no_clip_and_gives_the_bytes_of_one_run(run, base, tmp_path):
    out = tmp_path / "run"
    build(run("corpus.limit=3"), out, base=base)
    first, clips = held_out(out), {row["clip_id"] for row in rows(out, "clips")}
    build(run(), out, base=base)
    assert held_out(out) & clips == first
    build(run(), tmp_path / "whole", base=base)
    assert held_out(tmp_path / "whole") == held_out(out)


def test_clips_keep_their_split_when_recordings_are_added(run, base, tmp_path):
    """A split of the run wins over a new draw, wherever the new recordings are in the list."""
    speech = sorted((base / "speech").glob("*.flac"))
    lists = {}
    for count in (3, 7):
        lists[count] = tmp_path / f"{count}.csv"
        lines = ["audio,speaker", *(f"{path},{path.stem}" for path in speech[:count])]
        lists[count].write_text("\n".join(lines), encoding="utf-8")
    columns = f"root: {base / 'speech'}, columns: {{audio: audio, speaker: speaker}}"
    source = tmp_path / "now.csv"
    settings = run(f"corpus.source={{kind: manifest, path: {source}, {columns}}}")
    source.write_bytes(lists[3].read_bytes())
    build(settings, tmp_path / "run", base=base)
    first = held_out(tmp_path / "run")
    clips = {row["clip_id"] for row in rows(tmp_path / "run", "clips")}
    source.write_bytes(lists[7].read_bytes())
    build(settings, tmp_path / "run", base=base)
    assert len(rows(tmp_path / "run", "clips")) == 7
    assert held_out(tmp_path / "run") & clips == first
    assert integrity.check(tmp_path / "run").unfinished == ()


@pytest.mark.parametrize("share", ["0", "0.05"])
def test_command_that_evaluate_suggests_works(base, tmp_path, capsys, monkeypatch, share):
    """One speaker (or nothing held out): the command that is advised, then the evaluation."""
    monkeypatch.chdir(base)
    monkeypatch.syspath_prepend(base)
    files = sorted(path.relative_to(base) for path in (base / "speech").glob("*.flac"))
    lines = ["audio,speaker", *(f"{path},ann" for path in files)]
    (base / "one.csv").write_text("\n".join(lines), encoding="utf-8")
    columns = {"audio": "audio", "speaker": "speaker"}
    source = {"kind": "manifest", "path": "one.csv", "columns": columns}
    corpus = {**RUN["corpus"], "source": source, "validation": {"share": float(share)}}
    text = yaml.safe_dump({**RUN, "corpus": corpus})
    (base / "one.yaml").write_text(text, encoding="utf-8")
    out, evaluation = tmp_path / "a run", str(tmp_path / "evaluation")
    assert main(["build", "one.yaml", "--out", str(out)]) == 0
    words = ["evaluate", "base=cheap:Hiss", "other=cheap:Echo", "--clips", str(out)]
    words += ["--panel", "cheap:Roughness", "--workers", "1", "--out", evaluation]
    capsys.readouterr()
    assert main(words) == 2
    shown = " ".join(capsys.readouterr().err.split())
    command = re.search(r"gensr-pref (build .*? corpus\.validation\.by=\w+)", shown)[1]
    assert main(shlex.split(command.replace("RUN.yaml", "one.yaml"))) == 0
    assert held_out(out)
    assert main(words) == 0
