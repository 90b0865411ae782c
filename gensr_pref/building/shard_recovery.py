"""Which clips each shard of a run directory holds, also where ``shards.jsonl`` does not tell it.

A part has a digest of its shard's clips, and of what each was made from, in its metadata. What
``shards.jsonl`` says is believed where parts agree with it. Where it is lost, was edited or is of
another run, the rows of the parts tell which clips they hold, and the same digest proves it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gensr_pref.corpus.clips import ClipSpec
from gensr_pref.errors import GensrPrefError
from gensr_pref.rundir import part_files
from gensr_pref.rundir.layout import LAYOUT, Shard, read_shards
from gensr_pref.rundir.provenance import MADE, clips_digest
from gensr_pref.schema import column


def recover_shards(out: Path, clips: Sequence[ClipSpec]) -> list[Shard]:
    """The shards of a run directory; nothing where it is new, or no part tells.

    Args:
        clips: of the corpus, as it is now.
    """
    written = read_shards(out)
    there: dict[part_files.Table, list[Path]] = {made: part_files.parts(out, made) for made in MADE}
    if not any(there.values()) or any(_matching_shards(there, written)):
        return written
    found = _recover_from_parts({**there, "failures": part_files.parts(out, "failures")}, clips)
    if not found:
        return written
    print(f"{out / LAYOUT}: is not what was written, and is made again", file=sys.stderr)
    proven = {int(number) for number in _matching_shards(there, found)}
    for place in sorted(set(range(len(found))) - proven):
        told = "the recordings of its clips are not known to be what they were"
        print(f"{out}: shard {place}: {told}; its parts are made again", file=sys.stderr)
    return found


def _matching_shards(
    there: Mapping[part_files.Table, Sequence[Path]], found: Sequence[Shard]
) -> Iterator[str]:
    """The numbers of the shards of which a part holds the clips that the layout says."""
    digests = {
        f"{place:05d}": clips_digest(one.clips, one.contents) for place, one in enumerate(found)
    }
    for paths in there.values():
        for path in paths:
            number = path.stem.split("-")[1]
            if part_files.read_facts_if_any(path).get("clips", "") == digests.get(number):
                yield number


def _recover_from_parts(
    there: Mapping[part_files.Table, Sequence[Path]], clips: Sequence[ClipSpec]
) -> list[Shard]:
    """The shards that parts tell of; nothing where one of them is told of by none."""
    ids: dict[int, set[str]] = {}
    splits: dict[str, str] = {}
    for table, paths in there.items():
        for path in paths:
            number = path.stem.split("-")[1]
            names = _clips_in(path, table, splits)
            if number.isdecimal() and names:
                ids.setdefault(int(number), set()).update(names)
    known = {spec.clip_id: place for place, spec in enumerate(clips)}
    found: list[Shard] = []
    taken: set[str] = set()
    for place in range(max(ids, default=-1) + 1):
        names = ids.get(place, set()) & known.keys() - taken
        if not names:
            return []
        own = [clips[number] for number in sorted(known[name] for name in names)]
        taken.update(spec.clip_id for spec in own)
        found.append(_shard(own, splits))
    return found


def _shard(clips: Sequence[ClipSpec], splits: Mapping[str, str]) -> Shard:
    return Shard(
        tuple(spec.clip_id for spec in clips),
        tuple(spec.content for spec in clips),
        tuple(splits.get(spec.clip_id, "") for spec in clips),
    )


def _clips_in(path: Path, table: part_files.Table, splits: dict[str, str]) -> set[str]:
    """The clips that a part tells of; their splits are added to those known."""
    wanted = ["clip_id", "split"] if table == "clips" else ["clip_id"]
    try:
        found = part_files.read(path, wanted)
    except GensrPrefError:
        return set()
    if table == "clips":
        splits.update(zip(column(found, "clip_id"), column(found, "split"), strict=True))
    return {name for name in column(found, "clip_id") if name}
