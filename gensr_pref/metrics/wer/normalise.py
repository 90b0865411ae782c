"""Normalisation of texts before they are compared, so that equal words have equal spellings.

Every text is first canonicalised: no invisible characters, one apostrophe, Unicode NFKC, digits 0
to 9. Then

- English is normalised by Whisper's own normaliser, as in Whisper's published error rates: numbers
  become digits, contractions are spelled out, British spelling becomes American, fillers and text
  in brackets are dropped.

      A. Radford et al., "Robust speech recognition via large-scale weak supervision", 2022,
      appendix C; the code is openai-whisper's `EnglishTextNormalizer`.

- Other languages are normalised by `normalise_plainly`, which folds case, keeps marks, and unifies
  the spellings that a language treats as equal (`gensr_pref.metrics.wer.spellings`). Whisper's
  `BasicTextNormalizer` turns every combining mark into a space, which splits Hindi or Tamil words.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import unicodedata
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

from gensr_pref.metrics.wer.spellings import unify_spelling

# Characters that are written for an apostrophe: quotation marks, isolated accents and primes,
# modifier letters, marks of single scripts (Greek koronis and psili, Armenian, Hebrew geresh), and
# two bytes of Windows-1252 that were read as Latin-1 (HTML reads them as quotation marks, too).
APOSTROPHES = (
    "'`\x91\x92\u00b4\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u02ca\u02cb\u0374\u055a\u05f3\u1fbd\u1fbf"
    "\u1fef\u1ffd\u2018\u2019\u201b\u2032\u2035\u1ffe\ua78b\ua78c\uff07\uff40\u275b\u275c"
)

_NORMALISERS = "gensr_pref._whisper_normalizers"

_APOSTROPHE = re.compile(f"[{APOSTROPHES}]")

# Invisible characters besides those of category Cf: the others of Unicode's property
# Default_Ignorable_Code_Point (DerivedCoreProperties.txt). Hangul fillers and variation selectors
# are among them. `toNFKC_Casefold` (The Unicode Standard, 3.13) drops the same.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)

# Letters that were written with a joiner before they had a code point of their own (The Unicode
# Standard, 12.9, table "Malayalam chillus"; 12.2, "khanda ta"; 12.1, Marathi "eyelash" ra). The
# joiner distinguishes them from the letter with a vowel killer, so this precedes their removal.
_JOINED = {
    "\u0d23\u0d4d\u200d": "\u0d7a",
    "\u0d28\u0d4d\u200d": "\u0d7b",
    "\u0d30\u0d4d\u200d": "\u0d7c",
    "\u0d32\u0d4d\u200d": "\u0d7d",
    "\u0d33\u0d4d\u200d": "\u0d7e",
    "\u0d15\u0d4d\u200d": "\u0d7f",
    "\u09a4\u09cd\u200d": "\u09ce",
    "\u0930\u094d\u200d": "\u0931\u094d",
}

_WITHIN_WORDS = re.compile(
    # col·lecció: UAX #29, MidLetter
    "(?<=[^\\W\\d_])[\u00b7\u2027](?=[^\\W\\d_])"
    # The mark in Hebrew abbreviations, gershayim or a quotation mark: UAX #29, rules WB7b and WB7c
    '|(?<=[\u05d0-\u05ea])["\u05f4\u201c\u201d](?=[\u05d0-\u05ea])'
)
_MARKS_OF_NOTHING = re.compile("(?<!\\S)\\W+")


def normalise(text: str, language: str = "en") -> str:
    """Return a text in the form in which it is compared; empty if it contains no word.

    Args:
        text: any.
        language: a code as `gensr_pref.tables.languages.language_code` returns it.
    """
    return normalise_english(text) if language == "en" else normalise_plainly(text, language)


def normalise_english(text: str) -> str:
    """Normalise an English text by Whisper's normaliser, with two corrections.

    Whisper's normaliser knows only the straight apostrophe, and leaves a dot of ``...`` as a word.
    """
    words = _english()(canonicalise(text)).split()
    return " ".join(word for word in words if any(map(str.isalnum, word)))


def normalise_plainly(text: str, language: str = "") -> str:
    """Fold the case of a text and remove punctuation, symbols and repeated spaces.

    Marks are kept (``für`` is not ``fur``). An apostrophe is dropped (``l'eau`` is ``leau``), and
    any other character that is not a letter, mark or digit becomes a space (``peut-être`` is
    ``peut être``).

    Args:
        text: any.
        language: code of the language whose spellings are unified; empty = none.
    """
    spelled = unify_spelling(_WITHIN_WORDS.sub("", canonicalise(text)), language)
    words = "".join(map(_letter_or_space, spelled)).split()
    return " ".join(filter(None, (_MARKS_OF_NOTHING.sub("", word) for word in words)))


def canonicalise(text: str) -> str:
    """Unify equivalent characters of a text; case and words are unchanged.

    Characters of category Cf (zero-width, joiners, soft hyphen, byte order mark, direction marks)
    and other invisible ones are dropped, control and private-use characters become spaces, every
    apostrophe becomes ``'``, compatibility forms are replaced by Unicode NFKC (UAX #15), and digits
    of all scripts become 0 to 9.
    """
    if text.isascii() and text.isprintable() and "`" not in text:
        return text
    for joined, letter in _JOINED.items():
        text = text.replace(joined, letter)
    text = _APOSTROPHE.sub("'", _IGNORABLE.sub("", text))
    text = "".join(map(_visible, text))
    text = _APOSTROPHE.sub("'", unicodedata.normalize("NFKC", text))
    return "".join(map(_digit, text))


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    return " " if category[0] == "C" else character


def _digit(character: str) -> str:
    if character.isascii() or not character.isdecimal():
        return character
    return str(unicodedata.decimal(character))


def _letter_or_space(character: str) -> str:
    category = unicodedata.category(character)
    if character == "'" or category == "Me":
        return ""
    return character if category[0] in "LMN" else " "


@cache
def _english() -> Callable[[str], str]:
    """Import Whisper's English normaliser.

    The usual import also imports torch and numba (3.3 s, 0.5 GB), which the normaliser does not
    use. Therefore its folder is imported as a separate package.
    """
    if _NORMALISERS not in sys.modules:
        whisper = importlib.util.find_spec("whisper")
        assert whisper is not None
        assert whisper.origin is not None
        folder = Path(whisper.origin).parent / "normalizers"
        spec = importlib.util.spec_from_file_location(_NORMALISERS, folder / "__init__.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[_NORMALISERS] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[_NORMALISERS])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its word list open
        normaliser: Callable[[str], str] = sys.modules[_NORMALISERS].EnglishTextNormalizer()
    return normaliser
