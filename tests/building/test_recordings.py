"""Tests that inputs of a run are identified by content, not by name, length or time."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from gensr_pref.building.build import build
from gensr_pref.config import run_file
from gensr_pref.corpus import fingerprints
from gensr_pref.corpus.clips import ClipMaker
from gensr_pref.errors import RunMismatchError, SourceError
from gensr_pref.rundir import part_files
from tests.refusals import raises
from tests.small_run import RUN, rows, tables


@pytest.fixture
def project(base, tmp_path) -> Path:
    """A copy of the project, whose recordings a test may change."""
    return Path(shutil.copytree(base, tmp_path / "project"))


@pytest.fixture
def out(project, tmp_path) -> Path:
    """The run directory of the project."""
    build_run(project, tmp_path / "run")
    return tmp_path / "run"


def build_run(project, out, *overrides, **corpus):
    document = {**RUN, "corpus": {**RUN["corpus"], **corpus}}
    run = run_file.override(document, list(overrides))
    return build(run_file.parse(run, run_file.Run, "test"), out, base=project)


def list_recordings(project) -> list[Path]:
    return sorted((project / "speech").iterdir())


def replace_audio(path, keep_time=False):
    """Write other audio of the same length into a file."""
    status = path.stat()
    wave, rate = soundfile.read(path)
    soundfile.write(path, np.ascontiguousarray(wave[::-1]), rate)
    if keep_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def refusal(project, out, *overrides, **corpus) -> str:
    before = tables(out)
    with pytest.raises(RunMismatchError) as refused:
        build_run(project, out, *overrides, **corpus)
    assert tables(out) == before
    return str(refused.value)


@pytest.mark.parametrize("keep_time", [False, True])
def test_recording_that_was_replaced_is_refused_and_named(project, out, keep_time):
    path = list_recordings(project)[2]
    kept = path.read_bytes()
    replace_audio(path, keep_time)
    message = refusal(project, out)
    assert f"{path.name} (audio)" in message
    assert "1 recording changed" in message
    path.write_bytes(kept)
    assert build_run(project, out)["complete"]


def test_lost_part_is_not_made_from_other_audio(project, out):
    part_files.part(out, "clips", 0).unlink()
    for path in list_recordings(project):
        replace_audio(path)
    assert "7 recordings" in refusal(project, out)
    assert not part_files.part(out, "clips", 0).exists()


def test_recording_that_was_only_touched_is_the_same(project, out, monkeypatch):
    before = tables(out)
    for path in list_recordings(project):
        os.utime(path, (1, 1))
    monkeypatch.setattr("gensr_pref.building.worker.sample_clip", None)
    assert build_run(project, out)["complete"]
    assert tables(out) == before
    monkeypatch.setattr(fingerprints, "file_digest", None)  # size and times match
    assert build_run(project, out)["complete"]


def test_unchanged_recordings_are_not_read_again(project, out, monkeypatch):
    monkeypatch.setattr(fingerprints, "file_digest", None)
    assert build_run(project, out)["complete"]


def test_lost_or_damaged_fingerprints_are_taken_again(project, out):
    before = (out / "recordings.jsonl").read_text()
    (out / "recordings.jsonl").write_text('5\n[]\n{"recording": 3}\n{')
    build_run(project, out)
    assert (out / "recordings.jsonl").read_text() == before
    (out / "recordings.jsonl").unlink()
    replace_audio(list_recordings(project)[0])
    assert list_recordings(project)[0].name in refusal(project, out)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda noise: replace_audio(noise), "{name} (replaced)"),
        (lambda noise: shutil.copy(noise, noise.with_name("more.flac")), "noise/more.flac (new)"),
        (lambda noise: noise.rename(noise.with_name("x.flac")), "{name} (missing)"),
    ],
)
def test_changed_noises_are_refused_and_named(project, out, change, words):
    (noise,) = (project / "noise").iterdir()
    change(noise)
    assert words.format(name=noise.name) in refusal(project, out)


def test_text_that_was_edited_is_refused(project, tmp_path):
    names = [path.name for path in list_recordings(project)]
    manifest = project / "texts.csv"
    lines = [f"speech/{name},sentence {index}" for index, name in enumerate(names)]
    manifest.write_text("\n".join(["path,text", *lines]))
    source = {"kind": "manifest", "path": "texts.csv", "columns": {"text": "text"}}
    build_run(project, tmp_path / "run", source=source)
    manifest.write_text("\n".join(["path,text", *lines[:-1], f"speech/{names[-1]},other words"]))
    assert f"{names[-1]} (audio, text, speaker or language)" in refusal(
        project, tmp_path / "run", source=source
    )


def test_clean_counterpart_that_was_replaced_is_refused(project, tmp_path):
    shutil.copytree(project / "speech", project / "clean")
    source = {"kind": "paired", "noisy": "speech", "clean": "clean"}
    build_run(project, tmp_path / "run", source=source, degrade=None)
    path = project / "clean" / list_recordings(project)[1].name
    replace_audio(path)
    assert f"{path.name} (audio)" in refusal(project, tmp_path / "run", source=source, degrade=None)


def test_changed_audio_in_a_table_is_refused(project, tmp_path):
    def write_table(sounds):
        values = [
            {"bytes": content, "path": f"{index}.flac"} for index, content in enumerate(sounds)
        ]
        pq.write_table(pa.table({"audio": values}), project / "rows.parquet")

    sounds = [path.read_bytes() for path in list_recordings(project)]
    source = {"kind": "parquet", "path": "rows.parquet", "columns": {"audio": "audio"}}
    write_table(sounds)
    build_run(project, tmp_path / "run", source=source)
    build_run(project, tmp_path / "run", source=source)
    replace_audio(list_recordings(project)[3])
    sounds[3] = list_recordings(project)[3].read_bytes()
    write_table(sounds)
    assert "rows/000003-3.flac" in refusal(project, tmp_path / "run", source=source)


@pytest.mark.parametrize("what", ["speech", "noise"])
def test_file_that_is_replaced_during_a_build_ends_it(project, tmp_path, monkeypatch, what):
    make, path = ClipMaker.make, sorted((project / what).iterdir())[-1]
    when = list_recordings(project)[-1 if what == "speech" else 0].name  # a noise is read once

    def replace_and_make(self, spec):
        if spec.item.source_id == when:
            replace_audio(path)
        return make(self, spec)

    single = "engine.shard_clips=1"
    with monkeypatch.context() as patched:
        patched.setattr(ClipMaker, "make", replace_and_make)
        with raises(SourceError, path=path, problem="changed"):
            build_run(project, tmp_path / "run", single)
    assert len(rows(tmp_path / "run", "clips")) == (6 if what == "speech" else 0)
    assert path.name in refusal(project, tmp_path / "run", single)


def test_added_clips_leave_existing_parts_unchanged(project, tmp_path):
    build_run(project, tmp_path / "run", limit=3)
    before = tables(tmp_path / "run")
    build_run(project, tmp_path / "run")
    after = tables(tmp_path / "run")
    same = {name for name in before if before[name] == after[name]}
    assert before.keys() - same == {"pairs/part-00000.parquet"}
    first, *lines = (tmp_path / "run" / "recordings.jsonl").read_text().splitlines()
    assert json.loads(first).keys() == {"digest"}  # of the lines that follow
    assert len(lines) == 8
    assert {json.loads(line)["recording"].partition("/")[0] for line in lines} == {
        "speech",
        "noise",
    }


def test_code_of_a_generator_that_was_edited_is_refused(project, tmp_path):
    path = Path(shutil.copy(project / "cheap.py", project / "edited_voice.py"))
    voice = "generators.0.use=edited_voice:Hiss"
    build_run(project, tmp_path / "run", voice, limit=1)
    path.write_text(path.read_text() + "\nANOTHER = 1\n")
    message = refusal(project, tmp_path / "run", voice, limit=1)
    assert "provenance.generators.0: its code was edited" in message
