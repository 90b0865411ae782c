"""Tests of the ledger: times of the stages, stamps of the parts, and what has changed since."""

import os
import shutil

import pytest

from gensr_pref import schema
from gensr_pref.rundir import ledger, part_files
from gensr_pref.rundir.ledger import Stamps, part_name
from gensr_pref.rundir.machine import Machine

MACHINE = Machine("EPYC", "AVX512", "", 1, "2.6", "2.1", "")


def write_scores(run, shard, rows=2):
    """Write a part of scores and return its path and stamp."""
    path = part_files.part(run, "scores", shard)
    values = [{"candidate_id": f"c{shard}/g/{k}", "clip_id": f"c{shard}"} for k in range(rows)]
    form = schema.scores_schema(["wer"], {})
    return path, part_files.write(path, values, form, {"fingerprint": "f00"})


@pytest.fixture
def recorded(tmp_path):
    """A run directory of two recorded parts, and their paths."""
    run, paths = tmp_path / "run", []
    for shard in (0, 1):
        path, stamp = write_scores(run, shard)
        ledger.record_stage(
            run, "score", shard, (2.0, 8.0), {part_name(path): stamp}, machine=MACHINE
        )
        paths.append(path)
    return run, paths


def test_the_times_of_a_stage_are_the_sums_over_its_shards(recorded):
    run, _ = recorded
    assert ledger.stage_times(run) == {
        "score": {"seconds": 4.0, "audio_seconds": 16.0, "real_time_factor": 0.25}
    }


def test_repeated_work_counts_once_and_extended_work_is_added(recorded):
    run, _ = recorded
    ledger.record_stage(run, "score", 0, (3.0, 8.0))
    ledger.record_stage(run, "score", 1, (1.0, 4.0), {}, extends=True)
    assert ledger.stage_times(run)["score"]["seconds"] == 3.0 + 2.0 + 1.0


def test_machines_are_counted_by_shard(recorded):
    run, _ = recorded
    assert ledger.machines(run) == {"score": {MACHINE: 2}}


def test_recorded_parts_are_known_and_intact(recorded):
    run, paths = recorded
    stamps = Stamps(run)
    assert list(stamps.entries) == paths
    assert stamps.find_changed(paths) == []
    assert all(map(stamps.is_intact, paths))
    assert all(stamps.is_whole(path, "f00") for path in paths)
    assert not stamps.is_whole(paths[0], "another")
    assert stamps.count_rows("scores") == 4
    assert stamps.missing_names() == []


def test_a_changed_and_a_missing_part_are_found(recorded):
    run, (changed, missing) = recorded
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(bytes(content))
    missing.unlink()
    stamps = Stamps(run)
    assert stamps.find_changed([changed]) == [changed]
    assert not stamps.is_intact(changed)
    assert not stamps.exists(missing)
    assert stamps.missing_names() == ["scores/part-00001.parquet"]


def test_the_parts_of_a_copy_are_read_once(recorded, tmp_path, monkeypatch):
    run, paths = recorded
    copy = shutil.copytree(run, tmp_path / "copy", copy_function=shutil.copyfile)
    paths = [copy / "scores" / path.name for path in paths]
    for path in paths:
        os.utime(path, (1, 1))
    assert Stamps(copy).find_changed(paths) == []
    monkeypatch.setattr(part_files, "stamp", None)  # which reads a part
    assert Stamps(copy).find_changed(paths) == []


def test_a_part_that_was_recorded_without_rows_is_unexpected(tmp_path):
    path = part_files.part(tmp_path, "failures", 0, "score")
    ledger.record_parts(tmp_path, {part_name(path): None})
    stamps = Stamps(tmp_path)
    assert stamps.is_known(path)
    assert stamps.get(path) is None
    assert stamps.are_failures_intact(path)
    part_files.write(path, [], schema.FAILURES, {})
    stamps = Stamps(tmp_path)
    assert stamps.is_unexpected(path)
    assert not stamps.is_unexpected(path.with_name("part-00001-score.parquet"))


@pytest.mark.parametrize("parts", [3, ["x"], {"scores/part-00000.parquet": ["size"]}])
def test_a_damaged_record_is_ignored(recorded, parts):
    run, paths = recorded
    part_files.append_json(run / ledger.LEDGER, {"parts": parts})
    assert Stamps(run).find_changed(paths) == []


def test_a_run_without_a_ledger_has_no_records(tmp_path):
    assert Stamps(tmp_path).is_empty
    assert ledger.stage_times(tmp_path) == {}
