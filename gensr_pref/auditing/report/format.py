"""How the report says a number, a list, and the name of a property."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# property: its name, what more and less of it is called, its unit
_WORDS = {
    "seconds": ("length", "longer", "shorter", "s"),
    "level_db": ("loudness", "louder", "quieter", "dB"),
    "bandwidth_hz": ("bandwidth", "wider in bandwidth", "narrower in bandwidth", "Hz"),
    "silence": ("share of silence", "more silent", "less silent", ""),
    "index": ("order of drawing", "drawn later", "drawn earlier", ""),
}


def is_sound(name: str) -> bool:
    """Whether a property is of what is heard or when it was drawn, not of how."""
    return name in _WORDS


def property_name(name: str) -> str:
    """A property's name; what it is not known by is a setting of the sampling."""
    return _WORDS[name][0] if name in _WORDS else name


def property_label(name: str) -> str:
    """A property's name with its unit."""
    unit = _WORDS[name][3] if name in _WORDS else ""
    return f"{property_name(name)}, {unit}" if unit else property_name(name)


def describe_difference(row: dict[str, Any]) -> str:
    """What the chosen is more or less of, with the bounds; `row` as in the audit's ``sides``."""
    name = row["property"]
    usual = (name, f"drawn with more {name}", f"drawn with less {name}", "")
    _, more, less, unit = _WORDS.get(name, usual)
    low, high = row["low"], row["high"]
    if row["difference"] < 0:
        low, high = -high, -low
    size = f"{format_number(abs(row['difference']))} {unit}".strip()
    kind = more if row["difference"] > 0 else less
    return f"{kind} by {size} [{format_number(low)}, {format_number(high)}]"


def join_words(names: Sequence[str]) -> str:
    """Words with commas and a last "and"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def percent(value: float | None) -> str:
    """A share; a dash where there is none."""
    return "-" if value is None else f"{100 * value:.0f}\N{NO-BREAK SPACE}%"


def format_number(value: float | None) -> str:
    """Three digits that count, and never an exponent; a dash where there is none."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    size = abs(value)
    return f"{value:.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"
