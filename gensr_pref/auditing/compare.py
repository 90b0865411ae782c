"""Compares the numbers of two audits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

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


class RunLabel(TypedDict):
    """The name of a run and its pair rule."""

    run: str | None
    rule: str | None


class TwoNumbers(TypedDict):
    """A number in both audits, and b minus a; None if an audit lacks it."""

    a: float | None
    b: float | None
    difference: float | None


class AuditComparison(TypedDict):
    """The numbers of two audits.

    Keys:
        runs: names and rules of the runs.
        numbers: the number in each audit, by path.
        apart: the paths of values whose intervals do not overlap (a conservative sign of a
            difference, because the runs may share clips).
    """

    runs: list[RunLabel]
    numbers: dict[str, TwoNumbers]
    apart: list[str]


def compare_audits(first: Mapping[str, Any], second: Mapping[str, Any]) -> AuditComparison:
    """Return the numbers of two audits side by side, by path."""
    a, b = flatten_numbers(first), flatten_numbers(second)
    numbers: dict[str, TwoNumbers] = {
        path: {"a": a.get(path), "b": b.get(path), "difference": _difference(path, a, b)}
        for path in [*a, *(path for path in b if path not in a)]
    }
    runs: list[RunLabel] = [
        {"run": audit.get("run"), "rule": audit.get("rule")} for audit in (first, second)
    ]
    apart = [path for path in numbers if _intervals_disjoint(path, a, b)]
    return {"runs": runs, "numbers": numbers, "apart": apart}


def flatten_numbers(node: Any, prefix: str = "") -> dict[str, float]:
    """Return nested numbers by dotted path; a row of a list is named by its key field."""
    if isinstance(node, bool) or node is None or isinstance(node, str):
        return {}
    if isinstance(node, int | float):
        return {prefix: node}
    children = node.items() if isinstance(node, Mapping) else _rows(node)
    return {
        path: value
        for name, child in children
        for path, value in flatten_numbers(
            child, f"{prefix}.{name}" if prefix else str(name)
        ).items()
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
    first, second = _bounds(path, a), _bounds(path, b)
    if first is None or second is None:
        return False
    return first[1] < second[0] or second[1] < first[0]


def _bounds(path: str, numbers: Mapping[str, float]) -> tuple[float, float] | None:
    if path not in numbers:
        return None
    parent, _, name = path.rpartition(".")
    if name in ("value", "rate", "accuracy", "difference", "yield"):
        low, high = numbers.get(f"{parent}.low"), numbers.get(f"{parent}.high")
    else:
        low, high = numbers.get(f"{path}_interval.0"), numbers.get(f"{path}_interval.1")
    return None if low is None or high is None else (low, high)
