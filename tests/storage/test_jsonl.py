"""Tests of files of JSON lines, on a disk and in object stores."""

import uuid

import pytest

from gensr_pref.storage import files, jsonl, objects, pieces
from gensr_pref.storage.location import parse_location


@pytest.fixture(params=["s3", "memory"])
def store(request):
    """An empty folder in an object store."""
    if request.param == "s3":
        return request.getfixturevalue("bucket")
    return parse_location(f"memory://{uuid.uuid4().hex}/run")


@pytest.fixture(params=["disk", "s3"])
def folder(request):
    return request.getfixturevalue("tmp_path" if request.param == "disk" else "bucket")


def test_a_line_that_a_crash_cut_off_is_skipped(tmp_path):
    path = tmp_path / "timings.jsonl"
    jsonl.append_json(path, {"a": 1})
    with path.open("a") as file:
        file.write('{"b": ')
    jsonl.append_json(path, {"c": 3})
    assert jsonl.read_json_lines(path) == [{"a": 1}, {"c": 3}]
    assert jsonl.last_json_line(path) == {"c": 3}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_does_not_have_is_not_written(tmp_path, value):
    path = tmp_path / "log.jsonl"
    jsonl.append_json(path, {"a": 1})
    for write in (jsonl.append_json, jsonl.overwrite_json):
        with pytest.raises(ValueError, match="JSON"):
            write(path, {"held_out": {"loss": value}})
    assert path.read_text() == '{"a": 1}\n'
    jsonl.append_json(path, jsonl.replace_non_finite({"held_out": {"loss": [value, 0.5]}}))
    assert jsonl.read_json_lines(path)[1] == {"held_out": {"loss": [None, 0.5]}}


def test_lines_of_a_store_are_kept_in_pieces_of_bounded_size(store, monkeypatch):
    monkeypatch.setattr(pieces, "_PIECE_BYTES", 100)
    path = store / "timings.jsonl"
    assert jsonl.read_json_lines(path) == []
    assert jsonl.last_json_line(path) is None
    records = [{"k": k, "text": "x" * (k % 7) * 10} for k in range(30)]
    for record in records:
        jsonl.append_json(path, record)
    pieces.start_new_pieces()  # as another process would go on
    jsonl.append_json(path, {"k": 30})
    assert jsonl.read_json_lines(path) == [*records, {"k": 30}]
    assert jsonl.last_json_line(path) == {"k": 30}
    entries = objects.list_objects(path)
    assert 10 < len(entries) < 30
    assert max(entry.size for entry in entries.values()) <= 110
    assert jsonl.list_json_files(store) == ["timings.jsonl"]


def test_a_file_that_was_written_as_a_whole_is_read_as_lines(folder):
    path = folder / "shards.jsonl"
    jsonl.write_json_lines(path, [{"a": 1}, {"a": 2}])
    assert jsonl.read_json_lines(path) == [{"a": 1}, {"a": 2}]
    assert jsonl.last_json_line(path) == {"a": 2}


def test_lines_that_are_no_objects_are_skipped(folder):
    files.write_text(folder / "x.jsonl", '1\n{"a": 1}\n[2]\n')
    assert jsonl.read_json_lines(folder / "x.jsonl") == [{"a": 1}]


def test_only_files_of_json_lines_are_listed(tmp_path):
    for name in ("b.jsonl", "a.jsonl", "notes.txt"):
        (tmp_path / name).touch()
    assert jsonl.list_json_files(tmp_path) == ["a.jsonl", "b.jsonl"]
    assert jsonl.list_json_files(tmp_path / "absent") == []
