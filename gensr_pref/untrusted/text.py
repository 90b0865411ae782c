"""Text of others, made fit to be shown: it stays on its line, in its direction and in its cell."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

# Controls, separators of lines, and what changes the direction or the look of other text: general
# categories Cc, Cf, Cs, Co, Zl and Zp, but for what joins letters in Arabic and Indic scripts.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"
_PLAIN = re.compile(r"[\x20-\x7e\u00a0-\u00ac\u00ae-\u02ff]*")  # nothing to do, as is usual
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

_PASSWORD = re.compile(r"(\w://)[^\s/@:]*:[^\s/@]+@")  # of an address
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSWORD|API_?KEY", re.IGNORECASE)
_SHORTEST_SECRET = 8  # characters; shorter ones are words such as "true"


def visible(text: str, lines: bool = False) -> str:
    r"""The text with everything that is not seen written out, as ``\x1b`` and ``\u202e``.

    A terminal obeys escape sequences, and a right-to-left override turns round what follows it, so
    that a name could forge the words beside it (CVE-2021-42574).

    Args:
        lines: whether line feeds and tabs stay, for text that is several lines on purpose.
    """
    if _PLAIN.fullmatch(text):
        return text
    return "".join(_shown(one, lines) for one in text)


def _shown(one: str, lines: bool) -> str:
    if one in _JOINERS or (lines and one in "\n\t"):
        return one
    if unicodedata.category(one) not in _HIDDEN:
        return one
    code = ord(one)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def cell(text: str) -> str:
    """The text of a CSV cell that no spreadsheet takes for a formula, and all of it seen.

    One that begins as a formula does (``=``, ``+``, ``-``, ``@``, a tab or a line end) gets an
    apostrophe before it, unless it is a number; as OWASP advises ("CSV Injection").
    """
    begins = _FORMULA.match(text.lstrip(" ")) is not None and not _NUMBER.fullmatch(text)
    return f"'{visible(text)}" if begins else visible(text)


def shown(value: Any, lines: bool = False) -> Any:
    """Nested data with every text in it, keys too, as `visible` gives it."""
    if isinstance(value, str):
        return visible(value, lines)
    if isinstance(value, Mapping):
        return {shown(key, lines): shown(one, lines) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [shown(one, lines) for one in value]
    return value


def without_secrets(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The text without passwords in addresses and without the tokens of the environment."""
    text = _PASSWORD.sub(r"\1...@", text)
    for name, secret in environment.items():
        if _SECRET_NAME.search(name) and len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "...")
    return text
