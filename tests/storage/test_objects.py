"""Tests of objects at a URL, on a server and in memory: complete or absent, ranges, listings."""

import json
import threading
import uuid

import fsspec
import numpy as np
import pyarrow as pa
import pytest

from gensr_pref.errors import CorruptPartError, InputError, StorageError
from gensr_pref.rundir import part_files
from gensr_pref.storage import objects
from gensr_pref.storage.location import parse_location
from tests.refusals import raises
from tests.rundir.test_part_files import FACTS, candidate
from tests.s3_server import BUCKET


@pytest.fixture(params=["s3", "memory"])
def place(request):
    if request.param == "s3":
        return request.getfixturevalue("bucket")
    return parse_location(f"memory://{uuid.uuid4().hex}/run")


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
    path = part_files.part(bucket, "candidates", 0)
    part_files.write_table(path, table, FACTS)
    return path


def test_objects_are_written_listed_read_and_removed(place):
    assert objects.list_objects(place) == {}
    assert objects.stat_object(place / "a") is None
    objects.write_object(place / "b", b"second")
    objects.write_object(place / "a", b"first")
    objects.write_object(place / "folder" / "c", b"third")
    assert list(objects.list_objects(place)) == ["a", "b"]
    assert objects.list_folders(place) == ["folder"]
    assert objects.list_objects(place / "a") == {}
    assert objects.list_objects(place)["a"].is_same(objects.stat_object(place / "a"))
    assert objects.read_object(place / "a") == b"first"
    assert objects.read_object(place / "a", 1, 3) == b"ir"
    before = objects.stat_object(place / "a")
    objects.write_object(place / "a", b"other")
    assert not objects.stat_object(place / "a").is_same(before)
    objects.remove_object(place / "a")
    objects.remove_object(place / "a")
    assert list(objects.list_objects(place)) == ["b"]
    with pytest.raises(FileNotFoundError):
        objects.read_object(place / "a")


def test_listing_does_not_stop_at_the_first_page(bucket, s3, monkeypatch):
    """A server lists a thousand objects per answer by default, and this one ten."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    system = fsspec.filesystem("s3")
    system.pipe({f"{bucket.path}/{k:04d}": b"x" for k in range(11)})
    s3.forget()
    assert len(objects.list_objects(bucket)) == 11
    assert s3.counted() == {"LIST": 2}


def test_one_of_many_threads_creates_an_object(place):
    won = []

    def attempt(k):
        if objects.create_object(place / "lock", f"{k}".encode()):
            won.append(f"{k}".encode())

    threads = [threading.Thread(target=attempt, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [objects.read_object(place / "lock")]
    assert not objects.create_object(place / "lock", b"late")


def test_a_repeated_request_to_create_an_object_succeeds(bucket):
    """The client repeats a request whose answer was lost, and the object exists: its own."""
    objects.write_object(bucket / "lock", b"mine")
    assert objects.create_object(bucket / "lock", b"mine")


def test_a_part_is_read_as_written_and_its_stamp_matches_its_entry(place):
    path = part_files.part(place, "candidates", 0)
    rows = [candidate(k) for k in range(5)]
    stamp = part_files.write(path, rows, shards_schema(), FACTS)
    assert part_files.read(path).to_pylist() == rows
    assert part_files.read_facts(path)["fingerprint"] == stamp.fingerprint == "f00"
    assert part_files.count_rows(path) == stamp.rows == 5
    assert part_files.parts(place, "candidates") == [path]
    assert part_files.stat_parts(place, "candidates")[path].is_same(stamp.entry)
    assert [b.num_rows for b in part_files.batches(path, ["index"], rows=2)] == [2, 2, 1]
    assert part_files.read_all(place, "candidates", ["index", "utmos"]).to_pydict() == {
        "index": [0, 1, 2, 3, 4],
        "utmos": [None] * 5,
    }


def shards_schema():
    from gensr_pref import schema

    return schema.CANDIDATES


def test_a_part_has_the_same_bytes_as_on_a_disk(place, tmp_path):
    rows = [candidate(k) for k in range(3)]
    for folder in (place, tmp_path):
        part_files.write(part_files.part(folder, "candidates", 0), rows, shards_schema(), FACTS)
    content = part_files.part(tmp_path, "candidates", 0).read_bytes()
    assert objects.read_object(part_files.part(place, "candidates", 0)) == content


def test_audio_is_not_fetched_when_ids_are_read(part, bucket, s3):
    size = objects.stat_object(part).size
    assert size > 4e6
    s3.forget()
    ids = part_files.read_all(bucket, "candidates", ["candidate_id", "generator"])
    assert len(ids) == 64
    assert sum(s3.bytes) < 0.05 * size
    assert s3.counted() == {"LIST": 1, "GET": len(s3.asked) - 1}
    assert len(s3.asked) <= 4


def test_a_reader_returns_the_same_ranges_as_a_file(part):
    content = objects.read_object(part)
    file, rng = objects.ObjectReader(part), np.random.default_rng(0)
    for start, length in rng.integers(0, [len(content), 50_000], (20, 2)):
        file.seek(start)
        assert file.read(length) == content[start : start + length]
    file.seek(-10, 2)
    assert file.read() == content[-10:]
    assert file.read() == b""


@pytest.mark.parametrize("at", [0.3, 0.999])
def test_a_changed_byte_is_detected(part, bucket, at):
    stamp = part_files.stamp(part)
    content = bytearray(objects.read_object(part))
    content[int(len(content) * at)] ^= 0x10
    objects.write_object(part, bytes(content))
    seen = objects.stat_object(part)
    assert seen.size == stamp.size
    assert not part_files.is_intact(part, stamp, seen)
    assert not part_files.is_intact(part, None, seen)
    with raises(CorruptPartError, path=part, problem="unreadable"):
        part_files.read(part)


def test_the_error_names_a_missing_part(bucket):
    path = part_files.part(bucket, "scores", 3)
    assert part_files.read_facts_if_any(path) == {}
    with raises(CorruptPartError, path=path, problem="unreadable"):
        part_files.read(path)
    with raises(StorageError, path=bucket / "scores", problem="empty"):
        part_files.read_all(bucket, "scores")


def test_a_missing_bucket_is_an_input_error(s3):
    place = parse_location("s3://no-such-bucket/run")
    for request in (
        lambda: objects.write_object(place / "a", b"x"),
        lambda: objects.read_object(place / "a"),
        lambda: objects.list_objects(place / "a"),
        lambda: objects.create_object(place / "a", b"x"),
    ):
        with raises(InputError, path="run", problem="missing"):
            request()


@pytest.fixture
def read_only(s3):
    """Set a policy of the bucket that forbids everybody to write."""
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


def test_a_missing_permission_is_reported(bucket, read_only):
    with raises(StorageError, path=bucket / "a", value="PermissionError", problem="unwritable"):
        objects.write_object(bucket / "a", b"x")


@pytest.mark.slow
def test_an_unreachable_server_does_not_count_as_damage(part, s3):
    s3.stop()
    try:
        with raises(StorageError, path=part, problem="unreadable"):
            part_files.read(part)
    finally:
        s3.start()
    assert len(part_files.read(part)) == 64
