"""Tests of part files: complete or absent, reproducible, readable by `datasets`."""

import errno
import os
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

from gensr_pref import audio, schema
from gensr_pref.errors import CorruptPartError, StorageError, UnwrittenError
from gensr_pref.rundir import part_files
from gensr_pref.storage import jsonl
from tests.refusals import raises

FACTS = {"fingerprint": "f00"}


def candidate(index):
    wave = np.random.default_rng(index).normal(0, 0.1, 1600).astype(np.float32)
    return {
        "candidate_id": f"c/g/{index}",
        "clip_id": "c",
        "generator": "g",
        "revision": "1",
        "index": index,
        "seed": index,
        "sampling": "{}",
        "audio": audio.column_value(wave, 16000),
        "sample_rate": 16000,
        "num_samples": 1600,
        "tokens": [[1, 2], [3, 4]],
        "latent": {"data": b"\0\0", "shape": [1, 1]},
    }


def written(folder: Path, rows=None) -> Path:
    path = part_files.part(folder, "candidates", 0)
    rows = [candidate(k) for k in range(5)] if rows is None else rows
    part_files.write(path, rows, schema.CANDIDATES, FACTS)
    return path


def test_same_rows_same_bytes(tmp_path):
    first, second = written(tmp_path / "a"), written(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_metadata_tells_version_and_run(tmp_path):
    facts = schema.facts_of(pq.read_schema(written(tmp_path)))
    assert facts == {"schema_version": schema.SCHEMA_VERSION, **FACTS}


def test_rows_come_back(tmp_path):
    path = written(tmp_path)
    assert part_files.read(path).to_pylist() == [candidate(k) for k in range(5)]
    assert part_files.rows(path) == 5
    assert part_files.read_all(tmp_path, "candidates", ["index"]).column("index").to_pylist() == [
        0, 1, 2, 3, 4,
    ]  # fmt: skip


def test_datasets_reads_audio_features(tmp_path):
    written(tmp_path)
    loaded = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "candidates" / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert isinstance(loaded.features["audio"], datasets.Audio)
    plain = loaded.cast_column("audio", datasets.Audio(decode=False))
    assert plain[0]["audio"]["bytes"] == candidate(0)["audio"]["bytes"]


@pytest.mark.parametrize(
    "form",
    [
        schema.CLIPS,
        schema.CANDIDATES,
        schema.FAILURES,
        schema.scores_schema(["wer"], {}),
        schema.pairs_schema(["wer"]),
    ],
)
def test_features_are_those_datasets_would_write(form):
    told = schema.with_metadata(form, {})
    as_read = datasets.Features.from_arrow_schema(told)
    by_type = {field.name: field.type for field in as_read.arrow_schema}
    assert by_type == {field.name: field.type for field in form}


def test_whole_means_ended_and_of_this_run(tmp_path):
    path = written(tmp_path)
    assert part_files.is_whole(path, "f00")
    assert not part_files.is_whole(path, "another")
    assert not part_files.is_whole(tmp_path / "absent.parquet", "f00")
    path.write_bytes(path.read_bytes()[:-7])
    assert not part_files.is_whole(path, "f00")


def test_corrupt_part_is_named(tmp_path):
    path = written(tmp_path)
    path.write_bytes(b"PAR1 no")
    with raises(CorruptPartError, path=path, problem="unreadable"):
        part_files.read(path)
    with raises(CorruptPartError, path=path, problem="unreadable"):
        part_files.rows(path)


def test_missing_table_is_named(tmp_path):
    with raises(StorageError, path=tmp_path / "scores", problem="empty"):
        part_files.read_all(tmp_path, "scores")


def test_full_disk_leaves_nothing_and_says_so(tmp_path, monkeypatch):
    before = written(tmp_path).read_bytes()

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with raises(UnwrittenError, path="part-00000.parquet", problem="unwritable") as caught:
        written(tmp_path, [candidate(9)])
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert part_files.part(tmp_path, "candidates", 0).read_bytes() == before
    assert len(list((tmp_path / "candidates").iterdir())) == 1


def test_unwritable_place_is_named(tmp_path):
    (tmp_path / "candidates").write_text("a file where a folder must be")
    with raises(UnwrittenError, path="part-00000.parquet", problem="unwritable"):
        written(tmp_path)


def test_sweep_removes_leftovers_only(tmp_path):
    path = written(tmp_path)
    leftover = tmp_path / "candidates" / ".unfinished-abc"
    leftover.write_bytes(b"half")
    part_files.sweep(tmp_path, ["candidates"])
    assert not leftover.exists()
    assert path.exists()


def test_empty_part_keeps_its_columns(tmp_path):
    path = written(tmp_path, [])
    assert part_files.rows(path) == 0
    assert part_files.read(path).schema.names == schema.CANDIDATES.names


def test_json_lines_survive_a_cut_line(tmp_path):
    path = tmp_path / "timings.jsonl"
    part_files.append_json(path, {"a": 1})
    with path.open("a") as file:
        file.write('{"b": ')
    part_files.append_json(path, {"c": 3})
    assert part_files.read_json_lines(path) == [{"a": 1}, {"c": 3}]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_does_not_know_is_not_written(tmp_path, value):
    path = tmp_path / "log.jsonl"
    part_files.append_json(path, {"a": 1})
    for write in (part_files.append_json, part_files.overwrite_json):
        with pytest.raises(ValueError, match="JSON"):
            write(path, {"held_out": {"loss": value}})
    assert path.read_text() == '{"a": 1}\n'
    part_files.append_json(path, jsonl.replace_non_finite({"held_out": {"loss": [value, 0.5]}}))
    assert part_files.read_json_lines(path)[1] == {"held_out": {"loss": [None, 0.5]}}
