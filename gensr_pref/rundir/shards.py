"""The shards of a run directory: which clips each holds, and what they were made from.

``shards.jsonl`` has one line per shard: the ids of its clips; for each clip its split and a digest
of its recording's content, text, speaker and language; and a digest of all this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensr_pref.identity import digest
from gensr_pref.rundir import part_files

SHARDS_FILE = "shards.jsonl"  # of a run directory


@dataclass(frozen=True)
class Shard:
    """The clips of a shard.

    Attributes:
        clips: their ids.
        contents: digest of what each clip was made from; empty in a run of an earlier version.
        splits: train or validation, for each clip; empty in a run of an earlier version.
    """

    clips: tuple[str, ...]
    contents: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """The clips, contents and splits, as `provenance.part_record` takes them."""
        return self.clips, self.contents, self.splits


def read_shards(out: Path) -> list[Shard]:
    """Return the shards of a run directory; none if they are unknown or a line was edited."""
    lines = part_files.read_json_lines(out / SHARDS_FILE)
    try:
        shards = [_parse_shard(line) for line in lines]
        numbers = [line["shard"] for line in lines]
        is_unchanged = all(
            line.get("digest") in (None, _digest(number, shard))
            for number, (line, shard) in enumerate(zip(lines, shards, strict=True))
        )
    except (TypeError, KeyError, AttributeError):
        return []
    return shards if is_unchanged and numbers == list(range(len(shards))) else []


def write_shards(out: Path, shards: Sequence[Shard]) -> None:
    """Write ``shards.jsonl``."""
    lines = [
        {
            "shard": number,
            "clips": shard.clips,
            "contents": shard.contents,
            "splits": shard.splits,
            "digest": _digest(number, shard),
        }
        for number, shard in enumerate(shards)
    ]
    part_files.write_json_lines(out / SHARDS_FILE, lines)


def read_clip_ids(out: Path) -> list[list[str]]:
    """Return the clip ids of every shard of a run directory; none if they are unknown."""
    return [list(shard.clips) for shard in read_shards(out)]


def _parse_shard(line: dict[str, Any]) -> Shard:
    """Return the shard that a line describes.

    Raises:
        TypeError, KeyError: the line does not have the form that `write_shards` writes.
    """
    columns = [line["clips"], *(line.get(key, ()) for key in ("contents", "splits"))]
    if not all(isinstance(texts, list | tuple) and all(map(_is_text, texts)) for texts in columns):
        raise TypeError("not lists of texts")
    return Shard(*map(tuple, columns))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _digest(number: int, shard: Shard) -> str:
    return digest(number, *map(list, shard.columns))


def splits_by_clip(shards: Sequence[Shard]) -> dict[str, str]:
    """Return the split of each clip by its id, where it is known; runs of version 1 record none."""
    return {
        clip: split
        for shard in shards
        for clip, split in zip(shard.clips, shard.splits, strict=False)
        if split
    }
