"""Opens a run directory for a build: locks it, and refuses the directory of another run."""

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
from gensr_pref.corpus.clip_spec import ClipSpec
from gensr_pref.corpus.splits import assign_splits
from gensr_pref.errors import Problem, RunMismatchError
from gensr_pref.rundir import part_files, provenance
from gensr_pref.rundir.document import (
    Provenance,
    RunDocument,
    read_document,
    read_intact_document,
    write_document,
)
from gensr_pref.rundir.provenance import MADE, PartRecord, read_part_record
from gensr_pref.rundir.shards import Shard, read_clip_ids, splits_by_clip
from gensr_pref.schema import SCHEMA_VERSION
from gensr_pref.storage import files

__all__ = ["lock_run", "open_run", "read_document", "require_settings", "write_document"]
_TABLES = get_args(part_files.Table)
_SHOWN = 12


@contextmanager
def open_run(out: Path, blueprint: Blueprint) -> Iterator[Layout]:
    """Lock a run directory for one build, and require that it is new or that this run extends it.

    Yields:
        The clips of every shard.

    Raises:
        RunMismatchError: it belongs to another run (the difference is shown) or is in use.
        StorageError: it cannot be written.
    """
    with lock_run(out):
        existing = _read_own_document(out, blueprint.document.provenance)
        shards = recover_shards(out, blueprint.clips)
        if existing is not None:
            _require_growth(out, existing, blueprint, shards)
        elif any(files.is_folder(out / table) for table in _TABLES):
            _require_own_parts(out, blueprint)
        part_files.remove_unfinished_parts(out, _TABLES)
        clips = _assign_splits(shards, existing, blueprint)
        size = blueprint.run.engine.shard_clips
        layout = assign_shards(out, clips, size, blueprint.recordings, shards)
        record_layout(out, layout)  # first, so that new splits are never taken for known ones
        write_document(out, blueprint.document)
        recordings.write_recordings(out, blueprint.recordings)
        yield layout


def _read_own_document(out: Path, now: Provenance) -> RunDocument | None:
    """Return the content of ``run.yaml``; None if it is lost, edited or describes another run.

    It describes another run if no part belongs to it and all parts belong to the wanted run.

    Args:
        now: ``provenance`` of the wanted run.
    """
    document = read_intact_document(out)
    if document is None or document.version != SCHEMA_VERSION:
        return document
    if provenance.is_contained(document.provenance, now):
        return document
    parts = _known_parts(out)
    any_of_document = any(provenance.is_contained(part, document.provenance) for part in parts)
    all_of_now = bool(parts) and all(provenance.is_contained(part, now) for part in parts)
    return None if all_of_now and not any_of_document else document


def _known_parts(out: Path) -> list[PartRecord]:
    paths = (path for table in MADE for path in part_files.parts(out, table))
    return [record for record in map(read_part_record, paths) if record.is_known]


def _assign_splits(
    shards: Sequence[Shard], existing: RunDocument | None, blueprint: Blueprint
) -> Sequence[ClipSpec]:
    """Return the clips with their splits; existing clips keep theirs under unchanged settings."""
    corpus = blueprint.run.corpus
    settings = blueprint.document.corpus["validation"]
    if existing is None or existing.corpus.get("validation") != settings:
        return blueprint.clips
    known = splits_by_clip(shards)
    return assign_splits(blueprint.clips, corpus.validation, blueprint.run.seed, known)


@contextmanager
def lock_run(out: Path) -> Iterator[None]:
    """Keep any other process from working on a run directory.

    Raises:
        RunMismatchError: another process is working on it.
        StorageError: the directory cannot be written.
    """
    busy = RunMismatchError(
        "another process is working on it. Wait for it, or choose another folder",
        path=out,
        problem=Problem.BUSY,
    )
    with part_files.hold_lock(out / ".lock", busy):
        yield


def _require_version(out: Path, existing: RunDocument) -> None:
    """Refuse to extend tables of an earlier version, whose rows lack columns of this version."""
    if existing.version != SCHEMA_VERSION:
        raise RunMismatchError(
            f"its tables are of version {existing.version}, made by gensr_pref "
            f"{existing.provenance.gensr_pref}; this one writes version {SCHEMA_VERSION}. They "
            "can still be read (audit, pair, export, train, status), but not continued. Build into "
            "another folder, or continue with the gensr_pref that made them",
            path=out,
            value=existing.version,
            problem=Problem.UNSUPPORTED,
        )


