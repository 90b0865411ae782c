"""Tests of objects at a URL, on a server and in memory: complete or absent, ranges, listings."""

import json
import threading
import uuid

import fsspec
import numpy as np
import pyarrow as pa
import pytest

from gensr_pref import records, shards, store
from gensr_pref.errors import CorruptPartError, InputError, StorageError
from gensr_pref.location import located

from .refusals import raises
from .s3_server import BUCKET
from .test_shards import FACTS, candidate


@pytest.fixture(params=["s3", "memory"])
def place(request):
    if request.param == "s3":
        return request.getfixturevalue("bucket")
    return located(f"memory://{uuid.uuid4().hex}/run")


@pytest.fixture
def part(bucket):
    """A part of 4 MB, nearly all of it audio."""
    table = pa.table(
        {
            "candidate_id": [f"c/g/{k}" for k in range(64)],
            "generator": ["g"] * 64,
            "audio": [np.random.default_rng(k).bytes(1 << 16) for k in range(64)],
        }
    )
    path = shards.part(bucket, "candidates", 0)
    shards.write_table(path, table, FACTS)
    return path


def test_objects_are_written_listed_read_and_removed(place):
    assert store.listed(place) == {}
    assert store.entry(place / "a") is None
    store.put(place / "b", b"second")
    store.put(place / "a", b"first")
    store.put(place / "folder" / "c", b"third")
    assert list(store.listed(place)) == ["a", "b"]
    assert store.folders(place) == ["folder"]
    assert store.listed(place / "a") == {}
    assert store.listed(place)["a"].is_same(store.entry(place / "a"))
    assert store.get(place / "a") == b"first"
    assert store.get(place / "a", 1, 3) == b"ir"
    before = store.entry(place / "a")
    store.put(place / "a", b"other")
    assert not store.entry(place / "a").is_same(before)
    store.remove(place / "a")
    store.remove(place / "a")
    assert list(store.listed(place)) == ["b"]
    with pytest.raises(FileNotFoundError):
        store.get(place / "a")


def test_listing_does_not_stop_at_a_thousand(bucket, s3):
    system = fsspec.filesystem("s3")
    system.pipe({f"{bucket.path}/{k:04d}": b"x" for k in range(1001)})
    s3.forget()
    assert len(store.listed(bucket)) == 1001
    assert s3.counted() == {"LIST": 2}


