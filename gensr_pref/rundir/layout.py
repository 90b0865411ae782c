"""Which clips each part file of a run directory holds, and what they were made from.

``shards.jsonl`` has a line for every shard: the ids of its clips, a digest for each of its
recording's content, text, speaker and language, and the split that it is in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gensr_pref import shards

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
        """What `facts.of_part` is told of a shard."""
        return self.clips, self.contents, self.splits


def shards_of(out: Path) -> list[Shard]:
    """The shards of a run directory; nothing where that is not known."""
    lines = shards.read_json_lines(out / LAYOUT)
    try:
        found = [
            Shard(*(tuple(one.get(key, ())) for key in ("clips", "contents", "splits")))
            for one in lines
        ]
        numbers = [one["shard"] for one in lines]
    except (TypeError, KeyError, AttributeError):
        return []
    return found if numbers == list(range(len(found))) else []


def clip_ids(out: Path) -> list[list[str]]:
    """The clips of every shard of a run directory; nothing where that is not known."""
    return [list(one.clips) for one in shards_of(out)]
