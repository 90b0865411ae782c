"""Tests of the tables that commands print."""

from gensr_pref.cli.tables import (
    format_labelled,
    format_number,
    format_reasons,
    format_table,
    format_table_with_lines,
)


def test_numbers_stand_to_the_right_and_words_to_the_left():
    rows = [{"score": "wer", "mean": "0.25"}, {"score": "dnsmos", "mean": "-"}]
    assert format_table(rows).splitlines() == [
        "score   mean",
        "------  ----",
        "wer     0.25",
        "dnsmos     -",
    ]


def test_a_table_without_rows_is_not_empty_text():
    assert format_table([]) == "(none)"


def test_control_characters_are_visible():
    assert "\x1b" not in format_table([{"name": "a\x1b[31m"}])


def test_long_columns_become_lines_below_without_repeats():
    rows = [{"name": "a", "notice": "handle with care"}, {"name": "a", "notice": ""}]
    assert format_table_with_lines(rows * 2, "name", "notice").splitlines()[-2:] == [
        "",
        "a: handle with care",
    ]


def test_most_frequent_reason_is_first_and_equal_ones_are_in_order():
    assert format_reasons({"veto": 2, "tie": 5, "margin": 2}) == "5 tie, 2 margin, 2 veto"


def test_values_of_labels_are_aligned():
    assert format_labelled([("clips", "3"), ("", "more")]) == "clips       3\n            more"


def test_none_is_a_dash():
    assert [format_number(0.12345), format_number(None)] == ["0.123", "-"]
