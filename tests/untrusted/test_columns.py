"""Tests of JSON in table columns: invalid values give one error of this package."""

import pytest

from gensr_pref.errors import CorruptPartError
from gensr_pref.untrusted import documents
from gensr_pref.untrusted.columns import sampling_of, source_of, steps_of, unescaped

ODD = ["", "{", "null", "3", '"x"', "[" * 20_000, '{"a": NaN}', '{"a": 1e999}',
       '{"a":' + "9" * 400 + "}", '{"a":' + "9" * 9000 + "}"]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("read", [sampling_of, steps_of, source_of])
def test_what_no_build_writes_is_refused(read, text):
    with pytest.raises(CorruptPartError, match="column"):
        read(text)


@pytest.mark.parametrize("text", ["{}", "[1]", "[{}]", '[{"step": 3}]'])
def test_steps_have_names(text):
    with pytest.raises(CorruptPartError):
        steps_of(text)


def test_a_source_has_a_name():
    for text in ("{}", "[]", '{"source_id": 3}'):
        with pytest.raises(CorruptPartError):
            source_of(text)
    with pytest.raises(CorruptPartError):
        unescaped(r"\x")


def test_what_a_build_writes_is_read():
    assert sampling_of('{"temperature": 0.5, "steps": 8}') == {"temperature": 0.5, "steps": 8}
    assert steps_of('[{"step": "noise", "snr_db": -1e-3}]') == [{"step": "noise", "snr_db": -1e-3}]
    assert source_of('{"source_id": "a", "start": 0}') == {"source_id": "a", "start": 0}
    assert unescaped(r"\u00e9\"") == 'é"'


@pytest.mark.parametrize("text", ["1e999", "-1e999", "9" * 301, "[NaN]", "-Infinity"])
def test_numbers_of_json_are_finite(text):
    with pytest.raises(ValueError, match=r"is not JSON|digits"):
        documents.json_of(text)
    assert documents.json_of(b'{"a": 2e3, "b": -12}') == {"a": 2000.0, "b": -12}
