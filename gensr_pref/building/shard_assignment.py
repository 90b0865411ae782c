"""Which clips each part file holds: written down once, so that a run can grow.

A clip stays in the shard that it was first put into. Clips that are added later fill new shards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gensr_pref.building.recordings import Recordings, require_same_speech
from gensr_pref.corpus.clips import ClipSpec
from gensr_pref.errors import Problem, RunMismatchError
from gensr_pref.identity import digest
from gensr_pref.rundir.layout import Shard, read_shards, write_shards

Layout = tuple[tuple[ClipSpec, ...], ...]
_NAMED = 3


def assign_shards(
    out: Path, clips: Sequence[ClipSpec], size: int, found: Recordings, placed_in: Sequence[Shard]
) -> Layout:
    """The clips of a run, shard by shard; those that are new to it come last.

    Args:
        size: clips of a shard.
        placed_in: the shards that are there.
        found: the recordings of the clips.

    Raises:
        RunMismatchError: a clip of the run directory is in the corpus no more, or its recording
            is another.
    """
    known = {spec.clip_id: spec for spec in clips}
    there = [shard.clips for shard in placed_in]
    _require_all(out, [name for names in there for name in names], known, found)
    made_from = [pair for one in placed_in for pair in zip(one.clips, one.contents, strict=False)]
    changed = [known[name] for name, content in made_from if known[name].content != content]
    require_same_speech(out, changed, found)
    placed = {name for names in there for name in names}
    added = [spec for spec in clips if spec.clip_id not in placed]
    old = [tuple(known[name] for name in names) for names in there]
    new = [tuple(added[start : start + size]) for start in range(0, len(added), size)]
    return (*old, *new)


def write_assignment(out: Path, layout: Layout) -> None:
    """Write the layout down, where it has changed."""
    now = [Shard(*shard_columns(specs)) for specs in layout]
    if now != read_shards(out):
        write_shards(out, now)


def shard_columns(
    specs: Sequence[ClipSpec],
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The ids of a shard's clips, what each is made from, and its split."""
    columns = ("clip_id", "content", "split")
    ids, contents, splits = (tuple(getattr(one, name) for one in specs) for name in columns)
    return ids, contents, splits


def texts_of(clips: Sequence[ClipSpec], only: set[str] | None = None) -> tuple[str, ...]:
    """What is said in clips, each sentence once.

    Args:
        only: ids; None = all of them.
    """
    said = {spec.item.text for spec in clips if only is None or spec.clip_id in only}
    return tuple(sorted(text for text in said if text))


def texts_digest(texts: Sequence[str]) -> str:
    """Of all that is said in a run."""
    return digest(list(texts))


def _require_all(out: Path, there: Sequence[str], known: dict[str, Any], found: Recordings) -> None:
    gone = [name for name in there if name not in known]
    if not gone:
        return
    shown = ", ".join(gone[:_NAMED]) + (", ..." if len(gone) > _NAMED else "")
    changes = found.differences("speech")
    more = "" if len(changes) <= _NAMED else f" and {len(changes) - _NAMED} more"
    told = f" These recordings are others now: {', '.join(changes[:_NAMED])}{more}."
    raise RunMismatchError(
        f"{len(gone)} of its {len(there)} clips are not in the corpus any more "
        f"({shown}).{told if changes else ''} A run may grow but not shrink: restore corpus.limit "
        "or the recordings, or choose another folder",
        path=out,
        value=len(gone),
        problem=Problem.CHANGED,
    )
