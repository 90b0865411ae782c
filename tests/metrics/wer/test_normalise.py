"""Tests of text normalisation."""

import subprocess
import sys

import pytest

from gensr_pref.metrics.wer.normalise import normalise, normalise_plainly
from tests.metrics.sounds import read_csv


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HELLO world", "hello world"),
        ("  two\t spaces\nand a line ", "2 spaces and a line"),
        ("Wait, what?!", "wait what"),
        ("um, well (laughter) yes [noise]", "well yes"),
        ("I can't; I won\u2019t", "i can not i will not"),
        ("Dr. Watson isn't here", "doctor watson is not here"),
        ("twenty-one gray mice", "21 gray mice"),
        ("twenty-one grey mice", "21 gray mice"),
        ("one hundred and seven", "107"),
        ("the seventh of May nineteen eighty four", "the 7th of may 1984"),
        ("it cost six pounds", "it cost \u00a36"),
        ("fifty per cent", "50%"),
        ("caf\u00e9 na\u00efve", "cafe naive"),
        ("\ufb01ne \uff11\uff12", "fine 12"),
        ("Well... no", "well no"),
        ("... !?", ""),
        ("um", ""),
        ("", ""),
    ],
)
def test_english_is_normalised_as_by_whisper(text, expected):
    assert normalise(text) == expected


@pytest.mark.corpus
def test_english_cases_equal_the_published_ones(shared):
    cases = read_csv(shared / "text" / "normalizer_cases.csv")
    wrong = [case for case in cases if normalise(case["input"]) != case["expected"]]
    assert (len(cases), wrong) == (59, [])


def test_english_does_not_import_torch():
    script = (
        "import sys\n"
        "from gensr_pref.metrics.wer.normalise import normalise\n"
        "assert normalise('two') == '2'\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numba', 'whisper')))"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HELLO world", "hello world"),
        ("two and \u00bd", "two and 1 2"),
        ("l'eau, l\u2019eau, L\uff07EAU", "leau leau leau"),
        ("peut-\u00eatre", "peut \u00eatre"),
        ("caf\u00e9 CAFE\u0301", "caf\u00e9 caf\u00e9"),
        ("\u00bfd\u00f3nde est\u00e1?", "d\u00f3nde est\u00e1"),
        ("\u041f\u0440\u0438\u0432\u0435\u0442!", "\u043f\u0440\u0438\u0432\u0435\u0442"),
        ("\u0939\u093f\u0928\u094d\u0926\u0940\u0964", "\u0939\u093f\u0928\u094d\u0926\u0940"),
        ("\u0ba4\u0bae\u0bbf\u0bb4\u0bcd", "\u0ba4\u0bae\u0bbf\u0bb4\u0bcd"),
        ("\u0e44\u0e17\u0e22\u0e17\u0e35\u0e48", "\u0e44\u0e17\u0e22\u0e17\u0e35\u0e48"),
        ("\u0645\u06cc\u200c\u0634\u0648\u062f", "\u0645\u06cc\u0634\u0648\u062f"),
        ("co\u00adope", "coope"),
        ("\u4f60\u597d\u3002\u4e16\u754c", "\u4f60\u597d \u4e16\u754c"),
        ("... !?", ""),
    ],
)
def test_other_languages_keep_their_marks(text, expected):
    assert normalise_plainly(text) == expected
    assert normalise_plainly(expected) == expected
    assert normalise(text, "hi") == expected
