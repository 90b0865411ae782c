"""Tests of replacing an export as a whole."""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gensr_pref.auditing.run_audit import audit
from gensr_pref.errors import InputError, StorageError
from gensr_pref.exporting.atomic_folder import replace_folder
from gensr_pref.exporting.dataset import ExportOptions
from gensr_pref.exporting.export_run import export
from gensr_pref.storage import local_files
from tests.refusals import raises


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def made(out: Path, text: str) -> None:
    with replace_folder(out) as folder:
        (folder / "x").write_text(text)


def test_a_complete_folder_replaces_the_earlier_one(tmp_path) -> None:
    made(tmp_path / "out", "one")
    made(tmp_path / "out", "two")
    assert (tmp_path / "out" / "x").read_text() == "two"
    assert names(tmp_path) == ["out"]


def test_a_failure_leaves_the_earlier_folder_unchanged(tmp_path) -> None:
    made(tmp_path / "out", "one")
    with pytest.raises(ZeroDivisionError), replace_folder(tmp_path / "out") as folder:
        (folder / "x").write_text(str(1 / 0))
    assert (tmp_path / "out" / "x").read_text() == "one"
    assert names(tmp_path) == ["out"]


def test_only_one_process_at_a_time_writes_the_folder(tmp_path) -> None:
    with replace_folder(tmp_path / "out") as folder:
        (folder / "x").write_text("one")
        with raises(InputError, path="out", problem="busy"):
            made(tmp_path / "out", "two")
    assert (tmp_path / "out" / "x").read_text() == "one"
    assert names(tmp_path) == ["out"]


def test_a_file_system_without_locks(tmp_path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with replace_folder(tmp_path / "out") as folder:
        (folder / "x").write_text("one")
        with raises(InputError, path="out", problem="busy"):
            made(tmp_path / "out", "two")
    assert (tmp_path / "out" / "x").read_text() == "one"
    made(tmp_path / "out", "two")
    assert names(tmp_path / "out") == ["x"]
    assert (tmp_path / "out" / "x").read_text() == "two"


@pytest.mark.parametrize("renamed", [1, 2])
def test_a_kill_during_the_replacement_is_repaired(tmp_path, renamed) -> None:
    """After the first rename there is no OUT; after the second the old is still there."""
    made(tmp_path / "out", "one")
    shutil.copytree(tmp_path / "out", tmp_path / ".replaced-out")
    if renamed == 1:
        (tmp_path / "out").rename(tmp_path / ".unfinished-out")
    with pytest.raises(ZeroDivisionError), replace_folder(tmp_path / "out") as folder:
        (folder / "y").write_text(str(1 / len(names(folder))))  # nothing of the other is in it
    assert (tmp_path / "out" / "x").read_text() == "one"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("out", [".", "..", "../here"])
def test_the_working_folder_is_refused_at_once(built, tmp_path, monkeypatch, out) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with raises(InputError, problem="unsafe"):
        export(built, Path(out), ExportOptions())
    assert names(tmp_path) == ["here"]


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


@pytest.mark.parametrize("form", ["parquet", "wav-jsonl"])
def test_a_full_disk_gives_an_error_and_changes_nothing(built, tmp_path, monkeypatch, form) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    audit(built)
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(local_files, "_flush_file", full)
    monkeypatch.setattr("gensr_pref.audio.wav", full)
    with raises(StorageError, path="out", problem="unwritable") as caught:
        export(built, tmp_path / "out", ExportOptions(form))
    assert errno.EFBIG in (getattr(one, "errno", None) for one in causes(caught.value))
    assert names(tmp_path) == ["out"]
