"""Whether training and validation share what they must not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, TypedDict

_SHOWN = 5


class Shared(TypedDict):
    """The values that are on several sides: how many, and up to five of them."""

    shared: int
    examples: list[str]


def leakage(split: Sequence[str], identities: Mapping[str, Sequence[str | None]]) -> dict[str, Any]:
    """Values that clips of different splits have in common.

    Args:
        split: [clips] such as train, validation.
        identities: per kind (clip, speaker, source), [clips] its value; None is nobody's.

    Returns:
        ``clips``: how many each split has; per kind {shared: how many values are on several sides,
        examples: up to five of them}.
    """
    counts = {name: list(split).count(name) for name in sorted(set(split))}
    return {"clips": counts, **{kind: _shared(split, of) for kind, of in identities.items()}}


def _shared(split: Sequence[str], values: Sequence[str | None]) -> Shared:
    sides = [
        {value for side, value in zip(split, values, strict=True) if side == one}
        for one in set(split)
    ]
    seen = Counter(chain.from_iterable(sides))
    both = sorted(value for value, count in seen.items() if count > 1 and value is not None)
    return {"shared": len(both), "examples": both[:_SHOWN]}
