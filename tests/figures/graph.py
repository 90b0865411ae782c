"""Reachability, cycles and floors of an import graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set

Graph = Mapping[str, Set[str]]


def reachable(graph: Graph, start: str) -> set[str]:
    """Return the nodes that can be reached from ``start``, itself included."""
    reached, pending = set(), [start]
    while pending:
        node = pending.pop()
        if node not in reached:
            reached.add(node)
            pending += graph[node]
    return reached


def circles(graph: Graph) -> list[list[str]]:
    """Return the groups of nodes that reach each other."""
    groups = {group for group in _groups(graph).values() if len(group) > 1}
    return sorted(sorted(group) for group in groups)


def floors(graph: Graph) -> list[list[str]]:
    """Return the nodes by floor, lowest first: each is one above the highest that it points to.

    The nodes of a circle share a floor.
    """
    groups = _groups(graph)
    height: dict[frozenset[str], int] = {}

    def climb(group: frozenset[str]) -> int:
        if group not in height:
            below = {groups[target] for node in group for target in graph[node]} - {group}
            height[group] = 1 + max(map(climb, below), default=-1)
        return height[group]

    by_floor: dict[int, list[str]] = defaultdict(list)
    for node in sorted(graph):
        by_floor[climb(groups[node])].append(node)
    return [by_floor[floor] for floor in sorted(by_floor)]


def _groups(graph: Graph) -> dict[str, frozenset[str]]:
    reached = {node: reachable(graph, node) for node in graph}
    return {node: frozenset(m for m in reached[node] if node in reached[m]) for node in graph}
