"""A run directory: whose it is, who is working on it, what is done."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from gensr_pref.building import recordings
from gensr_pref.building.prepare import Blueprint
from gensr_pref.building.shard_assignment import Layout, assign_shards, texts_digest, texts_of
from gensr_pref.building.shard_assignment import write_assignment as record_layout
from gensr_pref.building.shard_recovery import recover_shards
from gensr_pref.corpus.clips import ClipSpec, assign_splits
from gensr_pref.errors import Problem, RunMismatchError
from gensr_pref.rundir import part_files, provenance
from gensr_pref.rundir.document import (
    Provenance,
    RunDocument,
    read_document,
    read_intact_document,
    write_document,
)
from gensr_pref.rundir.layout import Shard, clip_ids, splits_of
from gensr_pref.rundir.provenance import MADE, PartRecord, read_part_record
from gensr_pref.schema import SCHEMA_VERSION
from gensr_pref.storage import files

__all__ = ["locked", "open_run", "read_document", "require_settings", "write_document"]
_TABLES = get_args(part_files.Table)
_SHOWN = 12


@contextmanager
def open_run(out: Path, blueprint: Blueprint) -> Iterator[Layout]:
    """Hold a run directory for one build: claim it, let it grow, or refuse it.

    Yields:
        The clips of every shard.

    Raises:
        RunMismatchError: it belongs to another run (the difference is shown) or is in use.
        StorageError: it cannot be written.
    """
    with locked(out):
        there = _read_own_document(out, blueprint.document.provenance)
        placed_in = recover_shards(out, blueprint.clips)
        if there is not None:
            _require_growth(out, there, blueprint, placed_in)
        elif any(files.is_folder(out / table) for table in _TABLES):
            _require_own_parts(out, blueprint)
        part_files.remove_unfinished_parts(out, _TABLES)
        clips = _assign_splits(placed_in, there, blueprint)
        size = blueprint.run.engine.shard_clips
        layout = assign_shards(out, clips, size, blueprint.recordings, placed_in)
        record_layout(out, layout)  # first, so that new splits are never taken for known ones
        write_document(out, blueprint.document)
        recordings.write_recordings(out, blueprint.recordings)
        yield layout


def _read_own_document(out: Path, now: Provenance) -> RunDocument | None:
    """What ``run.yaml`` holds; None where it is lost, was edited, or is none of these parts' run.

    Args:
        now: the ``provenance`` of the run that all parts must be of in the last of these cases.
    """
    there = read_intact_document(out)
    if there is None or there.version != SCHEMA_VERSION:
        return there
    if provenance.is_contained(there.provenance, now):
        return there
    known = _known_parts(out)
    theirs = any(provenance.is_contained(one, there.provenance) for one in known)
    ours = bool(known) and all(provenance.is_contained(one, now) for one in known)
    return None if ours and not theirs else there


def _known_parts(out: Path) -> list[PartRecord]:
    paths = (path for table in MADE for path in part_files.parts(out, table))
    return [one for one in map(read_part_record, paths) if one.is_known]


def _assign_splits(
    placed_in: Sequence[Shard], there: RunDocument | None, blueprint: Blueprint
) -> Sequence[ClipSpec]:
    """The clips in their splits; those that are there keep theirs while the settings do."""
    corpus = blueprint.run.corpus
    asked = blueprint.document.corpus["validation"]
    if there is None or there.corpus.get("validation") != asked:
        return blueprint.clips
    known = splits_of(placed_in)
    return assign_splits(blueprint.clips, corpus.validation, blueprint.run.seed, known)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep any other process from working on the directory.

    Raises:
        RunMismatchError: one already does.
        StorageError: the directory cannot be written.
    """
    busy = RunMismatchError(
        "another process is working on it. Wait for it, or choose another folder",
        path=out,
        problem=Problem.BUSY,
    )
    with part_files.hold_lock(out / ".lock", busy):
        yield


def _require_version(out: Path, there: RunDocument) -> None:
    """Refuse to add to tables of an earlier version: their rows lack columns that new ones have."""
    if there.version != SCHEMA_VERSION:
        raise RunMismatchError(
            f"its tables are of version {there.version}, made by gensr_pref "
            f"{there.provenance.gensr_pref}; this one writes version {SCHEMA_VERSION}. They "
            "can still be read (audit, pair, export, train, status), but not continued. Build into "
            "another folder, or continue with the gensr_pref that made them",
            path=out,
            value=there.version,
            problem=Problem.UNSUPPORTED,
        )


