"""Tests of names that look the same: they match one file, and two such files are refused."""

import unicodedata

import pytest

from gensr_pref.tables.file_names import AmbiguousNameError, FileNames

NFC = unicodedata.normalize("NFC", "été/na\u00efve.wav")
NFD = unicodedata.normalize("NFD", NFC)


def create_file(folder, place):
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_bytes(b"x")


@pytest.mark.parametrize(("existing", "written"), [(NFC, NFD), (NFD, NFC), (NFD, NFD)])
def test_name_finds_its_file(tmp_path, existing, written):
    create_file(tmp_path, existing)
    assert FileNames(tmp_path).find(written) == existing


def test_exact_name_is_preferred(tmp_path):
    create_file(tmp_path, NFC)
    create_file(tmp_path, NFD)
    assert [FileNames(tmp_path).find(place) for place in (NFC, NFD)] == [NFC, NFD]


def test_two_names_that_look_the_same_are_ambiguous(tmp_path):
    letters = ("\u1ed9", "\u1ecd\u0302", "o\u0323\u0302")  # all the same letter
    for letter in letters[1:]:
        create_file(tmp_path, f"{letter}.wav")
    with pytest.raises(AmbiguousNameError):
        FileNames(tmp_path).find(f"{letters[0]}.wav")


def test_missing_file_keeps_the_name_as_written(tmp_path):
    assert FileNames(tmp_path).find("a/b.wav") == "a/b.wav"
