# ruff: noqa: E501
"""Tests of equivalent spellings by language, and of words that must stay different."""

import pytest

from gensr_pref.metrics.wer.language_model import split_words
from gensr_pref.metrics.wer.metric import word_error_rate
from gensr_pref.metrics.wer.normalise import APOSTROPHES, normalise

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202c\u2066\u2069\u061c\ufe0f"

# One sentence of each language in several spellings; from article 1 of the UDHR where that has
# the letters in question. Sources of the equivalences: gensr_pref.metrics.wer.spellings.
SAME = {
    "en": ["It's Dr. Smith\u2019s caf\u00e9", "it`s dr smith\u00b4s cafe\u0301", "IT\u2032S DR SMITH'S CAFE"],
    "de": ["Die Stra\u00dfe gro\u00df", "DIE STRASSE GROSS", "die STRA\u1e9eE gro\u00df"],
    "tr": ["\u0130STANBUL'DA I\u015eIK", "\u0130stanbul\u2019da \u0131\u015f\u0131k", "I\u0307stanbulda \u0131\u015f\u0131k"],
    "az": ["B\u00fct\u00fcn insanlar \u0130L\u018f", "b\u00fct\u00fcn \u0130NSANLAR il\u0259", "B\u00dcT\u00dcN \u0130nsanlar \u0130l\u0259"],
    "el": ["\u038c\u03bb\u03bf\u03b9 \u03bf\u03b9 \u03ac\u03bd\u03b8\u03c1\u03c9\u03c0\u03bf\u03b9 \u03c4\u03b7\u03c2", "\u038c\u039b\u039f\u0399 \u039f\u0399 \u0386\u039d\u0398\u03a1\u03a9\u03a0\u039f\u0399 \u03a4\u0397\u03a3", "\u039f\u039b\u039f\u0399 \u039f\u0399 \u0391\u039d\u0398\u03a1\u03a9\u03a0\u039f\u0399 \u03a4\u0397\u03a3"],
    "fa": ["\u062a\u0645\u0627\u0645\u06cc \u06a9\u062a\u0627\u0628\u200c\u0647\u0627", "\u062a\u0645\u0627\u0645\u064a \u0643\u062a\u0627\u0628\u0647\u0627", "\u062a\u0645\u0640\u0640\u0627\u0645\u064a \u06a9\u064e\u062a\u0627\u0628\u200c\u0647\u0627"],
    "ar": ["\u064a\u0648\u0644\u062f \u062c\u0645\u064a\u0639 \u0627\u0644\u0646\u0627\u0633 \u0623\u062d\u0631\u0627\u0631\u0627", "\u064a\u064f\u0648\u0644\u064e\u062f\u064f \u062c\u0645\u064a\u0640\u0640\u0639 \u0627\u0644\u0646\u0627\u0633 \u0627\u062d\u0631\u0627\u0631\u0627", "\u06cc\u0648\u0644\u062f \u062c\u0645\u06cc\u0639 \u0627\u0644\u0646\u0627\u0633 \u0623\u062d\u0631\u0627\u0631\u0627\u064b"],
    "ur": ["\u06a9\u06cc\u0627 \u06c1\u06d2 \u06f1\u06f2", "\u0643\u064a\u0627 \u0647\u06d2 12", "\u06a9\u0650\u06cc\u0627 \u06c1\u06d2 \u0661\u0662"],
    "he": ["\u05e6\u05d4\u05f4\u05dc \u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd", "\u05e6\u05d4\"\u05dc \u05e9\u05dc\u05d5\u05dd", "\u05e6\u05d4\u201d\u05dc \u200f\u05e9\u05dc\u05d5\u05dd"],
    "ro": ["\u0218i \u021bara", "\u015fi \u0163ara", "\u015eI \u0162ARA"],
    "ru": ["\u0412\u0441\u0451 \u0435\u0449\u0451", "\u0432\u0441\u0435 \u0435\u0449\u0435", "\u0412\u0421\u0415\u0308 \u0415\u0429\u0415"],
    "uk": ["\u043f\u02bc\u044f\u0442\u044c \u0434\u043d\u0456\u0432", "\u041f'\u042f\u0422\u042c \u0434\u043d\u0456\u0432", "\u043f\u2019\u044f\u0442\u044c \u0434\u043d\u0456\u0432"],
    "fr": ["L\u2019\u0153uvre d\u2019art", "l'oeuvre d'ART", "L\u02bc\u0152UVRE d\u00b4art"],
    "ca": ["col\u00b7lecci\u00f3 nova", "co\u0140lecci\u00f3 NOVA", "COL\u2027LECCI\u00d3 nova"],
    "uz": ["O\u02bbzbek tog\u02bblari", "o'zbek tog'lari", "O\u2018ZBEK TOG\u2019LARI"],
    "vi": ["ti\u1ebfng Vi\u1ec7t", "TI\u1ebeNG VI\u1ec6T", "tie\u0302\u0301ng Vie\u0323\u0302t"],
    "hi": ["\u0958\u0932\u092e \u0967\u0968", "\u0915\u093c\u0932\u092e 12", "\u0915\u093c\u0932\u200d\u092e \u0967\u0968"],
    "mr": ["\u0926\u0930\u094d\u200d\u092f\u093e", "\u0926\u0931\u094d\u092f\u093e"],
    "yi": ["\u05f2\u05b4\u05d3\u05d9\u05e9 \u05f0\u05f1", "\u05d9\u05d9\u05b4\u05d3\u05d9\u05e9 \u05d5\u05d5\u05d5\u05d9"],
    "ml": ["\u0d05\u0d35\u0d28\u0d4d\u200d", "\u0d05\u0d35\u0d7b"],
    "bn": ["\u09b9\u09a0\u09be\u09a4\u09cd\u200d \u09e7", "\u09b9\u09a0\u09be\u09ce 1"],
    "ko": ["\ud55c\uad6d \uc0ac\ub78c", "\u1112\u1161\u11ab\u1100\u116e\u11a8 \uc0ac\ub78c", "\ud55c\uad6d\u3164 \uc0ac\ub78c"],
    "ja": ["\u30ab\u30bf\u30ab\u30ca\u30d1\uff11", "\uff76\uff80\uff76\uff85\uff8a\uff9f1"],
    "th": ["\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 \u0e51\u0e52", "\u0e20\u0e32\u0e29\u0e32\u200b\u0e44\u0e17\u0e22 12"],
    "hy": ["\u0587 \u0562\u0561\u0580\u0587", "\u0565\u0582 \u0532\u0531\u0550\u0535\u0552"],
    "hr": ["d\u017eep \u01c6ep", "D\u017dEP d\u017eep", "\u01c5ep \u01c4EP"],
    "es": ["\u00bfd\u00f3nde?", "DO\u0301NDE \u2764\ufe0f", "d\u00f3nde \u00a8"],
}  # fmt: skip