def test_one_of_many_creates(place):
    won = []

    def attempt(k):
        if store.create(place / "lock", f"{k}".encode()):
            won.append(f"{k}".encode())

    threads = [threading.Thread(target=attempt, args=(k,)) for k in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert won == [store.get(place / "lock")]
    assert not store.create(place / "lock", b"late")


def test_answer_that_was_lost_does_not_cost_the_lock(bucket):
    """The client asks again, and is then told that there is an object: its own."""
    store.put(bucket / "lock", b"mine")
    assert store.create(bucket / "lock", b"mine")


def test_part_comes_back_and_is_stamped_as_it_is_listed(place):
    path = shards.part(place, "candidates", 0)
    rows = [candidate(k) for k in range(5)]
    stamp = shards.write(path, rows, shards_schema(), FACTS)
    assert shards.read(path).to_pylist() == rows
    assert shards.facts(path)["fingerprint"] == stamp.fingerprint == "f00"
    assert shards.rows(path) == stamp.rows == 5
    assert shards.parts(place, "candidates") == [path]
    assert shards.listed(place, "candidates")[path].is_same(stamp.entry)
    assert [b.num_rows for b in shards.batches(path, ["index"], rows=2)] == [2, 2, 1]
    assert shards.read_all(place, "candidates", ["index", "utmos"]).to_pydict() == {
        "index": [0, 1, 2, 3, 4],
        "utmos": [None] * 5,
    }


def shards_schema():
    from gensr_pref import schema

    return schema.CANDIDATES


def test_part_has_the_bytes_that_it_has_on_a_disk(place, tmp_path):
    rows = [candidate(k) for k in range(3)]
    for folder in (place, tmp_path):
        shards.write(shards.part(folder, "candidates", 0), rows, shards_schema(), FACTS)
    content = shards.part(tmp_path, "candidates", 0).read_bytes()
    assert store.get(shards.part(place, "candidates", 0)) == content


def test_audio_stays_where_it_is_when_ids_are_read(part, bucket, s3):
    size = store.entry(part).size
    assert size > 4e6
    s3.forget()
    ids = shards.read_all(bucket, "candidates", ["candidate_id", "generator"])
    assert len(ids) == 64
    assert sum(s3.bytes) < 0.05 * size
    assert s3.counted() == {"LIST": 1, "GET": len(s3.asked) - 1}
    assert len(s3.asked) <= 4


def test_ranges_are_those_of_a_file(part):
    content = store.get(part)
    file, rng = store.Ranges(part), np.random.default_rng(0)
    for start, length in rng.integers(0, [len(content), 50_000], (20, 2)):
        file.seek(start)
        assert file.read(length) == content[start : start + length]
    file.seek(-10, 2)
    assert file.read() == content[-10:]
    assert file.read() == b""


@pytest.mark.parametrize("at", [0.3, 0.999])
def test_byte_that_changed_is_seen(part, bucket, at):
    stamp = shards.stamp(part)
    content = bytearray(store.get(part))
    content[int(len(content) * at)] ^= 0x10
    store.put(part, bytes(content))
    seen = store.entry(part)
    assert seen.size == stamp.size
    assert not shards.is_intact(part, stamp, seen)
    assert not shards.is_intact(part, None, seen)
    with raises(CorruptPartError, path=part, problem="unreadable"):
        shards.read(part)


def test_missing_part_is_missing(bucket):
    path = shards.part(bucket, "scores", 3)
    assert shards.facts_if_any(path) == {}
    with raises(CorruptPartError, path=path, problem="unreadable"):
        shards.read(path)
    with raises(StorageError, path=bucket / "scores", problem="empty"):
        shards.read_all(bucket, "scores")


def test_lines_are_kept_in_bounded_pieces(place, monkeypatch):
    monkeypatch.setattr(records, "_PIECE_BYTES", 100)
    path = place / "timings.jsonl"
    assert records.read_json_lines(path) == []
    assert records.last_json_line(path) is None
    lines = [{"k": k, "text": "x" * (k % 7) * 10} for k in range(30)]
    for one in lines:
        records.append_json(path, one)
    records.forget()  # as another process would go on
    records.append_json(path, {"k": 30})
    assert records.read_json_lines(path) == [*lines, {"k": 30}]
    assert records.last_json_line(path) == {"k": 30}
    pieces = store.listed(path)
    assert 10 < len(pieces) < 30
    assert max(one.size for one in pieces.values()) <= 110
    assert records.json_files(place) == ["timings.jsonl"]


def test_text_of_one_object_is_read_as_lines(place):
    shards.write_text(place / "shards.jsonl", '{"a": 1}\n{"a": 2}\n')
    assert records.read_json_lines(place / "shards.jsonl") == [{"a": 1}, {"a": 2}]


def test_bucket_that_is_not_there(s3):
    place = located("s3://no-such-bucket/run")
    for asked in (
        lambda: store.put(place / "a", b"x"),
        lambda: store.get(place / "a"),
        lambda: store.listed(place / "a"),
        lambda: store.create(place / "a", b"x"),
    ):
        with raises(InputError, path="run", problem="missing"):
            asked()


@pytest.fixture
def read_only(s3):
    """A policy of the bucket that lets nobody write, as an administrator would set it."""
    rule = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:PutObject"],
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
    }
    system = fsspec.filesystem("s3")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
    system.call_s3("put_bucket_policy", Bucket=BUCKET, Policy=policy)
    yield
    system.call_s3("delete_bucket_policy", Bucket=BUCKET)


def test_missing_permission_is_told(bucket, read_only):
    with raises(StorageError, path=bucket / "a", value="PermissionError", problem="unwritable"):
        store.put(bucket / "a", b"x")


@pytest.mark.slow
def test_server_that_is_gone_is_no_damage(part, s3):
    s3.stop()
    try:
        with pytest.raises(StorageError, match=f"{part}: cannot be .*continues") as caught:
            shards.read(part)
    finally:
        s3.start()
    assert not isinstance(caught.value, CorruptPartError)
    assert len(shards.read(part)) == 64
