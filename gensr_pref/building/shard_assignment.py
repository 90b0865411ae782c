"""Assigns clips to shards, in such a way that a run can grow.

A clip stays in its first shard. Clips that are added later fill new shards.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path

from gensr_pref.building.recordings import Recordings, require_same_speech
from gensr_pref.corpus.clip_spec import ClipSpec
from gensr_pref.errors import Problem, RunMismatchError
from gensr_pref.identity import digest
from gensr_pref.rundir.shards import Shard, read_shards, write_shards

Layout = tuple[tuple[ClipSpec, ...], ...]
_NAMED = 3


def assign_shards(
    out: Path, clips: Sequence[ClipSpec], size: int, recordings: Recordings, shards: Sequence[Shard]
) -> Layout:
    """Return the clips of a run, shard by shard; new clips come last.

    Args:
        size: number of clips per new shard.
        recordings: the recordings of the clips.
        shards: existing shards of the run directory.

    Raises:
        RunMismatchError: a clip of the run directory is not in the corpus any more, or its
            recording has changed.
    """
    known = {spec.clip_id: spec for spec in clips}
    existing = [name for shard in shards for name in shard.clips]
    _require_all(out, existing, known, recordings)
    contents = [pair for shard in shards for pair in zip(shard.clips, shard.contents, strict=False)]
    changed = [known[name] for name, content in contents if known[name].content != content]
    require_same_speech(out, changed, recordings)
    assigned = set(existing)
    added = [spec for spec in clips if spec.clip_id not in assigned]
    old = [tuple(known[name] for name in shard.clips) for shard in shards]
    new = [tuple(added[start : start + size]) for start in range(0, len(added), size)]
    return (*old, *new)


def write_assignment(out: Path, layout: Layout) -> None:
    """Write the layout to ``shards.jsonl`` if it has changed."""
    now = [Shard(*shard_columns(specs)) for specs in layout]
    if now != read_shards(out):
        write_shards(out, now)


def shard_columns(
    specs: Sequence[ClipSpec],
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the ids, content digests and splits of a shard's clips."""
    columns = ("clip_id", "content", "split")
    ids, contents, splits = (tuple(getattr(spec, name) for spec in specs) for name in columns)
    return ids, contents, splits


def texts_of(clips: Sequence[ClipSpec], only: set[str] | None = None) -> tuple[str, ...]:
    """Return the texts of clips, each once, sorted.

    Args:
        only: ids of the clips; None = all clips.
    """
    texts = {spec.item.text for spec in clips if only is None or spec.clip_id in only}
    return tuple(sorted(text for text in texts if text))


def texts_digest(texts: Sequence[str]) -> str:
    """Return the digest of all texts of a run."""
    return digest(list(texts))


def _require_all(
    out: Path, existing: Sequence[str], known: Container[str], recordings: Recordings
) -> None:
    """Refuse a corpus that lacks clips of the run directory."""
    missing = [name for name in existing if name not in known]
    if not missing:
        return
    shown = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
    changes = recordings.differences("speech")
    more = "" if len(changes) <= _NAMED else f" and {len(changes) - _NAMED} more"
    changed = f" These recordings have changed: {', '.join(changes[:_NAMED])}{more}."
    raise RunMismatchError(
        f"{len(missing)} of its {len(existing)} clips are not in the corpus any more "
        f"({shown}).{changed if changes else ''} A run may grow but not shrink: restore "
        "corpus.limit or the recordings, or choose another folder",
        path=out,
        value=len(missing),
        problem=Problem.CHANGED,
    )
