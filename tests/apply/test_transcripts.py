"""Tests of texts of clips from a table: read like a manifest, or refused."""

import json
import unicodedata

import pytest

from gensr_pref.apply.transcripts import Transcript, Transcripts
from gensr_pref.errors import SourceError
from tests.refusals import raises


@pytest.fixture
def texts(tmp_path):
    def read(*rows):
        path = tmp_path / "texts.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return Transcripts.read(path)

    return read


def test_cells_are_read_as_in_a_manifest(texts):
    read = texts(
        {"audio": "plain.wav", "text": " the law\ufeff", "language": "eng"},
        {"audio": "nan.wav", "text": float("nan"), "language": float("nan")},
        {"audio": "zero.wav", "text": 0, "language": "cmn_hans_cn"},
        {"audio": "empty.wav", "text": ""},
    )
    assert read.by_clip == {
        "plain": Transcript("the law", "en"),
        "nan": Transcript(),
        "zero": Transcript("0", "zh"),
        "empty": Transcript(),
    }
    assert read.sentences == ("0", "the law")


@pytest.mark.parametrize(
    ("row", "column", "problem"),
    [
        ({"audio": "a.wav", "text": ["THE LAW"]}, "text", "invalid"),
        ({"audio": "a.wav", "text": {"en": "THE LAW"}}, "text", "invalid"),
        ({"audio": "a.wav", "text": True}, "text", "invalid"),
        ({"audio": {"path": "a.wav"}, "text": "THE LAW"}, "audio", "invalid"),
        ({"audio": "a.wav", "text": "THE LAW", "language": "english"}, "language", "invalid"),
        ({"audio": float("nan"), "text": "THE LAW"}, "audio", "empty"),
    ],
)
def test_what_is_no_text_is_refused(texts, row, column, problem):
    where = {"field": "texts", "place": "texts.jsonl, line 1"}
    with raises(SourceError, **where, value=column, problem=problem):
        texts(row)


def test_names_that_look_the_same_are_the_same(texts):
    composed, apart = (unicodedata.normalize(form, "\u00e9t\u00e9.wav") for form in ("NFC", "NFD"))
    assert texts({"audio": apart, "text": "yes"}).by_clip == {"\u00e9t\u00e9": Transcript("yes")}
    with raises(SourceError, field="texts", value="été", problem="duplicate"):
        texts({"audio": apart, "text": "yes"}, {"audio": composed, "text": "no"})
