"""Tests that only regular files are opened: a named pipe would block, a device may never end."""

import os
import socket

import pytest

from gensr_pref import audio
from gensr_pref.config.run_file import Columns, FolderSource, ManifestSource, ParquetSource
from gensr_pref.corpus.file_sources import FolderFiles, ManifestFiles
from gensr_pref.corpus.table_sources import ParquetRows
from gensr_pref.errors import SourceError, Unusable
from gensr_pref.schema import Failure, Reason
from gensr_pref.tables.rows import read_rows
from tests.refusals import raises

pytestmark = pytest.mark.timeout(20)


def pipe(folder):
    os.mkfifo(folder / "x.wav")


def listener(folder):
    os.chdir(folder)  # the path of a socket may have 107 bytes
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("x.wav")


def device(folder):
    (folder / "x.wav").symlink_to("/dev/zero")


def linked_pipe(folder):
    os.mkfifo(folder / "pipe")
    (folder / "x.wav").symlink_to("pipe")


def folder_of_that_name(folder):
    (folder / "x.wav").mkdir()


KINDS = [pipe, listener, device, linked_pipe, folder_of_that_name]


@pytest.mark.parametrize("make", KINDS)
def test_other_than_regular_file_is_unreadable(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    for read in (audio.read, audio.read_header):
        with pytest.raises(Unusable) as caught:
            read(tmp_path / "x.wav")
        assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize("make", KINDS)
def test_manifest_that_names_one_gives_a_failure(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    (tmp_path / "rows.csv").write_text("path\nx.wav\n")
    config = ManifestSource(kind="manifest", path="rows.csv", columns=Columns(audio="path"))
    [failed] = ManifestFiles(config, tmp_path, "corpus.source").items()
    assert isinstance(failed, Failure)
    assert failed.reason is Reason.UNREADABLE


def test_folder_that_contains_a_pipe_gives_a_failure(tmp_path):
    pipe(tmp_path)
    [failed] = FolderFiles(FolderSource(kind="folder", path="."), tmp_path, "corpus.source").items()
    assert isinstance(failed, Failure)


def test_table_that_is_a_pipe_is_refused(tmp_path):
    for name in ("rows.csv", "rows.parquet"):
        os.mkfifo(tmp_path / name)
    with raises(SourceError, field="corpus.source.path", problem="invalid"):
        read_rows(tmp_path / "rows.csv", "corpus.source.path")
    config = ParquetSource(kind="parquet", path="rows.parquet", columns=Columns(audio="audio"))
    with raises(SourceError, field="corpus.source.path", problem="invalid"):
        list(ParquetRows(config, tmp_path, "corpus.source").items())
