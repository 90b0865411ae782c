"""Tests that the same build restores a run's records: its shards, ledger and run.yaml."""

import json
import shutil

import pytest

from gensr_pref.building.build import build
from gensr_pref.building.recordings import read_recordings
from gensr_pref.building.status import status
from gensr_pref.config import run_file
from gensr_pref.errors import Fault, PartsError
from gensr_pref.rundir import part_files
from gensr_pref.rundir.integrity import check
from tests.small_run import tables


def clips_swapped(lines):
    one, other = lines[0]["clips"], lines[1]["clips"]
    one[0], other[0] = other[0], one[0]


def content_of_others(lines):
    lines[0]["contents"] = lines[1]["contents"]


def split_turned(lines):
    lines[0]["splits"] = ["validation" if one == "train" else "train" for one in lines[0]["splits"]]


def word_for_a_list(lines):
    lines[0]["clips"] = "abc"


def list_for_a_word(lines):
    lines[0]["clips"][0] = [1]


def number_for_a_list(lines):
    lines[0]["splits"] = 3


EDITS = [
    clips_swapped,
    content_of_others,
    split_turned,
    word_for_a_list,
    list_for_a_word,
    number_for_a_list,
]


def built_again(base, out) -> dict[str, object]:
    build(run_file.load(base / "run.yaml"), out, base=base)
    found = check(out)
    assert found.unfinished == ()
    return tables(out)


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_layout_is_detected_and_restored(base, built, out, edit):
    layout = out / "shards.jsonl"
    lines = [json.loads(line) for line in layout.read_text().splitlines()]
    edit(lines)
    layout.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pytest.raises(PartsError) as raised:
        check(out)
    assert [(one.part, one.fault) for one in raised.value.faults] == [
        ("shards.jsonl", Fault.CHANGED)
    ]
    assert status(out)["missing"] == ["shards.jsonl"]
    assert built_again(base, out) == tables(built)
    assert layout.read_text() == (built / "shards.jsonl").read_text()
    assert status(out)["missing"] == []


def test_a_layout_of_another_run_is_replaced(base, built, out, twin):
    shutil.copy2(twin / "shards.jsonl", out)
    assert built_again(base, out) == tables(built)
    assert (out / "shards.jsonl").read_text() == (built / "shards.jsonl").read_text()


def test_the_layout_of_a_grown_run_is_restored(base, tmp_path):
    """Its shards are not those that a new run of as many clips would have."""
    out, whole = tmp_path / "run", run_file.load(base / "run.yaml")
    for limit in (3, 5, None):
        corpus = whole.corpus.model_copy(update={"limit": limit})
        build(whole.model_copy(update={"corpus": corpus}), out, base=base)
    before, layout = tables(out), (out / "shards.jsonl").read_text()
    (out / "shards.jsonl").unlink()
    assert built_again(base, out) == before
    assert (out / "shards.jsonl").read_text() == layout


def test_run_yaml_of_another_run_is_replaced(base, built, out, twin):
    shutil.copy2(twin / "run.yaml", out)
    assert built_again(base, out) == tables(built)
    assert (out / "run.yaml").read_text() == (built / "run.yaml").read_text()


@pytest.mark.parametrize("name", ["timings.jsonl", "shards.jsonl", "run.yaml"])
def test_records_of_another_run_with_failures_are_replaced(base, tmp_path, name):
    """Parts of failures are recorded again like the rest: no build leaves what readers refuse."""
    outs = tmp_path / "one", tmp_path / "other"
    for out, seed in zip(outs, (0, 1), strict=True):
        overrides = [
            "generators=[{use: 'cheap:Misbehaving', candidates: 3}]",
            f"seed={seed}",
        ]
        run = run_file.load(base / "run.yaml", overrides)
        build(run, out, base=base)
    before = tables(outs[0])
    assert part_files.parts(outs[0], "failures")
    shutil.copy2(outs[1] / name, outs[0])
    build(
        run_file.load(
            base / "run.yaml", ["generators=[{use: 'cheap:Misbehaving', candidates: 3}]", "seed=0"]
        ),
        outs[0],
        base=base,
    )
    assert check(outs[0]).unfinished == ()
    assert tables(outs[0]) == before


def test_a_missing_ledger_is_written_again_with_its_failures(base, built, out):
    (out / "timings.jsonl").unlink()
    assert built_again(base, out) == tables(built)


def test_edited_digests_of_recordings_are_not_trusted(base, built, out):
    """What is cached of the noises decides nothing where it is not what was written."""
    lines = (out / "recordings.jsonl").read_text().splitlines()
    changed = [line.replace('"digest": "', '"digest": "0') for line in lines[1:]]
    (out / "recordings.jsonl").write_text("\n".join([lines[0], *changed]))
    assert read_recordings(out) == {}
    assert built_again(base, out) == tables(built)
    assert (out / "recordings.jsonl").read_text() == (built / "recordings.jsonl").read_text()


@pytest.mark.parametrize("table", ["clips", "scores", "pairs"])
def test_status_reports_a_missing_part_of_a_finished_run(out, table):
    assert status(out)["state"] == "finished"
    part_files.part(out, table, 0).unlink()
    found = status(out)
    assert found["state"] == "incomplete"
    assert found["missing"] == [f"{table}/part-00000.parquet"]


def test_status_reports_a_truncated_part(out):
    path = part_files.part(out, "candidates", 1)
    path.write_bytes(path.read_bytes()[:-1])
    assert status(out)["missing"] == ["candidates/part-00001.parquet"]