APART = [
    ("de", "f\u00fcr", "fur"),
    ("tr", "kad\u0131n", "kadin"),
    ("tr", "s\u0131k", "s\u0130k"),
    ("vi", "ma", "m\u00e1"),
    ("hi", "\u0915\u093f", "\u0915\u0940"),
    ("uz", "o\u02bbt", "ot"),
    ("ps", "\u0645\u0627\u0634\u064a", "\u0645\u0627\u0634\u06cc"),  # two letters of Pashto
    ("ug", "\u0649", "\u064a"),  # two letters of Uyghur
    ("ur", "\u06d2", "\u06cc"),  # two letters of Urdu
    ("be", "\u0432\u0451\u0441\u043a\u0430", "\u0432\u0435\u0441\u043a\u0430"),
    ("da", "k\u00e6r", "kaer"),
    ("es", "a\u00f1o", "ano"),
    ("en", "its", "it's"),
]


@pytest.mark.parametrize("language", SAME)
def test_spellings_of_the_same_words_are_equal(language):
    first, *others = (normalise(text, language) for text in SAME[language])
    assert first
    assert [word_error_rate(first, other) for other in others] == [0.0] * len(others)


@pytest.mark.parametrize("language", SAME)
def test_normalisation_is_idempotent(language):
    for text in SAME[language]:
        once = normalise(text, language)
        assert normalise(once, language) == once or language == "en"


@pytest.mark.parametrize(("language", "one", "other"), APART)
def test_different_words_stay_different(language, one, other):
    assert normalise(one, language) != normalise(other, language)


@pytest.mark.parametrize("language", ["en", "de", "tr", "ru", "vi", "sv", "sw"])
@pytest.mark.parametrize("mark", INVISIBLE)
def test_invisible_characters_are_dropped_in_every_language(language, mark):
    text = "say the word"
    marked = f"{mark}sa{mark}y the{mark} word{mark}"
    assert normalise(marked, language) == normalise(text, language)
    assert split_words(marked) == split_words(text)


@pytest.mark.parametrize("mark", APOSTROPHES)
def test_every_mark_used_as_an_apostrophe_is_one(mark):
    assert (
        normalise(f"don{mark}t say it{mark}s") == normalise("don't say it's") == "do not say it is"
    )
    assert split_words(f"DON{mark}T") == ["don't"]
    assert normalise(f"l{mark}eau", "fr") == normalise("l'eau", "fr")


@pytest.mark.parametrize(
    "dash", "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d\u058a\u05be"
)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_dashes_separate_words(language, dash):
    assert normalise(f"semi{dash}final", language) == "semi final"


@pytest.mark.parametrize("control", "\x00\x07\x7f\u0085\ue000")
def test_control_and_private_characters_are_no_letters(control):
    assert normalise(f"a{control}cat") == "a cat"
    assert normalise(f"un{control}chat", "fr") == "un chat"


def test_an_ellipsis_is_no_word_and_separates_words():
    assert normalise("well\u2026no \u2026") == normalise("well ... no") == "well no"


def test_marks_without_a_letter_are_no_words():
    assert normalise("\u00a8 \u00b8 \u00af si\u0301 \u0301", "es") == "s\u00ed"
