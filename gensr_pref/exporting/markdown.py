"""Markdown with text from other people, which must remain text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gensr_pref.untrusted.text import escape_invisible

_MARKUP = re.compile(r"([\\`*_{}\[\]|~$!>]|^[#+-]|:(?=//)|(?<=www)\.|@(?=\w))")


def escape(text: str) -> str:
    """Return one line of Markdown that shows a text as it is: no markup, no HTML, no link."""
    line = escape_invisible(" ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;")
    line = _MARKUP.sub(r"\\\1", line)
    return re.sub(r"^(\d+)([.)])", r"\1\\\2", line)  # not an item of a list


def inline_code(text: str) -> str:
    """Return a text as inline code, also inside a table; backticks in it do not end it."""
    line = escape_invisible(" ".join(text.split())).replace("|", "\\|") or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    space = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{space}{line}{space}{fence}"


def code_block(text: str, language: str = "") -> str:
    """Return a text as a block of code; backticks in it do not end it."""
    text = escape_invisible(text, lines=True)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def link(text: str, url: str) -> str:
    """Return a link to an http address; only the text for any other address."""
    safe = re.fullmatch(r"https?://[^\s<>()\[\]\\\"'`|]+", url)
    return f"[{escape(text)}]({url})" if safe else escape(text)


def share_text(value: float | None) -> str:
    """Return a share in percent."""
    return "not known" if value is None else f"{100 * value:.0f} %"


def number_text(value: float | None) -> str:
    """Return a number with three decimals."""
    return "not known" if value is None else f"{value:.3f}"
