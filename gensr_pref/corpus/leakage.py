"""Leakage: clips, speakers and recordings in several splits, such as train and validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Literal, TypedDict

import pyarrow as pa

from gensr_pref.corpus.units import source_ids
from gensr_pref.errors import quantity
from gensr_pref.rundir import part_files
from gensr_pref.schema import column

Unit = Literal["clip", "speaker", "source"]
_LEAK_NOTICE = "split:"  # begins the notices of leaks; notices are stored as sentences
_UNITS: tuple[Unit, ...] = ("clip", "speaker", "source")
_SHOWN = 5


class Shared(TypedDict):
    """Units that are in several splits.

    Keys:
        shared: number of units.
        examples: up to five of them.
    """

    shared: int
    examples: list[str]


class Leakage(TypedDict):
    """The clips of each split, and the units that several splits share.

    Keys:
        clips: number of clips by split.
        clip, speaker, source: clips, known speakers and recordings in several splits.
    """

    clips: dict[str, int]
    clip: Shared
    speaker: Shared
    source: Shared


def find_leakage(clips: pa.Table) -> Leakage:
    """Return the units that clips of different splits have in common.

    Args:
        clips: table with `clip_id`, `speaker`, `source` and `split`.
    """
    splits = column(clips, "split")
    return {
        "clips": {name: splits.count(name) for name in sorted(set(splits))},
        "clip": shared_units(splits, column(clips, "clip_id")),
        "speaker": shared_units(splits, column(clips, "speaker")),
        "source": shared_units(splits, source_ids(clips)),
    }


def shared_units(splits: Sequence[str], units: Sequence[str | None]) -> Shared:
    """Return the units that are in several splits.

    Args:
        splits: [clips], the split of each clip.
        units: [clips], the unit of each clip; None if it is unknown.
    """
    by_split = [
        {unit for split, unit in zip(splits, units, strict=True) if split == name}
        for name in set(splits)
    ]
    counts = Counter(chain.from_iterable(by_split))
    shared = sorted(unit for unit, count in counts.items() if count > 1 and unit is not None)
    return {"shared": len(shared), "examples": shared[:_SHOWN]}


def list_leaks(leakage: Leakage) -> dict[Unit, Shared]:
    """Return the kinds of units that several splits share, each with the shared units."""
    return {kind: leakage[kind] for kind in _UNITS if kind in leakage and leakage[kind]["shared"]}


def is_leak_notice(notice: str) -> bool:
    """Return whether a notice is one of `leak_notices`, which name a clip, speaker or recording."""
    return notice.startswith(_LEAK_NOTICE)


def leak_notices(out: Path) -> list[str]:
    """Return one sentence per kind of unit that several splits of a run share."""
    if not part_files.parts(out, "clips"):
        return []
    columns = ["clip_id", "speaker", "source", "split"]
    leakage = find_leakage(part_files.read_all(out, "clips", columns))
    return [
        f"{_LEAK_NOTICE} in several splits: {quantity(leak['shared'], kind)}, "
        f"such as {leak['examples'][0]}"
        for kind, leak in list_leaks(leakage).items()
    ]
