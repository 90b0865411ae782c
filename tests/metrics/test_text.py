"""The one normaliser."""

import pytest

from gensr_pref.metrics.text import normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HELLO world", "hello world"),
        ("  two\t spaces\nand a line ", "two spaces and a line"),
        ("Wait, what?! (yes)", "wait what yes"),
        ("don't, don\u2019t, DON\uff07T", "dont dont dont"),
        ("ninety-nine", "ninety nine"),
        ("caf\u00e9 CAFE\u0301", "caf\u00e9 caf\u00e9"),
        ("\u00bfd\u00f3nde est\u00e1?", "d\u00f3nde est\u00e1"),
        (
            "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440",
            "\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440",
        ),
        ("\ufb01ne \uff11\uff12", "fine 12"),
        ("... !?", ""),
        ("", ""),
    ],
)
def test_normalise(text, expected):
    assert normalise(text) == expected
    assert normalise(expected) == expected
