"""Tests of a build: its tables, the same bytes in every mode, and the repair of damaged files."""

import json
import os
import shutil

import datasets
import numpy as np
import pytest

from gensr_pref import schema
from gensr_pref.auditing.run_audit import audit
from gensr_pref.building.build import build
from gensr_pref.errors import (
    Fault,
    PartFault,
    PartsError,
)
from gensr_pref.identity import seed_for
from gensr_pref.rundir import part_files
from tests.refusals import raises
from tests.small_run import rows, tables


def test_every_candidate_is_scored_and_has_a_clip(finished):
    clips = {row["clip_id"] for row in rows(finished, "clips")}
    candidates = {row["candidate_id"]: row for row in rows(finished, "candidates")}
    scores = {row["candidate_id"] for row in rows(finished, "scores")}
    assert len(clips) == 7
    assert len(candidates) == 21
    assert scores == set(candidates) | {f"{clip}/noisy/0" for clip in clips}
    for name, row in candidates.items():
        assert name == f"{row['clip_id']}/hiss/{row['index']}"
        assert row["seed"] == seed_for(0, row["clip_id"], "hiss", row["index"])
        assert json.loads(row["sampling"]).keys() == {"level"}
        assert row["latent"]["shape"] == [2, 3]
        assert len(row["latent"]["data"]) == 2 * 3 * 2


def test_pairs_name_candidates_of_their_clip(finished):
    scores = {row["candidate_id"]: row for row in rows(finished, "scores")}
    pairs = rows(finished, "pairs")
    assert pairs
    for row in pairs:
        chosen, rejected = scores[row["chosen_id"]], scores[row["rejected_id"]]
        assert chosen["clip_id"] == rejected["clip_id"] == row["clip_id"]
        for score in ("roughness", "level"):
            margin = np.float32(np.float64(rejected[score]) - np.float64(chosen[score]))
            assert row["margins"][score] == pytest.approx(margin, rel=1e-6)
            assert margin > 0


def test_running_again_changes_nothing(copy, run, base):
    before = tables(copy)
    times = {path: (copy / path).stat().st_mtime_ns for path in before if "pairs" not in path}
    build(run(), copy, base=base)
    assert tables(copy) == before
    assert {path: (copy / path).stat().st_mtime_ns for path in times} == times


@pytest.mark.parametrize(
    "missing",
    [
        ["scores/part-00001.parquet"],
        ["candidates/part-00002.parquet"],
        ["clips/part-00000.parquet", "scores/part-00003.parquet"],
        ["pairs/part-00000.parquet", "summary.json", "timings.jsonl"],
        ["shards.jsonl", "progress.jsonl", "scores/part-00000.parquet"],
    ],
)
def test_missing_files_are_made_again(copy, run, base, missing):
    before = tables(copy)
    for name in missing:
        (copy / name).unlink()
    build(run(), copy, base=base)
    assert tables(copy) == before


def test_damaged_part_is_made_again(copy, run, base):
    before = tables(copy)
    path = copy / "candidates" / "part-00001.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    build(run(), copy, base=base)
    assert tables(copy) == before


@pytest.mark.parametrize("table", ["clips", "candidates", "scores"])
@pytest.mark.parametrize("at", [0.1, 0.5, 0.97])
def test_part_with_a_changed_byte_is_made_again(copy, run, base, table, at, capsys):
    before = tables(copy)
    path = part_files.part(copy, table, 1)
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 0x10
    path.write_bytes(content)
    build(run(), copy, base=base)
    assert tables(copy) == before
    assert f"{path}: is not what was written" in capsys.readouterr().err


def test_changed_byte_is_detected_without_the_ledger(copy, run, base):
    """The pages of a part have checksums."""
    before = tables(copy)
    (copy / "timings.jsonl").unlink()
    path = part_files.part(copy, "candidates", 1)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    build(run(), copy, base=base)
    assert tables(copy) == before


def test_part_that_changed_but_kept_its_time_is_made_again(copy, run, base):
    """The file has the same size and time of modification, but another ctime."""
    before = tables(copy)
    path = part_files.part(copy, "candidates", 1)
    status, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    for part in part_files.parts(copy, "scores"):
        part.unlink()
    assert build(run(), copy, base=base)["complete"]
    assert tables(copy) == before


def test_parts_that_were_only_copied_are_kept(copy, run, base, monkeypatch):
    for path in copy.glob("*/part-*"):
        os.utime(path, (1, 1))
    monkeypatch.setattr("gensr_pref.building.worker.sample_clip", None)
    assert build(run(), copy, base=base)["complete"]


