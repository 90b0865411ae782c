"""Tests of part files: complete or absent, reproducible, readable by `datasets`."""

import errno
import os
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq

from gensr_pref import audio, schema
from gensr_pref.errors import CorruptPartError, StorageError, UnwrittenError
from gensr_pref.rundir import part_files
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


def write_part(folder: Path, rows=None) -> Path:
    path = part_files.part(folder, "candidates", 0)
    rows = [candidate(k) for k in range(5)] if rows is None else rows
    part_files.write(path, rows, schema.CANDIDATES, FACTS)
    return path


def test_the_same_rows_give_the_same_bytes(tmp_path):
    first, second = write_part(tmp_path / "a"), write_part(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_a_part_holds_the_rows_that_were_write_part(tmp_path):
    path = write_part(tmp_path)
    assert part_files.read(path).to_pylist() == [candidate(k) for k in range(5)]
    assert part_files.count_rows(path) == 5
    assert part_files.read_all(tmp_path, "candidates", ["index"]).column("index").to_pylist() == [
        0, 1, 2, 3, 4,
    ]  # fmt: skip


def test_datasets_reads_the_audio_columns_of_a_part(tmp_path):
    write_part(tmp_path)
    loaded = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "candidates" / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert isinstance(loaded.features["audio"], datasets.Audio)
    plain = loaded.cast_column("audio", datasets.Audio(decode=False))
    assert plain[0]["audio"]["bytes"] == candidate(0)["audio"]["bytes"]


def test_a_part_is_whole_if_it_is_complete_and_of_this_run(tmp_path):
    path = write_part(tmp_path)
    assert part_files.is_whole(path, "f00")
    assert not part_files.is_whole(path, "another")
    assert not part_files.is_whole(tmp_path / "absent.parquet", "f00")
    path.write_bytes(path.read_bytes()[:-7])
    assert not part_files.is_whole(path, "f00")


def test_the_error_names_a_corrupt_part(tmp_path):
    path = write_part(tmp_path)
    path.write_bytes(b"PAR1 no")
    with raises(CorruptPartError, path=path, problem="unreadable"):
        part_files.read(path)
    with raises(CorruptPartError, path=path, problem="unreadable"):
        part_files.count_rows(path)


def test_the_error_names_a_missing_table(tmp_path):
    with raises(StorageError, path=tmp_path / "scores", problem="empty"):
        part_files.read_all(tmp_path, "scores")


def test_a_full_disk_leaves_the_earlier_part_and_no_remains(tmp_path, monkeypatch):
    before = write_part(tmp_path).read_bytes()

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with raises(UnwrittenError, path="part-00000.parquet", problem="unwritable") as caught:
        write_part(tmp_path, [candidate(9)])
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert part_files.part(tmp_path, "candidates", 0).read_bytes() == before
    assert len(list((tmp_path / "candidates").iterdir())) == 1


def test_the_error_names_a_part_that_cannot_be_write_part(tmp_path):
    (tmp_path / "candidates").write_text("a file where a folder must be")
    with raises(UnwrittenError, path="part-00000.parquet", problem="unwritable"):
        write_part(tmp_path)


def test_only_the_remains_of_interrupted_writes_are_removed(tmp_path):
    path = write_part(tmp_path)
    leftover = tmp_path / "candidates" / ".unfinished-abc"
    leftover.write_bytes(b"half")
    part_files.remove_unfinished_parts(tmp_path, ["candidates"])
    assert not leftover.exists()
    assert path.exists()


def test_a_part_without_rows_has_its_columns(tmp_path):
    path = write_part(tmp_path, [])
    assert part_files.count_rows(path) == 0
    assert part_files.read(path).schema.names == schema.CANDIDATES.names
