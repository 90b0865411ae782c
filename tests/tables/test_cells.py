"""Tests that a cell is read in the same way in every kind of table."""

import datetime
import json
import math
from decimal import Decimal

import numpy as np
import pytest

from gensr_pref.errors import SourceError
from gensr_pref.tables.cells import cell_text, language_in, speaker_in, text_in
from tests.refusals import raises


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " \t\n",
        "\ufeff",
        "\u200b \u00a0",
        math.nan,
        np.nan,
        np.float32("nan"),
        Decimal("NaN"),
        json.loads("NaN"),
    ],
)
def test_missing_values(value):
    assert cell_text(value) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a word", "a word"),
        ("  a word\r\n", "a word"),
        ("\ufeffa word\u200e", "a word"),
        ("می\u200cشود", "می\u200cشود"),
        ("nan", "nan"),
        ("None", "None"),
        ("0", "0"),
        (0, "0"),
        (-3, "-3"),
        (1984.0, "1984"),
        (0.5, "0.5"),
        (np.int64(7), "7"),
        (np.float32(0.1), "0.1"),
        (np.float64(12), "12"),
        (np.str_("a word"), "a word"),
        (Decimal("2.50"), "2.50"),
    ],
)
def test_text_and_numbers_become_text(value, text):
    assert cell_text(value) == text
    assert type(cell_text(value)) is str


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        np.bool_(True),
        {"a": 1},
        ["a word"],
        ("a", "b"),
        b"a word",
        math.inf,
        -math.inf,
        np.array([1, 2]),
        datetime.date(2026, 1, 1),
        "half \ud83d of a pair",
    ],
)
def test_other_values_are_refused_with_row_and_column(value):
    with pytest.raises(ValueError, match=r"text|finite"):
        cell_text(value)
    with raises(SourceError, field="rows.csv, row 3", value="said", problem="invalid"):
        text_in({"said": value}, "said", "rows.csv, row 3")


def test_missing_column_gives_none():
    assert text_in({"a": 1}, None, "here") is None
    assert text_in({"a": 1}, "b", "here") is None


def test_two_encodings_of_a_name_are_one_speaker():
    names = {speaker_in({"who": name}, "who", "here") for name in ("Ren\u00e9", " Rene\u0301")}
    assert names == {"Ren\u00e9"}


@pytest.mark.parametrize(
    ("value", "code"), [("eng", "en"), (" pt_BR ", "pt"), ("und", None), (None, None), ("", None)]
)
def test_language_becomes_one_code(value, code):
    assert language_in({"in": value}, "in", "here") == code


@pytest.mark.parametrize("value", ["English", "xx", 0, "mul"])
def test_unknown_language_is_refused_with_its_row(value):
    with raises(SourceError, field="here", value="in", problem="invalid"):
        language_in({"in": value}, "in", "here")
