"""Tests of reading text tables as rows with line numbers, and of errors."""

import pytest

from gensr_pref.errors import ConfigError, SourceError
from gensr_pref.tables.rows import read_rows
from tests.refusals import raises


@pytest.fixture
def rows_of(tmp_path):
    def read(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return read_rows(tmp_path / name, "--texts")

    return read


def test_every_format_gives_the_same_rows(rows_of):
    wanted = [(2, {"a": "x", "b": "y, z"})]
    assert rows_of("t.csv", '\ufeffa,b\nx,"y, z"\n') == wanted
    assert rows_of("t.csv", 'a, b\nx,"y, z"\n') == wanted
    assert rows_of("t.tsv", "a\tb\nx\ty, z\n") == wanted
    assert rows_of("t.jsonl", '\n{"a": "x", "b": "y, z"}\n') == wanted


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("t.csv", "a,a\n1,2\n", "column 'a' appears twice"),
        ("t.csv", "a,b\n1,2,3\n", "line 2 has more cells"),
        ("t.csv", "a,b\n", "no rows"),
        ("t.jsonl", '{"a": 1, "a": 2}\n', "line 1: key 'a' appears twice"),
        ("t.jsonl", "[1]\n", "line 1 holds list"),
        ("t.jsonl", '{"a": 1}\n{"a": \n', "line 2 is not JSON"),
    ],
)
def test_malformed_table_is_refused(rows_of, name, text, what):
    with pytest.raises(SourceError, match=what):
        rows_of(name, text)


def test_unknown_suffix_is_refused(tmp_path):
    with raises(ConfigError, field="--texts", value="t.txt", problem="unsupported"):
        read_rows(tmp_path / "t.txt", "--texts")