def require_settings(out: Path, wanted: RunDocument) -> None:
    """Refuse a run whose settings alone tell that it is not the one that is there, or shrinks it.

    For this no recording need be looked at; `open_run` looks at all the rest.

    Args:
        wanted: what ``run.yaml`` is to hold, as far as it is known without the corpus.

    Raises:
        RunMismatchError: it is another run; the difference is shown.
    """
    there = _read_own_document(out, wanted.provenance)
    if there is None:
        return
    _require_version(out, there)
    limit, existing = wanted.corpus["limit"], sum(map(len, clip_ids(out)))
    shrinks = limit is not None and limit < existing
    if shrinks or not provenance.is_contained(there.provenance, wanted.provenance):
        _refuse(out, there, wanted)


def _require_growth(
    out: Path, there: RunDocument, blueprint: Blueprint, placed_in: Sequence[Shard]
) -> None:
    """Refuse a run that is not the one that is there, with candidates, metrics or clips added."""
    _require_version(out, there)
    old, new = there.provenance, blueprint.document.provenance
    recordings.require_same_library(out, old, blueprint.recordings)
    names = {name for shard in placed_in for name in shard.clips}
    said = texts_digest(texts_of(blueprint.clips, names or None))  # lost: that it has not grown
    if provenance.is_contained(old, new) and (old.texts is None or old.texts == said):
        return
    _refuse(out, there, blueprint.document)


def _require_own_parts(out: Path, blueprint: Blueprint) -> None:
    """Refuse parts that are not of a run, where no ``run.yaml`` tells whose they are."""
    now = blueprint.document.provenance
    known = _known_parts(out)
    if not known or not all(provenance.is_contained(one, now) for one in known):
        raise RunMismatchError(
            "holds tables of another run, or of one that is not known: its run.yaml is "
            "missing, damaged or was edited. Choose another folder",
            path=out,
            problem=Problem.CHANGED,
        )


def _refuse(out: Path, there: RunDocument, wanted: RunDocument) -> None:
    old, new = there.identity(), wanted.identity()
    what_follows = old.pop("provenance"), new.pop("provenance")
    changed = _differences(old, new) or _differences(*what_follows, "provenance")
    fields = [line.strip().partition(": ")[0] for line in changed]
    if len(changed) > _SHOWN:
        changed = [*changed[:_SHOWN], f"  ... and {len(changed) - _SHOWN} more"]
    raise RunMismatchError(
        "\n".join(["was made by another run. What differs:", *changed])
        + "\nA run may grow by candidates, generators, metrics and clips; nothing else of it may "
        "change. Choose another folder, or restore these settings to continue that run",
        path=out,
        value=fields,
        problem=Problem.CONFLICT,
    )


def _differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """A line for each field that is not the same, in the words of YAML."""
    before, now = _as_json(old, prefix), _as_json(new, prefix)
    told = {
        key: (before.get(key, "not set"), now.get(key, "not set"))
        for key in sorted(before.keys() | now.keys())
    }
    lines = [_line(key, a, b) for key, (a, b) in told.items() if a != b]
    return list(dict.fromkeys(lines))


def _line(key: str, there: str, now: str) -> str:
    """What differs, in plain words where the field holds a digest."""
    owner, _, rest = key.partition(".sources")
    if rest:
        return f"  {owner}: its code was edited"
    owner, _, option = key.partition(".files.")
    if option:
        return f"  {owner}: the file of its option {option} was replaced"
    return f"  {key}: {there} there, {now} now"


def _as_json(node: Any, prefix: str) -> dict[str, str]:
    """Fields by dotted key, as JSON, which is YAML too."""
    found = _flatten(node, prefix)
    return {key: json.dumps(value, ensure_ascii=False) for key, value in found.items()}


def _flatten(node: Any, prefix: str = "") -> dict[str, Any]:
    """Nested data as dotted keys."""
    if isinstance(node, dict) and node:
        children = [(str(key), value) for key, value in node.items()]
    elif isinstance(node, list) and node:
        children = [(str(place), value) for place, value in enumerate(node)]
    else:
        return {prefix: node}
    return {
        key: value
        for name, child in children
        for key, value in _flatten(child, f"{prefix}.{name}" if prefix else name).items()
    }