def test_lost_failures_are_made_again(run, base, tmp_path):
    bad = "[{use: 'cheap:Misbehaving', candidates: 3}]"
    build(run(f"generators={bad}"), tmp_path / "run", base=base)
    before = tables(tmp_path / "run")
    part_files.part(tmp_path / "run", "failures", 1, "sample").unlink()
    build(run(f"generators={bad}"), tmp_path / "run", base=base)
    assert tables(tmp_path / "run") == before


def test_order_and_size_of_the_corpus_do_not_change_a_clip(run, base, tmp_path, finished):
    build(run("corpus.limit=3", "engine.shard_clips=1"), tmp_path / "few", base=base)
    everything = {row["clip_id"]: row for row in rows(finished, "clips")}
    for row in rows(tmp_path / "few", "clips"):
        assert row == everything[row["clip_id"]]
    scores = {row["candidate_id"]: row for row in rows(finished, "scores")}
    for row in rows(tmp_path / "few", "scores"):
        assert row == scores[row["candidate_id"]]


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_ray_gives_the_same_bytes(run, base, tmp_path, finished):
    build(run("engine.kind=ray", "engine.workers=2"), tmp_path / "ray", base=base)
    assert tables(tmp_path / "ray") == tables(finished)


def test_doubled_part_is_refused(copy, run, base):
    shutil.copy2(copy / "scores/part-00001.parquet", copy / "scores/part-00004.parquet")
    with pytest.raises(PartsError) as refused:
        build(run(), copy, base=base)
    assert refused.value.faults == (PartFault("scores/part-00004.parquet", Fault.STRANGE),)


def test_failures_that_no_build_wrote_are_removed(copy, run, base):
    path = part_files.part(copy, "failures", 0, "score")
    path.parent.mkdir()
    shutil.copy2(part_files.part(copy, "scores", 0), path)
    build(run(), copy, base=base)
    assert not path.exists()


def test_two_labels_for_one_generator(run, base, tmp_path):
    uses = "[{use: 'cheap:Hiss', name: a}, {use: 'cheap:Hiss', name: b}]"
    build(run(f"generators={uses}", "corpus.limit=1"), tmp_path / "run", base=base)
    assert {row["generator"] for row in rows(tmp_path / "run", "candidates")} == {"a", "b"}


def test_audit_states_yields_and_agreement(finished):
    report = audit(finished)
    assert json.loads((finished / "audit" / "audit.json").read_text()) == report
    assert report["clips"] == 7
    assert 0 <= report["yield"]["by_chance"] <= 1
    assert report["yield"]["alone"]["level"] >= report["yield"]["joint"]
    assert report["agreement"][0]["scores"] == ["roughness", "level"]
    means = report["means"]["level"]
    assert means["chosen"] < means["rejected"]
    assert means["noisy"] < means["candidates"]
    gain, low, high = report["improvement"]["level"]  # every clip has as many candidates
    assert gain == pytest.approx(means["noisy"] - means["candidates"], abs=1e-6)
    assert low < gain < high < 0


def test_lost_scores_part_is_named(copy):
    for path in part_files.parts(copy, "scores"):
        path.unlink()
    with raises(PartsError, path=copy) as caught:
        audit(copy)
    lost = {f"scores/part-{number:05}.parquet" for number in range(4)}
    assert {fault.part for fault in caught.value.faults} == lost


def test_yields_are_shares_of_all_clips(run, base, tmp_path):
    bad = "{use: 'cheap:Misbehaving', candidates: 3, options: {how: raise}}"
    build(run(f"generators=[{bad}]", "corpus.limit=2"), tmp_path / "none", base=base)
    report = audit(tmp_path / "none")
    assert report["clips"] == 2
    assert report["yield"]["joint"] == report["yield"]["by_chance"] == 0


@pytest.mark.parametrize("empty", [0, 1, 3])
def test_table_with_an_empty_part_opens(copy, tmp_path, empty):
    rest = len(rows(copy, "candidates")) - part_files.count_rows(
        part_files.part(copy, "candidates", empty)
    )
    part_files.write(part_files.part(copy, "candidates", empty), [], schema.CANDIDATES, {})
    loaded = datasets.load_dataset(
        "parquet",
        data_files=str(copy / "candidates" / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert len(loaded) == rest
