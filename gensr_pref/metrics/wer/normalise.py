"""Text before it is compared: the one place where spellings of the same words are made equal.

Every text first becomes `canonical`: no invisible characters, one apostrophe, Unicode NFKC, digits
0 to 9. Then

- English goes through Whisper's own normaliser, which the published error rates of Whisper use:
  numbers become digits, contractions are spelled out, British spelling becomes American, fillers
  and what stands in brackets are dropped.

      A. Radford et al., "Robust speech recognition via large-scale weak supervision", 2022,
      appendix C; the code is openai-whisper's `EnglishTextNormalizer`.

- For other languages Whisper's `BasicTextNormalizer` turns every combining mark into a space, which
  breaks Hindi or Tamil words apart; theirs is `plain`, which folds case, keeps marks, and knows the
  spellings that one language holds for the same (`gensr_pref.metrics.wer.spellings`).
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

from gensr_pref.metrics.wer.spellings import same_spelling

# What is written for an apostrophe: quotation marks, accents and primes by themselves, modifier
# letters, the marks of single scripts (Greek koronis and psili, Armenian, Hebrew geresh), and the
# two bytes of Windows-1252 that were read as Latin-1 (HTML reads them as quotation marks, too).
APOSTROPHES = (
    "'`\x91\x92\u00b4\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u02ca\u02cb\u0374\u055a\u05f3\u1fbd\u1fbf"
    "\u1fef\u1ffd\u2018\u2019\u201b\u2032\u2035\u1ffe\ua78b\ua78c\uff07\uff40\u275b\u275c"
)

_NORMALISERS = "gensr_pref._whisper_normalizers"

_APOSTROPHE = re.compile(f"[{APOSTROPHES}]")

# Characters that are not shown, besides those of category Cf: the others of Unicode's property
# Default_Ignorable_Code_Point (DerivedCoreProperties.txt). Hangul fillers and variation selectors
# are among them. `toNFKC_Casefold` (The Unicode Standard, 3.13) drops the same.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)

# What was written with a joiner before the letter had a code point of its own (The Unicode
# Standard, 12.9, table "Malayalam chillus"; 12.2, "khanda ta"; 12.1, Marathi "eyelash" ra). The
# joiner tells it from the letter with a vowel killer, so this comes before joiners are dropped.
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
    """Return a text as it is compared; empty where nothing of it is a word.

    Args:
        text: any.
        language: a code as `gensr_pref.tables.languages.language_code` returns it.
    """
    return english(text) if language == "en" else plain(text, language)


def english(text: str) -> str:
    """Return an English text after Whisper's normalisation, with two gaps closed.

    It knows no apostrophe but the straight one, and leaves a dot of ``...`` standing as a word.
    """
    words = _english()(canonical(text)).split()
    return " ".join(word for word in words if any(map(str.isalnum, word)))


def plain(text: str, language: str = "") -> str:
    """Return a text with case folded, without punctuation and symbols, with single spaces.

    Marks are kept (``für`` is not ``fur``). An apostrophe is dropped (``l'eau`` is ``leau``), and
    whatever else is no letter, mark or digit becomes a space (``peut-être`` is ``peut être``).

    Args:
        text: any.
        language: whose spellings are made equal; none where it is empty.
    """
    spelled = same_spelling(_WITHIN_WORDS.sub("", canonical(text)), language)
    words = "".join(map(_letter_or_space, spelled)).split()
    return " ".join(filter(None, (_MARKS_OF_NOTHING.sub("", word) for word in words)))


def canonical(text: str) -> str:
    """Return the text with one character for each that it stands for; case and words as they were.

    Characters of category Cf (zero-width, joiners, soft hyphen, byte order mark, direction marks)
    and other invisible ones are dropped, control and private ones become spaces, every apostrophe
    is ``'``, compatibility forms go by Unicode NFKC (UAX #15), digits of all scripts are 0 to 9.
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
    """Whisper's English normaliser.

    Importing it the usual way imports torch and numba with it (3.3 s, 0.5 GB), which it does not
    use. So its folder is imported as a package of its own.
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
