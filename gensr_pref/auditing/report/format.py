"""Formats numbers, lists and the names of properties for the report."""

from __future__ import annotations

from collections.abc import Sequence

from gensr_pref.auditing.bias import Difference

# property: its name, the words for more and for less of it, its unit
_WORDS = {
    "seconds": ("length", "longer", "shorter", "s"),
    "level_db": ("loudness", "louder", "quieter", "dB"),
    "bandwidth_hz": ("bandwidth", "wider in bandwidth", "narrower in bandwidth", "Hz"),
    "silence": ("share of silence", "more often silent", "less often silent", ""),
    "index": ("order of sampling", "sampled later", "sampled earlier", ""),
}


def is_sound(name: str) -> bool:
    """Return whether a property is one of the sound or of the order, not a sampling setting."""
    return name in _WORDS


def property_name(name: str) -> str:
    """Return a property's name; a sampling setting keeps its own."""
    return _WORDS[name][0] if name in _WORDS else name


def property_label(name: str) -> str:
    """Return a property's name with its unit."""
    unit = _WORDS[name][3] if name in _WORDS else ""
    return f"{property_name(name)}, {unit}" if unit else property_name(name)


def describe_difference(row: Difference) -> str:
    """Return how the chosen differs in a property, with the bounds; for rows with an interval."""
    name = row["property"]
    setting = (name, f"sampled with higher {name}", f"sampled with lower {name}", "")
    _, more, less, unit = _WORDS.get(name, setting)
    difference, low, high = row["difference"] or 0.0, row["low"], row["high"]
    if difference < 0 and low is not None and high is not None:
        low, high = -high, -low
    size = f"{format_significant(abs(difference))} {unit}".strip()
    kind = more if difference > 0 else less
    return f"{kind} by {size} [{format_significant(low)}, {format_significant(high)}]"


def join_words(names: Sequence[str]) -> str:
    """Join words with commas and a final "and"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def percent(value: float | None) -> str:
    """Return a share as per cent; a dash if there is none."""
    return "-" if value is None else f"{100 * value:.0f}\N{NO-BREAK SPACE}%"


def format_significant(value: float | None) -> str:
    """Return a number with three significant digits, without exponent; a dash if there is none."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    size = abs(value)
    return f"{value:.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"
