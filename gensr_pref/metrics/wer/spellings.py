"""Spellings that one language treats as equal.

Each entry names its source. Distinctions between words are preserved: the marks of Hindi,
Vietnamese or German; letters of Pashto and Uyghur that look like Arabic ye; simplified and
traditional Chinese characters (the traditional counterpart of a simplified one depends on the
word).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

Fold = Callable[[str], str]


def unify_spelling(text: str, language: str) -> str:
    """Fold case and unify the language's equal spellings; return Unicode NFKC.

    Args:
        text: output of `gensr_pref.metrics.wer.normalise.canonicalise`.
        language: a code as `gensr_pref.tables.languages.language_code` returns it.
    """
    fold = _FOLDS.get(language, _fold_case)
    return unicodedata.normalize("NFKC", fold(text).translate(_EVERYWHERE))


# Tatweel only stretches a word (The Unicode Standard, 9.2); Lucene's ArabicNormalizer drops it too.
_EVERYWHERE = str.maketrans({"\u0640": None})


def _fold_case(text: str) -> str:
    """Apply full case folding (CaseFolding.txt): ``ß`` is ``ss``, and a final ``ς`` is ``σ``.

    It turns ``İ`` into an i with a combining dot above. An i has that dot already
    (SpecialCasing.txt, rules for soft-dotted letters), so that it is removed.
    """
    return re.sub("(?<=[ij])\u0307", "", text.casefold())


def _turkish(text: str) -> str:
    """Fold case with the mappings T of CaseFolding.txt: I is ``ı``, and ``İ`` is i."""
    return _fold_case(text.replace("\u0130", "i").replace("I", "\u0131"))


def _fold_letters(letters: Mapping[str, str | None], dropped: str = "") -> Fold:
    """Return a function that folds case, replaces letters by a table and drops some characters."""
    table = str.maketrans({**letters, **dict.fromkeys(dropped)})

    def fold(text: str) -> str:
        return _fold_case(text).translate(table)

    return fold


def _fold_without_marks(fold: Fold, points: str) -> Fold:
    """Return a function that removes combining marks, which may be part of a letter, and folds."""
    pattern = re.compile(f"[{points}]")

    def fold_bare(text: str) -> str:
        return fold(pattern.sub("", text))

    return fold_bare


def _greek(text: str) -> str:
    """Remove accents and breathings, which capitals do not have.

    As Lucene's GreekLowerCaseFilter; CLDR's transform el-Upper drops them as well.
    """
    letters = unicodedata.normalize("NFD", text)
    bare = "".join(c for c in letters if unicodedata.category(c) != "Mn")
    return _fold_case(unicodedata.normalize("NFC", bare))


def _uzbek(text: str) -> str:
    """Unify the mark of the letters o' and g', which CLDR's exemplar characters include.

    It is typed as any apostrophe; in other languages an apostrophe is dropped.
    """
    return re.sub("(?<=[og])'", "\u02bb", _fold_case(text))


# Vowel marks are optional in Arabic (The Unicode Standard, 9.2) and dropped by Lucene's
# ArabicNormalizer, together with the alef above. Persian and Urdu drop them likewise.
_HARAKAT = "\u064b-\u0652\u0670"

# Points and accents are optional in Hebrew (The Unicode Standard, 9.1).
_NIQQUD = "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"

# Lucene's ArabicNormalizer: alef with hamza or madda, dotless ye, te marbuta. CAMeL Tools'
# `normalize_alef_ar` has alef wasla too. Persian ye and kaf are what a Persian keyboard types.
_ARABIC = {
    "\u0622": "\u0627", "\u0623": "\u0627", "\u0625": "\u0627", "\u0671": "\u0627",
    "\u0649": "\u064a", "\u06cc": "\u064a", "\u06a9": "\u0643", "\u0629": "\u0647",
}  # fmt: skip

# Lucene's PersianNormalizer: ye, kaf, and he with or without hamza.
_PERSIAN = {
    "\u064a": "\u06cc", "\u0649": "\u06cc", "\u06d2": "\u06cc", "\u0643": "\u06a9",
    "\u06c0": "\u0647", "\u06c1": "\u0647", "\u06c2": "\u0647", "\u06d5": "\u0647",
    "\u0654": None,
}  # fmt: skip

# Urduhack's `normalize_characters`: the Arabic letters that an Arabic keyboard types.
_URDU = {"\u064a": "\u06cc", "\u0649": "\u06cc", "\u0643": "\u06a9", "\u0647": "\u06c1"}

# KLPT's and AsoSoft's normalisers of Sorani.
_SORANI = {"\u064a": "\u06cc", "\u0649": "\u06cc", "\u0643": "\u06a9"}

# The cedilla stood in for the comma below before Unicode 3.0 had it (The Unicode Standard, 7.1).
_ROMANIAN = {"\u015f": "\u0219", "\u0163": "\u021b"}

# Digraphs, which Yiddish types as one character or two (The Unicode Standard, 9.1).
_YIDDISH = {"\u05f0": "\u05d5\u05d5", "\u05f1": "\u05d5\u05d9", "\u05f2": "\u05d9\u05d9"}

# Ligatures: the same as two letters but for the third level of UTS #10, in French alone; `æ` is a
# letter elsewhere.
_FRENCH = {"\u0153": "oe", "\u00e6": "ae"}

# The dots of `ё` are optional (Rules of Russian Spelling and Punctuation, 1956, section 10).
_RUSSIAN = {"\u0451": "\u0435"}

_FOLDS: Mapping[str, Fold] = {
    "ar": _fold_without_marks(_fold_letters(_ARABIC), _HARAKAT),
    "az": _turkish,
    "ckb": _fold_without_marks(_fold_letters(_SORANI), _HARAKAT),
    "el": _greek,
    "fa": _fold_without_marks(_fold_letters(_PERSIAN), _HARAKAT),
    "fr": _fold_letters(_FRENCH),
    "he": _fold_without_marks(_fold_case, _NIQQUD),
    "ro": _fold_letters(_ROMANIAN),
    "ru": _fold_letters(_RUSSIAN),
    "tr": _turkish,
    "ur": _fold_without_marks(_fold_letters(_URDU), _HARAKAT),
    "uz": _uzbek,
    "yi": _fold_letters(_YIDDISH),
}