def require_settings(out: Path, wanted: RunDocument) -> None:
    """Refuse settings that differ from those of the existing run, or that shrink it.

    This reads no recording; `open_run` checks everything else.

    Args:
        wanted: content of the new ``run.yaml``, as far as it is known without the corpus.

    Raises:
        RunMismatchError: it is another run; the difference is shown.
    """
    existing = _read_own_document(out, wanted.provenance)
    if existing is None:
        return
    _require_version(out, existing)
    limit, clips = wanted.corpus["limit"], sum(map(len, read_clip_ids(out)))
    shrinks = limit is not None and limit < clips
    if shrinks or not provenance.is_contained(existing.provenance, wanted.provenance):
        _refuse(out, existing, wanted)


def _require_growth(
    out: Path, existing: RunDocument, blueprint: Blueprint, shards: Sequence[Shard]
) -> None:
    """Refuse a run other than the existing one, which may gain candidates, metrics and clips."""
    _require_version(out, existing)
    old, new = existing.provenance, blueprint.document.provenance
    recordings.require_same_library(out, old, blueprint.recordings)
    names = {name for shard in shards for name in shard.clips}
    # If the shards are unknown, all texts are compared, as if no clip had been added.
    texts = texts_digest(texts_of(blueprint.clips, names or None))
    if provenance.is_contained(old, new) and (old.texts is None or old.texts == texts):
        return
    _refuse(out, existing, blueprint.document)


def _require_own_parts(out: Path, blueprint: Blueprint) -> None:
    """Refuse parts that do not belong to a run, if no ``run.yaml`` says which run made them."""
    now = blueprint.document.provenance
    parts = _known_parts(out)
    if not parts or not all(provenance.is_contained(part, now) for part in parts):
        raise RunMismatchError(
            "holds tables of another or an unknown run: its run.yaml is "
            "missing, damaged or was edited. Choose another folder",
            path=out,
            problem=Problem.CHANGED,
        )


def _refuse(out: Path, existing: RunDocument, wanted: RunDocument) -> None:
    old, new = existing.identity(), wanted.identity()
    provenances = old.pop("provenance"), new.pop("provenance")
    changed = _differences(old, new) or _differences(*provenances, "provenance")
    fields = [line.strip().partition(": ")[0] for line in changed]
    if len(changed) > _SHOWN:
        changed = [*changed[:_SHOWN], f"  ... and {len(changed) - _SHOWN} more"]
    raise RunMismatchError(
        "\n".join(["holds another run. What differs:", *changed])
        + "\nA run may gain candidates, generators, metrics and clips; nothing else that "
        "affects these may change. Choose another folder, or restore these settings to continue "
        "that run",
        path=out,
        value=fields,
        problem=Problem.CONFLICT,
    )


def _differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """Return a line for each field that differs, with its values as YAML."""
    before, now = _as_json(old, prefix), _as_json(new, prefix)
    values = {
        key: (before.get(key, "not set"), now.get(key, "not set"))
        for key in sorted(before.keys() | now.keys())
    }
    lines = [_line(key, a, b) for key, (a, b) in values.items() if a != b]
    return list(dict.fromkeys(lines))


def _line(key: str, old: str, new: str) -> str:
    """Describe a difference, in plain words if the field holds a digest."""
    owner, _, rest = key.partition(".sources")
    if rest:
        return f"  {owner}: its code was edited"
    owner, _, option = key.partition(".files.")
    if option:
        return f"  {owner}: the file of its option {option} was replaced"
    return f"  {key}: {old} in the run directory, {new} now"


def _as_json(node: Any, prefix: str) -> dict[str, str]:
    """Return the fields of nested data by dotted key, as JSON, which is also YAML."""
    if isinstance(node, dict) and node:
        children = [(str(key), value) for key, value in node.items()]
    elif isinstance(node, list) and node:
        children = [(str(index), value) for index, value in enumerate(node)]
    else:
        return {prefix: json.dumps(node, ensure_ascii=False)}
    return {
        key: value
        for name, child in children
        for key, value in _as_json(child, f"{prefix}.{name}" if prefix else name).items()
    }
