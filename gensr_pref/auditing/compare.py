"""Two audits side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMED_BY = (
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
    """Every number of two audits, by its path.

    Returns:
        ``runs``: their names and rules; ``numbers``: path -> {a, b, difference}, a number that only
        one has with None for the other; ``apart``: the paths of values whose intervals do not
        overlap (a conservative sign of a difference, as the runs may share clips).
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
    """The numbers of nested data by dotted path; rows of a list go by what names them."""
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
    for place, row in enumerate(rows):
        key = next((k for k in _NAMED_BY if isinstance(row, Mapping) and k in row), None)
        if key is None:
            named.append((str(place), row))
            continue
        name = "/".join(row[key]) if isinstance(row[key], list) else f"{row[key]}"
        named.append((name, {k: v for k, v in row.items() if k != key}))
    return named


def _difference(path: str, a: Mapping[str, float], b: Mapping[str, float]) -> float | None:
    return b[path] - a[path] if path in a and path in b else None


def _intervals_disjoint(path: str, a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    one, two = _bounds(path, a), _bounds(path, b)
    return one is not None and two is not None and (one[1] < two[0] or two[1] < one[0])


def _bounds(path: str, of: Mapping[str, float]) -> tuple[float, float] | None:
    if path not in of:
        return None
    parent, _, name = path.rpartition(".")
    if name in ("value", "rate", "accuracy", "difference", "yield"):
        low, high = of.get(f"{parent}.low"), of.get(f"{parent}.high")
    else:
        low, high = of.get(f"{path}_interval.0"), of.get(f"{path}_interval.1")
    return None if low is None or high is None else (low, high)
