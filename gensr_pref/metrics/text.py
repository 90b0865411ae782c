"""Text before it is compared word by word or character by character.

English goes through Whisper's own normaliser, which the published error rates of Whisper use:
numbers become digits, contractions are spelled out, British spelling becomes American, fillers and
what stands in brackets are dropped.

    A. Radford et al., "Robust speech recognition via large-scale weak supervision", 2022,
    appendix C; the code is openai-whisper's `EnglishTextNormalizer`.

For other languages Whisper's `BasicTextNormalizer` turns every combining mark into a space, which
breaks Hindi or Tamil words apart; theirs is a plain one of ours that keeps marks.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import unicodedata
import warnings
from collections.abc import Callable
from functools import cache
from locale import locale_alias
from pathlib import Path

APOSTROPHES = "'\u2019\u02bc\uff07"

# Written without spaces between words: those openai-whisper 20250625 treats so (its tokenizer's
# `split_to_word_tokens`), and Khmer and Tibetan.
UNSPACED = frozenset({"bo", "km", "lo", "ja", "my", "th", "yue", "zh"})

_NORMALISERS = "gensr_pref._whisper_normalizers"


def language_code(written: str) -> str:
    """The language of a code or tag: ``en`` of ``en``, ``en-US`` or ``EN_us``.

    Whether there is such a language is for the recogniser to say; names are no codes.

    Raises:
        ValueError: it has not the form of an ISO 639 code; the message says what to write.

    >>> language_code("pt_BR")
    'pt'
    >>> language_code("German")
    Traceback (most recent call last):
    ValueError: language 'German' is no ISO 639 code; write one such as 'de'
    """
    code = written.strip().replace("_", "-").split("-")[0].lower()
    if not re.fullmatch("[a-z]{2,3}", code):
        meant = locale_alias.get(code, "en")[:2]  # it knows some thirty languages by their names
        raise ValueError(f"language {written!r} is no ISO 639 code; write one such as {meant!r}")
    return code


def normalise(text: str, language: str = "en") -> str:
    """A text as it is compared; empty where nothing of it is a word.

    Args:
        text: any.
        language: an ISO 639-1 code.
    """
    return english(text) if language == "en" else plain(text)


def english(text: str) -> str:
    """Whisper's normalisation, with two gaps closed.

    It knows no apostrophe but the straight one, and leaves a dot of ``...`` standing as a word.
    """
    words = _english()(straight(text)).split()
    return " ".join(word for word in words if any(map(str.isalnum, word)))


def straight(text: str) -> str:
    """The text with every kind of apostrophe as ``'``."""
    return re.sub(f"[{APOSTROPHES}]", "'", text)


def plain(text: str) -> str:
    """Lower case, Unicode NFKC, no punctuation or symbols, single spaces; marks are kept.

    An apostrophe and invisible joiners are dropped (``l'eau`` is ``leau``), whatever else is no
    letter, mark or digit becomes a space (``peut-\u00eatre`` is ``peut \u00eatre``).
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    return " ".join("".join(map(_kept, folded)).split())


def _kept(character: str) -> str:
    category = unicodedata.category(character)
    if character in APOSTROPHES or category == "Cf":
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
