"""Tests of texts of clips from a table: read like a manifest, or refused."""

import json
import unicodedata

import pytest

from gensr_pref.apply.transcripts import Said, Texts
from gensr_pref.errors import SourceError


@pytest.fixture
def texts(tmp_path):
    def read(*rows):
        path = tmp_path / "texts.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return Texts.read(path)

    return read


def test_cells_are_read_as_in_a_manifest(texts):
    read = texts(
        {"audio": "plain.wav", "text": " the law\ufeff", "language": "eng"},
        {"audio": "nan.wav", "text": float("nan"), "language": float("nan")},
        {"audio": "zero.wav", "text": 0, "language": "cmn_hans_cn"},
        {"audio": "empty.wav", "text": ""},
    )
    assert read.of == {
        "plain": Said("the law", "en"),
        "nan": Said(),
        "zero": Said("0", "zh"),
        "empty": Said(),
    }
    assert read.sentences == ("0", "the law")


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"audio": "a.wav", "text": ["THE LAW"]}, "line 1: column 'text' holds"),
        ({"audio": "a.wav", "text": {"en": "THE LAW"}}, "line 1: column 'text' holds"),
        ({"audio": "a.wav", "text": True}, "line 1: column 'text' holds true"),
        ({"audio": {"path": "a.wav"}, "text": "THE LAW"}, "line 1: column 'audio' holds"),
        ({"audio": "a.wav", "text": "THE LAW", "language": "english"}, "line 1: column 'language'"),
        ({"audio": float("nan"), "text": "THE LAW"}, "line 1 has no value in column 'audio'"),
    ],
)
def test_what_is_no_text_is_refused(texts, row, what):
    with pytest.raises(SourceError, match=what):
        texts(row)


def test_names_that_look_the_same_are_the_same(texts):
    composed, apart = (unicodedata.normalize(form, "\u00e9t\u00e9.wav") for form in ("NFC", "NFD"))
    assert texts({"audio": apart, "text": "yes"}).of == {"\u00e9t\u00e9": Said("yes")}
    with pytest.raises(SourceError, match="lines 1 and 2 say different things"):
        texts({"audio": apart, "text": "yes"}, {"audio": composed, "text": "no"})
