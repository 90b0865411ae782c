"""Text before it is compared word by word."""

from __future__ import annotations

import unicodedata

APOSTROPHES = "'\u2019\u02bc\uff07"


def normalise(text: str) -> str:
    """Lower case, Unicode NFKC, no punctuation or symbols, single spaces.

    An apostrophe is dropped (``don't`` is ``dont``), whatever else is no letter, mark or digit
    becomes a space (``ninety-nine`` is ``ninety nine``).
    """
    folded = unicodedata.normalize("NFKC", text).lower()
    return " ".join("".join(map(_kept, folded)).split())


def _kept(character: str) -> str:
    if character in APOSTROPHES:
        return ""
    return character if unicodedata.category(character)[0] in "LMN" else " "
