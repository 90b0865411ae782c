"""Formats tables and lists for several commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gensr_pref.untrusted.text import escape_invisible


def format_labelled(rows: Sequence[tuple[str, str]]) -> str:
    """Return lines that begin with a label; an empty one continues the line above."""
    return "\n".join(f"{name:<12}{value}" for name, value in rows)


def format_reasons(reasons: Mapping[str, int]) -> str:
    """Return how often each reason occurs, the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {reason}" for reason, count in ordered)


def format_table_with_lines(rows: Sequence[Mapping[str, Any]], name: str, *below: str) -> str:
    """Return rows as a table, with what is too long for a column in lines below it.

    Args:
        name: the column that a line below begins with.
        below: the columns that become lines; empty values do not.
    """
    lines = dict.fromkeys(f"{row[name]}: {row[key]}" for key in below for row in rows if row[key])
    short = [{key: value for key, value in row.items() if key not in below} for row in rows]
    return "\n".join([format_table(short), *(["", *lines] if lines else [])])


def format_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as aligned columns, numbers to the right."""
    if not rows:
        return "(none)"
    values = [list(rows[0]), *(list(row.values()) for row in rows)]
    cells = [[escape_invisible(_cell(value)) for value in line] for line in values]
    width = [max(len(line[k]) for line in cells) for k in range(len(cells[0]))]
    right = [all(_numeric(line[k]) for line in cells[1:]) for k in range(len(width))]
    lines = [
        "  ".join(
            cell.rjust(w) if r else cell.ljust(w)
            for cell, w, r in zip(line, width, right, strict=True)
        ).rstrip()
        for line in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * w for w in width), *lines[1:]])


def _cell(value: Any) -> str:
    return (", ".join(map(str, value)) or "-") if isinstance(value, list) else str(value)


def _numeric(text: str) -> bool:
    return text.rstrip("%").lstrip("-").replace(".", "", 1).isdigit() or text == "-"


def format_number(value: float | None) -> str:
    """Return a number with three decimals; a dash for None."""
    return "-" if value is None else f"{value:.3f}"
