"""Reads which clips each shard holds, and recovers this from the parts without ``shards.jsonl``.

The metadata of a part has a digest of its shard's clips and their contents. ``shards.jsonl`` is
used if this digest of any part agrees with it. If it is lost, edited or from another run, the clips
are read from the rows of the parts, and the digest confirms them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from gensr_pref.corpus.clip_spec import ClipSpec
from gensr_pref.errors import GensrPrefError
from gensr_pref.rundir import part_files
from gensr_pref.rundir.provenance import MADE, clips_digest
from gensr_pref.rundir.shards import SHARDS_FILE, Shard, read_shards
from gensr_pref.schema import column

PartPaths: TypeAlias = Mapping[part_files.Table, Sequence[Path]]


def recover_shards(out: Path, clips: Sequence[ClipSpec]) -> list[Shard]:
    """Return the shards of a run directory; empty if it is new or its shards are unknown.

    Args:
        clips: present clips of the corpus.
    """
    written = read_shards(out)
    parts: PartPaths = {table: part_files.parts(out, table) for table in MADE}
    if not any(parts.values()) or any(_matching_shards(parts, written)):
        return written
    recovered = _recover_from_parts({**parts, "failures": part_files.parts(out, "failures")}, clips)
    if not recovered:
        return written
    print(f"{out / SHARDS_FILE}: is not what was written, and is made again", file=sys.stderr)
    confirmed = {int(number) for number in _matching_shards(parts, recovered)}
    for index in sorted(set(range(len(recovered))) - confirmed):
        reason = "it is unknown whether the recordings of its clips have changed"
        print(f"{out}: shard {index}: {reason}; its parts are made again", file=sys.stderr)
    return recovered


def _matching_shards(parts: PartPaths, shards: Sequence[Shard]) -> Iterator[str]:
    """Yield the numbers of the shards whose clips agree with the digest of one of their parts."""
    digests = {
        f"{index:05d}": clips_digest(shard.clips, shard.contents)
        for index, shard in enumerate(shards)
    }
    for paths in parts.values():
        for path in paths:
            number = path.stem.split("-")[1]
            if part_files.read_facts_if_any(path).get("clips", "") == digests.get(number):
                yield number


def _recover_from_parts(parts: PartPaths, clips: Sequence[ClipSpec]) -> list[Shard]:
    """Return the shards with the clips that occur in their parts; empty if one has no clips."""
    ids: dict[int, set[str]] = {}
    splits: dict[str, str] = {}
    for table, paths in parts.items():
        for path in paths:
            number = path.stem.split("-")[1]
            names = _clips_in(path, table, splits)
            if number.isdecimal() and names:
                ids.setdefault(int(number), set()).update(names)
    order = {spec.clip_id: index for index, spec in enumerate(clips)}
    shards: list[Shard] = []
    assigned: set[str] = set()
    for shard in range(max(ids, default=-1) + 1):
        names = ids.get(shard, set()) & order.keys() - assigned
        if not names:
            return []
        specs = [clips[index] for index in sorted(order[name] for name in names)]
        assigned.update(spec.clip_id for spec in specs)
        shards.append(_shard(specs, splits))
    return shards


def _shard(clips: Sequence[ClipSpec], splits: Mapping[str, str]) -> Shard:
    return Shard(
        tuple(spec.clip_id for spec in clips),
        tuple(spec.content for spec in clips),
        tuple(splits.get(spec.clip_id, "") for spec in clips),
    )


def _clips_in(path: Path, table: part_files.Table, splits: dict[str, str]) -> set[str]:
    """Return the ids of the clips in a part, and add their splits to `splits`."""
    wanted = ["clip_id", "split"] if table == "clips" else ["clip_id"]
    try:
        rows = part_files.read(path, wanted)
    except GensrPrefError:
        return set()
    if table == "clips":
        splits.update(zip(column(rows, "clip_id"), column(rows, "split"), strict=True))
    return {name for name in column(rows, "clip_id") if name}
