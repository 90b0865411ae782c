"""Tests of JSON in table columns: invalid values give one error of this package."""

import pytest

from gensr_pref.errors import CorruptPartError
from gensr_pref.rundir.json_columns import parse_sampling, parse_source, parse_steps, unescape
from gensr_pref.untrusted import documents
from tests.refusals import raises

ODD = ["", "{", "null", "3", '"x"', "[" * 20_000, '{"a": NaN}', '{"a": 1e999}',
       '{"a":' + "9" * 400 + "}", '{"a":' + "9" * 9000 + "}"]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize(
    ("read", "column"),
    [(parse_sampling, "sampling"), (parse_steps, "degradation"), (parse_source, "source")],
)
def test_value_that_no_build_writes_is_refused(read, column, text):
    with raises(CorruptPartError, value=column, problem="damaged"):
        read(text)


@pytest.mark.parametrize("text", ["{}", "[1]", "[{}]", '[{"step": 3}]'])
def test_step_without_a_name_is_refused(text):
    with pytest.raises(CorruptPartError):
        parse_steps(text)


def test_source_without_a_name_is_refused():
    for text in ("{}", "[]", '{"source_id": 3}'):
        with pytest.raises(CorruptPartError):
            parse_source(text)
    with pytest.raises(CorruptPartError):
        unescape(r"\x")


def test_values_that_a_build_writes_are_read():
    assert parse_sampling('{"temperature": 0.5, "steps": 8}') == {"temperature": 0.5, "steps": 8}
    assert parse_steps('[{"step": "noise", "snr_db": -1e-3}]') == [
        {"step": "noise", "snr_db": -1e-3}
    ]
    assert parse_source('{"source_id": "a", "start": 0}') == {"source_id": "a", "start": 0}
    assert unescape(r"\u00e9\"") == 'é"'


@pytest.mark.parametrize("text", ["1e999", "-1e999", "9" * 301, "[NaN]", "-Infinity"])
def test_infinite_and_huge_numbers_are_refused(text):
    with pytest.raises(ValueError, match=r"is not JSON|digits"):
        documents.parse_json(text)
    assert documents.parse_json(b'{"a": 2e3, "b": -12}') == {"a": 2000.0, "b": -12}
