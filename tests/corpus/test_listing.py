"""Tests of folder sources: what they list, and what they leave out, counted by cause."""

import sys
import unicodedata

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.config.run_file import Degrade, FolderSource, ManifestSource, PairedSource
from gensr_pref.corpus.degradation_sources import Library
from gensr_pref.corpus.file_sources import FolderFiles, ManifestFiles, PairedFiles
from gensr_pref.corpus.listing import Cause, LeftOut, describe_left_out, list_audio
from gensr_pref.errors import SourceError
from tests.refusals import raises

TONE = (0.5 * np.sin(np.arange(1600) / 5)).astype(np.float32)
NFC, NFD = (unicodedata.normalize(form, "\u00e9t\u00e9") for form in ("NFC", "NFD"))


def put(folder, *places):
    for place in places:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(audio.wav(TONE, 16000))


@pytest.fixture
def no_ffmpeg(monkeypatch):
    known = audio.suffixes() - audio.ffmpeg_suffixes()
    monkeypatch.setattr(audio, "suffixes", lambda: known)


def test_other_content_is_counted(tmp_path, no_ffmpeg):
    put(tmp_path / "in", "b/2.WAV", "a.flac", "a.m4a", "b/c.wma", "notes.txt", "wav", ".x.wav")
    put(tmp_path / "other", "3.wav")
    (tmp_path / "in/more").symlink_to(tmp_path / "other")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/link.wav").symlink_to(tmp_path / "other/3.wav")
    found = list_audio(tmp_path / "in", "corpus.source.path")
    assert found.paths == ("a.flac", "b/2.WAV", "link.wav")
    assert {(one.cause, one.count, one.example) for one in found.left_out} == {
        (Cause.NEEDS_FFMPEG, 2, "a.m4a"),
        (Cause.NO_SOUND, 2, "notes.txt"),
        (Cause.HIDDEN, 1, ".x.wav"),
        (Cause.LINKED_FOLDER, 2, "loop"),
    }
    [line] = describe_left_out(found.left_out)
    assert all(word in line for word in ("corpus.source.path", "a.m4a", "2 ", "loop", "FFmpeg"))


def test_complete_listing_has_no_message(tmp_path):
    put(tmp_path, "a.wav")
    assert list_audio(tmp_path, "x").left_out == ()
    assert describe_left_out(()) == []


def test_folder_without_readable_files_is_refused_with_the_reason(tmp_path, no_ffmpeg):
    put(tmp_path, "a.m4a")
    left_out = [("a.m4a", "needs_ffmpeg")]
    with raises(SourceError, field="x", value=left_out, path=tmp_path, problem="empty"):
        list_audio(tmp_path, "x")


def test_every_folder_source_reports_what_it_leaves_out(tmp_path):
    put(tmp_path, "noisy/a.wav", "noisy/b.txt", "clean/a.wav", "clean/c.txt", "clean/d.txt")
    paired = PairedFiles(
        PairedSource(kind="paired", noisy="noisy", clean="clean"), tmp_path, "source"
    )
    folder = FolderFiles(FolderSource(kind="folder", path="clean"), tmp_path, "source")
    for source in (paired, folder):
        list(source.items())
    assert folder.left_out == (LeftOut("source.path", Cause.NO_SOUND, 2, "c.txt"),)
    assert [one.field for one in paired.left_out] == ["source.noisy", "source.clean"]
    noise = {"source": {"kind": "folder", "path": "noisy"}}
    library = Library.from_settings(Degrade.model_validate({"noise": noise}), tmp_path)
    assert [(one.count, one.example) for one in library.left_out] == [(1, "b.txt")]


# Elsewhere the disk itself takes both names for one.
two_forms = pytest.mark.skipif(sys.platform == "darwin", reason="the disk knows one form of a name")


def test_folders_match_by_names_that_look_the_same(tmp_path):
    put(tmp_path, f"noisy/{NFC}.wav", f"clean/{NFD}.flac")
    source = PairedFiles(
        PairedSource(kind="paired", noisy="noisy", clean="clean"), tmp_path, "source"
    )
    [item] = source.items()
    assert item.source_id == f"{NFC}.wav"
    noisy, clean = source.read(item, 0, 100)
    np.testing.assert_array_equal(noisy.wave, clean.wave)


@two_forms
def test_two_files_whose_names_look_the_same_are_ambiguous(tmp_path):
    put(tmp_path, f"{NFC}.wav", f"{NFD}.wav")
    assert len(list(tmp_path.iterdir())) == 2
    with raises(SourceError, value="été", path=tmp_path, problem="duplicate"):
        list_audio(tmp_path, "x").by_name()
    noise = {"source": {"kind": "folder", "path": "."}}
    with raises(
        SourceError, field="corpus.degrade.noise.source", value="été.wav", problem="duplicate"
    ):
        Library.from_settings(Degrade.model_validate({"noise": noise}), tmp_path)


@pytest.mark.parametrize(("there", "written"), [(NFC, NFD), (NFD, NFC)])
def test_manifest_finds_the_file_whose_name_looks_the_same(tmp_path, there, written):
    put(tmp_path, f"{there}/a.wav")
    (tmp_path / "rows.csv").write_text(f"file,who\n{written}/a.wav,{written}\n", encoding="utf-8")
    config = ManifestSource.model_validate(
        {"kind": "manifest", "path": "rows.csv", "columns": {"audio": "file", "speaker": "who"}}
    )
    source = ManifestFiles(config, tmp_path, "source")
    [item] = source.items()
    assert (item.source_id, item.speaker) == (f"{NFC}/a.wav", NFC)
    assert source.read(item, 0, 100)[0].rate == 16000
