"""Text of others inside Markdown, so that it stays text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gensr_pref.untrusted.text import escape_invisible

_MARKUP = re.compile(r"([\\`*_{}\[\]|~$!>]|^[#+-]|:(?=//)|(?<=www)\.|@(?=\w))")


def escaped(text: str) -> str:
    """A text that shows as it is: one line, no markup, no HTML, no link."""
    line = escape_invisible(" ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;")
    line = _MARKUP.sub(r"\\\1", line)
    return re.sub(r"^(\d+)([.)])", r"\1\\\2", line)  # no item of a list


def code(text: str) -> str:
    """A text as code, also inside a table; backticks in it do not end it."""
    line = escape_invisible(" ".join(text.split())).replace("|", "\\|") or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    space = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{space}{line}{space}{fence}"


def block(text: str, language: str = "") -> str:
    """A block of code; backticks in it do not end it."""
    text = escape_invisible(text, lines=True)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def link(text: str, url: str) -> str:
    """A link to an http address; the text alone where it is none."""
    safe = re.fullmatch(r"https?://[^\s<>()\[\]\\\"'`|]+", url)
    return f"[{escaped(text)}]({url})" if safe else escaped(text)


def share(value: float | None) -> str:
    """A share in percent."""
    return "not known" if value is None else f"{100 * value:.0f} %"


def number(value: float | None) -> str:
    """A number with three decimals."""
    return "not known" if value is None else f"{value:.3f}"
