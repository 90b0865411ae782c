"""Tests of untrusted text: it stays on its line, in its direction and in its cell."""

import pytest

from gensr_pref.untrusted.text import csv_cell, escape_invisible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("clip 1.wav", "clip 1.wav"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("abc\u202egpj.exe", r"abc\u202egpj.exe"),
        ("\u2066a\u2069", r"\u2066a\u2069"),
        ("a\nb\tc\rd", r"a\x0ab\x09c\x0dd"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("\u200bzero\ufeff", r"\u200bzero\ufeff"),
        ("\U000e0041", r"\U000e0041"),  # a tag: invisible text
        ("\ud800", r"\ud800"),  # half a character cannot be printed
        ("\x9b31m", r"\x9b31m"),  # the escape of 8 bits
        ("Grüße, 你好, שלום, مرحبا, नमस्ते, 👋", "Grüße, 你好, שלום, مرحبا, नमस्ते, 👋"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),  # Persian needs its joiner
    ],
)
def test_invisible_characters_are_escaped(text, shown):
    assert escape_invisible(text) == shown
    escape_invisible(text).encode()


def test_line_feeds_stay_in_text_of_several_lines():
    assert escape_invisible("a\n\tb\x1bc", lines=True) == "a\n\tb\\x1bc"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=HYPERLINK(...)", "'=HYPERLINK(...)"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("  =1", "'  =1"),
        ("\t=1", "'\\x09=1"),
        ("\r=1", "'\\x0d=1"),
        ("\uff1d1", "'\uff1d1"),
        ("-0.125", "-0.125"),
        ("+1e-05", "+1e-05"),
        ("a=b", "a=b"),
        ("", ""),
        ("x\x1b[31m", r"x\x1b[31m"),
    ],
)
def test_csv_cell_is_never_a_formula(text, shown):
    assert csv_cell(text) == shown
