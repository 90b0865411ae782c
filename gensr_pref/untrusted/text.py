"""Escapes for text from other people, so that it stays in its line, direction and cell."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

# Control characters, line separators, and characters that change the direction or the look of other
# text: categories Cc, Cf, Cs, Co, Zl and Zp, without the joiners of Arabic and Indic scripts.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"
_PLAIN = re.compile(r"[\x20-\x7e\u00a0-\u00ac\u00ae-\u02ff]*")  # nothing to escape; the usual case
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

_PASSWORD = re.compile(r"(\w://)[^\s/@:]*:[^\s/@]+@")  # in an address
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSWORD|API_?KEY", re.IGNORECASE)
_SHORTEST_SECRET = 8  # characters; shorter ones are words such as "true"


def escape_invisible(text: str, lines: bool = False) -> str:
    r"""Return a text with its invisible characters as escapes, such as ``\x1b`` and ``\u202e``.

    A terminal executes escape sequences, and a right-to-left override reverses the text after it,
    so that a name could forge the words next to it (CVE-2021-42574).

    Args:
        text: the text.
        lines: keep line feeds and tabs, for text of several lines.
    """
    if _PLAIN.fullmatch(text):
        return text
    return "".join(_escape(character, lines) for character in text)


def _escape(character: str, lines: bool) -> str:
    if character in _JOINERS or (lines and character in "\n\t"):
        return character
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def csv_cell(text: str) -> str:
    """Return the text of a CSV cell, escaped so that no spreadsheet reads it as a formula.

    A text that begins like a formula (``=``, ``+``, ``-``, ``@``, a tab or a line end) gets a
    leading apostrophe, unless it is a number (OWASP, "CSV Injection").
    """
    is_formula = _FORMULA.match(text.lstrip(" ")) is not None and not _NUMBER.fullmatch(text)
    return f"'{escape_invisible(text)}" if is_formula else escape_invisible(text)


def escape_all(value: Any, lines: bool = False) -> Any:
    """Return nested data with `escape_invisible` applied to every text and every key."""
    if isinstance(value, str):
        return escape_invisible(value, lines)
    if isinstance(value, Mapping):
        return {escape_all(key, lines): escape_all(item, lines) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [escape_all(item, lines) for item in value]
    return value


def redact_secrets(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return a text without passwords in addresses and secrets from environment variables."""
    text = _PASSWORD.sub(r"\1...@", text)
    for name, secret in environment.items():
        if _SECRET_NAME.search(name) and len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "...")
    return text
