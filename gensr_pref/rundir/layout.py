"""Which clips each part file of a run directory holds, and what they were made from.

``shards.jsonl`` has a line for every shard: the ids of its clips, a digest for each of its
recording's content, text, speaker and language, the split that it is in, and a digest of all this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensr_pref.identity import digest
from gensr_pref.rundir import part_files

LAYOUT = "shards.jsonl"  # of a run directory


@dataclass(frozen=True)
class Shard:
    """The clips of a shard.

    Attributes:
        clips: their ids.
        contents: what each was made from; empty in a run of an earlier version.
        splits: train or validation, of each; empty in a run of an earlier version.
    """

    clips: tuple[str, ...]
    contents: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()

    @property
    def of(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """The clips, contents and splits, as `provenance.of_part` takes them."""
        return self.clips, self.contents, self.splits


def shards_of(out: Path) -> list[Shard]:
    """The shards of a run directory; nothing where that is not known, or a line was edited."""
    lines = part_files.read_json_lines(out / LAYOUT)
    try:
        found = [_shard_of(line) for line in lines]
        numbers = [line["shard"] for line in lines]
        whole = all(
            line.get("digest") in (None, _digest(place, one))
            for place, (line, one) in enumerate(zip(lines, found, strict=True))
        )
    except (TypeError, KeyError, AttributeError):
        return []
    return found if whole and numbers == list(range(len(found))) else []


def write(out: Path, found: Sequence[Shard]) -> None:
    """Write the shards of a run directory down."""
    lines = [
        {
            "shard": place,
            "clips": one.clips,
            "contents": one.contents,
            "splits": one.splits,
            "digest": _digest(place, one),
        }
        for place, one in enumerate(found)
    ]
    part_files.write_json_lines(out / LAYOUT, lines)


def clip_ids(out: Path) -> list[list[str]]:
    """The clips of every shard of a run directory; nothing where that is not known."""
    return [list(one.clips) for one in shards_of(out)]


def _shard_of(line: dict[str, Any]) -> Shard:
    """A line as it was written.

    Raises:
        TypeError, KeyError: it is none that was written here.
    """
    columns = [line["clips"], *(line.get(key, ()) for key in ("contents", "splits"))]
    if not all(isinstance(one, list | tuple) and all(map(_is_text, one)) for one in columns):
        raise TypeError("not lists of words")
    return Shard(*map(tuple, columns))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _digest(place: int, one: Shard) -> str:
    return digest(place, *map(list, one.of))


def splits_of(placed_in: Sequence[Shard]) -> dict[str, str]:
    """The split of every clip whose split is known, by id; of runs of version 1 nothing."""
    return {
        name: split
        for shard in placed_in
        for name, split in zip(shard.clips, shard.splits, strict=False)
        if split
    }
