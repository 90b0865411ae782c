"""Leakage: values that training and validation share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, TypedDict

_SHOWN = 5


class Shared(TypedDict):
    """The number of values that several splits share, and up to five of them."""

    shared: int
    examples: list[str]


def leakage(split: Sequence[str], identities: Mapping[str, Sequence[str | None]]) -> dict[str, Any]:
    """Return the values that clips of different splits have in common.

    Args:
        split: [clips], the split of each clip, such as train or validation.
        identities: per kind (clip, speaker, source), [clips], its value; None is ignored.

    Returns:
        ``clips``: number of clips per split; per kind {shared: number of values in several splits,
        examples: up to five of them}.
    """
    counts = {name: list(split).count(name) for name in sorted(set(split))}
    return {"clips": counts, **{kind: _shared_values(split, of) for kind, of in identities.items()}}


def _shared_values(split: Sequence[str], values: Sequence[str | None]) -> Shared:
    sides = [
        {value for side, value in zip(split, values, strict=True) if side == one}
        for one in set(split)
    ]
    counts = Counter(chain.from_iterable(sides))
    both = sorted(value for value, count in counts.items() if count > 1 and value is not None)
    return {"shared": len(both), "examples": both[:_SHOWN]}
