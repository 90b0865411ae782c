"""Compares two audits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEY_FIELDS = (
    "scores",
    "score",
    "by",
    "property",
    "generator",
    "value",
    "n",
    "spreads",
    "generators",
)


def compare_audits(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of two audits side by side, by path.

    Returns:
        ``runs``: their names and rules; ``numbers``: path -> {a, b, difference}, with None for a
        number that one audit lacks; ``apart``: the paths of values whose intervals do not overlap
        (a conservative sign of a difference, because the runs may share clips).
    """
    a, b = flatten(first), flatten(second)
    numbers = {
        path: {"a": a.get(path), "b": b.get(path), "difference": _difference(path, a, b)}
        for path in [*a, *(path for path in b if path not in a)]
    }
    runs = [{key: one.get(key) for key in ("run", "rule")} for one in (first, second)]
    apart = [path for path in numbers if _intervals_disjoint(path, a, b)]
    return {"runs": runs, "numbers": numbers, "apart": apart}


def flatten(node: Any, prefix: str = "") -> dict[str, float]:
    """Return nested numbers by dotted path; a row of a list is named by its key field."""
    if isinstance(node, bool) or node is None or isinstance(node, str):
        return {}
    if isinstance(node, int | float):
        return {prefix: node}
    children = node.items() if isinstance(node, Mapping) else _rows(node)
    return {
        path: value
        for name, child in children
        for path, value in flatten(child, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def _rows(rows: list[Any]) -> list[tuple[str, Any]]:
    named = []
    for index, row in enumerate(rows):
        key = next((k for k in _KEY_FIELDS if isinstance(row, Mapping) and k in row), None)
        if key is None:
            named.append((str(index), row))
            continue
        name = "/".join(row[key]) if isinstance(row[key], list) else f"{row[key]}"
        named.append((name, {k: v for k, v in row.items() if k != key}))
    return named


def _difference(path: str, a: Mapping[str, float], b: Mapping[str, float]) -> float | None:
    return b[path] - a[path] if path in a and path in b else None


def _intervals_disjoint(path: str, a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    one, two = _bounds(path, a), _bounds(path, b)
    return one is not None and two is not None and (one[1] < two[0] or two[1] < one[0])


def _bounds(path: str, numbers: Mapping[str, float]) -> tuple[float, float] | None:
    if path not in numbers:
        return None
    parent, _, name = path.rpartition(".")
    if name in ("value", "rate", "accuracy", "difference", "yield"):
        low, high = numbers.get(f"{parent}.low"), numbers.get(f"{parent}.high")
    else:
        low, high = numbers.get(f"{path}_interval.0"), numbers.get(f"{path}_interval.1")
    return None if low is None or high is None else (low, high)
