"""Tests of matching the audio files of folders into clips."""

import unicodedata
from pathlib import Path

import pytest

from gensr_pref.apply.audio_folders import Folders, match_clips
from gensr_pref.errors import SourceError
from tests.apply.folders import write_tone
from tests.refusals import raises


def test_files_are_matched_by_name_whatever_their_suffix(two_systems):
    clips = match_clips(Folders((Path("one"), Path("two")), Path("clean")))
    assert [clip.name for clip in clips] == ["a", "sub/b", "sub/c"]
    assert clips[1].candidates == (("one", Path("one/sub/b.wav")), ("two", Path("two/sub/b.flac")))
    assert clips[1].clean == Path("clean/sub/b.wav")


def test_a_missing_file_does_not_shift_the_others(two_systems):
    (two_systems / "one" / "a.wav").unlink()
    (two_systems / "clean" / "sub" / "b.wav").unlink()
    clips = match_clips(Folders((Path("one"), Path("two")), Path("clean")))
    assert [[label for label, _ in clip.candidates] for clip in clips] == [
        ["two"], ["one", "two"], ["one", "two"],
    ]  # fmt: skip
    paths = [Path("clean/a.wav"), Path("clean/sub/b"), Path("clean/sub/c.wav")]
    assert [clip.clean for clip in clips] == paths


def test_a_single_file_is_looked_up_by_name_in_a_folder_and_a_table(two_systems):
    Path("t.csv").write_text("audio,text\nb.wav,hello\n")
    [clip] = match_clips(Folders((Path("one/sub/b.wav"),), Path("clean/sub"), texts=Path("t.csv")))
    assert (clip.clean, clip.text) == (Path("clean/sub/b.wav"), "hello")


def test_one_reference_for_many_clips_is_refused(two_systems):
    with raises(SourceError, field="reference", problem="conflict"):
        match_clips(Folders((Path("one"),), Path("clean/a.wav")))


def test_single_files_are_matched_whatever_their_names(two_systems):
    [clip] = match_clips(Folders((Path("one/a.wav"),), Path("clean/sub/b.wav")))
    assert clip.clean == Path("clean/sub/b.wav")
    assert clip.candidates == (("a.wav", Path("one/a.wav")),)


def test_texts_and_languages_come_from_a_table(two_systems):
    Path("t.csv").write_text("audio,text,language\na.wav,hello,\nsub/c,ciao,it\n")
    clips = match_clips(Folders((Path("one"),), texts=Path("t.csv"), language="en"))
    assert [(clip.text, clip.language) for clip in clips] == [
        ("hello", "en"), (None, "en"), ("ciao", "it"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("folders", "path", "problem"),
    [
        ({"systems": (Path("none"),)}, "none", "missing"),
        ({"reference": Path("other")}, "other", "unknown"),
        ({"texts": Path("bad.csv")}, "bad.csv", "missing"),
        ({"systems": (Path("one"), Path("one"))}, None, "duplicate"),
    ],
)
def test_inputs_that_do_not_fit_together_are_refused(two_systems, folders, path, problem):
    write_tone(two_systems / "other" / "z.wav")
    Path("bad.csv").write_text("clip,text\na,hello\n")
    [field] = folders
    with raises(SourceError, field=field, path=path, problem=problem):
        match_clips(Folders(**{"systems": (Path("one"),), **folders}))


def test_systems_of_the_same_name_are_labelled_by_their_paths(two_systems):
    write_tone(two_systems / "x" / "one" / "a.wav")
    clips = match_clips(Folders((Path("one"), Path("x/one"))))
    assert [label for label, _ in clips[0].candidates] == ["one", "x/one"]


def test_files_that_are_left_out_are_reported_once_per_folder(two_systems):
    for name in ("one/notes.txt", "one/more.json", "clean/.a.wav"):
        (two_systems / name).write_text("x")
    (two_systems / "one/linked").symlink_to(two_systems / "two")
    lines = []
    folders = Folders((Path("one"), Path("two")), reference=Path("clean"))
    assert len(match_clips(folders, report=lines.append)) == 3
    assert [line.partition(":")[0] for line in lines] == ["systems", "reference"]
    assert all(name in lines[0] for name in ("2 ", "more.json", "linked", "one"))


def test_names_that_look_the_same_are_matched(two_systems):
    composed, apart = (unicodedata.normalize(form, "\u00e9") for form in ("NFC", "NFD"))
    write_tone(Path("made") / f"{apart}.wav")
    write_tone(Path("clean") / f"{composed}.wav")
    table = Path("t.csv")
    table.write_text(f"audio,text,language\n{composed}.wav,yes,eng\n", encoding="utf-8")
    [clip] = match_clips(Folders((Path("made"),), reference=Path("clean"), texts=table))
    assert (clip.name, clip.text, clip.language) == (composed, "yes", "en")
    assert clip.clean.exists()
