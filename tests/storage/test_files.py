"""Tests of files on a disk and in object stores: both give the same answers."""

import uuid

import pytest

from gensr_pref.errors import UnwrittenError
from gensr_pref.identity import file_digest
from gensr_pref.storage import files
from gensr_pref.storage.local_files import LocalFiles
from gensr_pref.storage.location import parse_location
from gensr_pref.storage.object_files import ObjectFiles
from tests.refusals import raises


@pytest.fixture(params=["disk", "s3", "memory"])
def folder(request):
    """An existing folder without files, on each kind of location."""
    if request.param == "disk":
        return request.getfixturevalue("tmp_path")
    if request.param == "s3":
        return request.getfixturevalue("bucket")
    return parse_location(f"memory://{uuid.uuid4().hex}/run")


def test_the_path_decides_the_implementation(tmp_path):
    assert isinstance(files.files_at(tmp_path), LocalFiles)
    assert isinstance(files.files_at(parse_location("memory://run")), ObjectFiles)


def test_a_written_text_is_read_listed_and_removed(folder):
    path = folder / "b.txt"
    assert not files.exists(path)
    assert files.stat_file(path) is None
    assert files.list_files(folder / "absent") == {}
    files.write_text(path, "zwölf")
    files.write_text(folder / "a.txt", "first")
    assert files.exists(path)
    assert files.is_folder(folder)
    assert files.read_text(path) == "zwölf"
    assert files.stat_file(path).size == 6
    assert list(files.list_files(folder)) == ["a.txt", "b.txt"]
    assert files.list_files(folder)["b.txt"].is_same(files.stat_file(path))
    files.remove_file(path)
    files.remove_file(path)
    assert not files.exists(path)
    with pytest.raises(FileNotFoundError):
        files.read_text(path)


def test_a_created_file_is_not_written_again(folder):
    assert files.create_file(folder / "lease", "first")
    assert not files.create_file(folder / "lease", "second")
    assert files.read_text(folder / "lease") == "first"


def test_a_failed_block_leaves_the_earlier_file(folder):
    path = folder / "part"
    files.write_text(path, "earlier")

    def fail():
        with files.write_atomically(path) as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with raises(UnwrittenError, path=path, problem="unwritable"):
        fail()
    assert files.read_text(path) == "earlier"
    assert list(files.list_files(folder)) == ["part"]
    with files.write_atomically(path) as temporary:
        temporary.write_text("later")
    assert files.read_text(path) == "later"


def test_a_digest_depends_on_the_content_alone(folder, tmp_path):
    files.write_text(folder / "x", "content")
    (tmp_path / "copy").write_text("content")
    assert files.digest_file(folder / "x") == file_digest(tmp_path / "copy")


def test_a_new_folder_can_hold_files(folder):
    files.make_folder(folder / "new")
    files.make_folder(folder / "new")
    files.write_text(folder / "new" / "x", "content")
    assert list(files.list_files(folder / "new")) == ["x"]


def test_remains_of_an_interrupted_write_are_removed(tmp_path):
    (tmp_path / ".unfinished-x").write_text("half")
    (tmp_path / "x").write_text("whole")
    files.remove_unfinished([tmp_path, tmp_path / "absent"])
    assert list(files.list_files(tmp_path)) == ["x"]


def test_results_of_work_on_files_keep_their_order(folder):
    assert files.map_files(folder, lambda k: k * k, range(20)) == [k * k for k in range(20)]
