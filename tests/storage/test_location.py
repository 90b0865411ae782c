"""Tests of folders and URLs as a user writes them."""

import pickle
from pathlib import Path

import fsspec

from gensr_pref.cli.main import main
from gensr_pref.errors import InputError
from gensr_pref.storage.location import is_remote, parse_location
from tests.refusals import raises, refuses, require_absent


def test_folder_is_a_path(tmp_path):
    for text in (str(tmp_path), "runs/mine", "file" + str(tmp_path)):
        assert parse_location(text) == Path(text)
        assert not is_remote(parse_location(text))
    assert parse_location(tmp_path) is tmp_path


def test_file_url_is_a_folder():
    assert parse_location("file:///data/my%20runs") == Path("/data/my runs")


def test_url_keeps_its_slashes_and_can_be_pickled():
    place = parse_location("s3://bucket/runs/mine/")
    assert is_remote(place)
    assert str(place) == "s3://bucket/runs/mine"
    assert str(place / "clips" / "part-00000.parquet") == (
        "s3://bucket/runs/mine/clips/part-00000.parquet"
    )
    assert pickle.loads(pickle.dumps(place / "clips")) == place / "clips"


def test_password_is_refused_and_not_printed(console):
    with raises(InputError, path="sftp://...@host", problem="unsafe") as caught:
        parse_location("sftp://me:hunter2@host/runs")
    require_absent(caught.value, "hunter2")
    assert main(["status", "sftp://me:hunter2@host/runs"]) == 2
    console.require_absent("hunter2")


def test_unknown_scheme_is_bad_input(capsys):
    refuses(["status", "s4://bucket/run"], InputError, value="s4", problem="unknown")


def test_package_that_is_not_installed_is_named_with_its_extra(monkeypatch, capsys):
    def missing(scheme):
        raise ImportError(f"Install {scheme}fs")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    refuses(["status", "s3://bucket/run"], InputError, value="s3", problem="missing")
    assert "gensr-pref[s3]" in capsys.readouterr().err
    refuses(["status", "gs://bucket/run"], InputError, value="gs", problem="missing")
    assert "gsfs" in capsys.readouterr().err
