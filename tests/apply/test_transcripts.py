"""Tests of transcripts from a table: cells are read as in a manifest, or refused."""

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
def test_a_cell_that_is_not_text_is_refused(texts, row, column, problem):
    where = {"field": "texts", "place": "texts.jsonl, line 1"}
    with raises(SourceError, **where, value=column, problem=problem):
        texts(row)


def test_names_that_look_the_same_are_equal(texts):
    composed, apart = (unicodedata.normalize(form, "\u00e9t\u00e9.wav") for form in ("NFC", "NFD"))
    assert texts({"audio": apart, "text": "yes"}).by_clip == {"\u00e9t\u00e9": Transcript("yes")}
    with raises(SourceError, field="texts", value="été", problem="duplicate"):
        texts({"audio": apart, "text": "yes"}, {"audio": composed, "text": "no"})


def test_sentences_are_those_of_the_whole_table(tmp_path):
    (tmp_path / "t.csv").write_text(
        "audio,text\na.wav,hello\nelsewhere.wav,ciao\nsub/c.wav,hello\n"
    )
    assert Transcripts.read(tmp_path / "t.csv").sentences == ("ciao", "hello")


@pytest.mark.parametrize(
    ("table", "name", "text"),
    [
        ("audio,text\na.1,one\na.2,two\n", "a.2", "two"),
        ("audio,text\nsub/a.1.wav,one\n", "sub/a.1", "one"),
        (',name,text\n0,a,"one, two"\n', "a", "one, two"),
        ("audio,text\na.wav,one,\n", "a", "one"),
    ],
)
def test_only_an_audio_suffix_is_removed_from_a_name(tmp_path, table, name, text):
    (tmp_path / "t.csv").write_text(table)
    assert Transcripts.read(tmp_path / "t.csv").by_clip[name] == Transcript(text)


@pytest.mark.parametrize(
    ("table", "value", "problem", "place"),
    [
        ("audio,text\na.wav,one, two\n", None, "unreadable", None),
        ("audio,text\na.wav,one\na.flac,two\n", "a", "duplicate", None),
        ("audio,text\n,one\n", "audio", "empty", "t.csv, line 2"),
        ("audio,text,language\na,one,German\n", "language", "invalid", "t.csv, line 2"),
    ],
)
def test_an_ambiguous_table_is_refused(tmp_path, table, value, problem, place):
    (tmp_path / "t.csv").write_text(table)
    with raises(SourceError, field="texts", value=value, problem=problem, place=place):
        Transcripts.read(tmp_path / "t.csv")


def test_json_lines_may_lack_a_text(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"audio": "a.wav"}\n{"audio": "b.wav", "text": "two"}\n')
    assert Transcripts.read(path).by_clip == {"a": Transcript(), "b": Transcript("two")}
