"""Features and targets of pairs in flat files, mapped into memory.

The features of a clip are computed once for all pairs, epochs and trainings. In memory is only what
the operating system caches of the files (about 100 KB per clip of 4 s).
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from gensr_pref import process
from gensr_pref.aligning.pairs import PairedClip, PairTable, Side
from gensr_pref.errors import InputError, Problem, StorageError
from gensr_pref.identity import CLEAN, digest, file_digest
from gensr_pref.storage import files
from gensr_pref.storage.lease import wait_for_lock
from gensr_pref.untrusted import documents

Array = npt.NDArray[Any]
Hear = Callable[[PairedClip], Array]  # [F, C]
Target = Callable[[PairedClip, Side], Array]  # [T, D]
NO_TARGET = -1
_FILES = ("x.bin", "targets.bin", "index.npz")


@dataclass(frozen=True)
class PreparedPairs:
    """Pairs with the features and targets that they refer to.

    Attributes:
        ids: [pairs] ids of the pairs.
        clips: [clips] ids of the clips.
        split: [pairs] split of the pair's clip.
        clip: [pairs] index of the clip.
        chosen, rejected: [pairs] index of the target.
        clean: [clips] index of the clean target; `NO_TARGET` if there is none.
        revisions: by generator, revisions of the weights that sampled its sides.
        x_at, target_at: [clips, 2], [targets, 2] first row and number of rows.
        x: [rows, C] float16 features of all clips, one after the other.
        targets: [rows, D] all targets: int32 tokens or float16 latents, time first.
    """

    ids: list[str]
    clips: list[str]
    revisions: dict[str, list[str]]
    split: Array
    clip: Array
    chosen: Array
    rejected: Array
    clean: Array
    x_at: Array
    target_at: Array
    x: Array
    targets: Array

    def indices_in(self, split: str) -> Array:
        """Return the indices of the pairs of a split."""
        return np.flatnonzero(self.split == split)

    def features(self, clip: int) -> Array:
        """Return the features [F, C] of a clip."""
        start, rows = self.x_at[clip]
        return self.x[start : start + rows]

    def target(self, number: int) -> Array:
        """Return a target [T, D] by its index."""
        start, rows = self.target_at[number]
        return self.targets[start : start + rows]


def prepare_pairs(
    folder: Path, source: PairTable, hear: Hear, target: Target, clean: bool
) -> PreparedPairs:
    """Return the pairs in a folder; if it does not exist, make them from a source first.

    Args:
        folder: folder of the files.
        source: where the pairs come from.
        hear: computes the features [F, C] of a clip.
        target: computes tokens or latent [T, D] of a side.
        clean: whether the clean targets are prepared too.

    Raises:
        InputError: the source has no pair, or `clean` is set and a clip has no clean target.
        StorageError: the folder cannot be read back.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    notice = f"{folder}: waiting for another training that is preparing it"
    with wait_for_lock(folder.with_name(folder.name + ".lock"), notice):
        if folder.exists():
            pairs = _read(folder)
            if pairs is not None:
                return pairs
            print(f"{folder}: is damaged and will be made again", file=sys.stderr)
            shutil.rmtree(folder)
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        _write(part, source, hear, target, clean)
        part.rename(folder)
        pairs = _read(folder)
    if pairs is None:
        raise StorageError(
            "does not contain what was just written. Is its disk faulty?",
            path=folder,
            problem=Problem.DAMAGED,
        )
    return pairs


@dataclass
class _Index:
    """The index of the features and targets that have been written."""

    ids: list[str] = field(default_factory=list)
    clips: list[str] = field(default_factory=list)
    revisions: dict[str, set[str]] = field(default_factory=dict)
    split: list[str] = field(default_factory=list)
    clip: list[int] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    clean: list[int] = field(default_factory=list)
    x_at: list[tuple[int, int]] = field(default_factory=list)
    target_at: list[tuple[int, int]] = field(default_factory=list)


def _write(folder: Path, source: PairTable, hear: Hear, target: Target, clean: bool) -> None:
    index, forms = _Index(), {}
    with (folder / "x.bin").open("wb") as x, (folder / "targets.bin").open("wb") as targets:
        for clip in tqdm(source.clips(), desc="features", unit="clip", leave=False):
            process.raise_if_interrupted()
            if clean and clip.clean is None:
                raise InputError(
                    f"clip {clip.clip_id} has no clean target",
                    field="anchor.side",
                    value=clip.clip_id,
                    problem=Problem.MISSING,
                )
            index.clips.append(clip.clip_id)
            forms["x"] = _append(x, index.x_at, hear(clip).astype(np.float16))
            numbers: dict[str, int] = {}
            for side in _sides(clip, clean):
                numbers[side.name] = len(index.target_at)
                index.revisions.setdefault(side.generator, set()).add(side.revision)
                forms["targets"] = _append(targets, index.target_at, target(clip, side))
            for pair in clip.pairs:
                index.ids.append(pair.pair_id)
                index.split.append(clip.split)
                index.clip.append(len(index.x_at) - 1)
                index.chosen.append(numbers[pair.chosen.name])
                index.rejected.append(numbers[pair.rejected.name])
            index.clean.append(numbers.get(CLEAN, NO_TARGET))
    if not index.ids:
        raise InputError(
            "has no pairs of the required generators (pairs.generators; "
            "if absent, the generator itself)",
            field="pairs.source",
            problem=Problem.EMPTY,
        )
    revisions = {name: sorted(labels) for name, labels in index.revisions.items()}
    names = {"ids": index.ids, "clips": index.clips, "revisions": revisions}
    arrays = {key: np.array(value) for key, value in vars(index).items() if key not in names}
    np.savez(folder / "index.npz", allow_pickle=False, **arrays)
    facts = {**names, **forms, "files": {name: file_digest(folder / name) for name in _FILES}}
    files.write_text(folder / "forms.json", json.dumps({**facts, "digest": digest(facts)}))


def _sides(clip: PairedClip, clean: bool) -> list[Side]:
    """Return the distinct sides of a clip's pairs, and the clean target if `clean` is set."""
    sides = {side.name: side for pair in clip.pairs for side in (pair.chosen, pair.rejected)}
    if clean:
        sides[CLEAN] = Side(CLEAN, CLEAN, "", None, None, None)
    return list(sides.values())


def _append(file: BinaryIO, index: list[tuple[int, int]], rows: Array) -> tuple[str, int]:
    """Append rows [R, D] to a file and its index; return their type and D."""
    start = sum(index[-1]) if index else 0
    index.append((start, len(rows)))
    file.write(np.ascontiguousarray(rows).tobytes())
    return rows.dtype.str, rows.shape[1]


def _read(folder: Path) -> PreparedPairs | None:
    """Return the pairs in a folder; None if its digests show that it is damaged."""
    try:
        facts = documents.parse_json((folder / "forms.json").read_text(encoding="utf-8"))
        if facts.pop("digest") != digest(facts):
            return None
        if any(file_digest(folder / name) != content for name, content in facts["files"].items()):
            return None
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    with np.load(folder / "index.npz") as archive:
        arrays: dict[str, Any] = dict(archive)
    maps: dict[str, Any] = {
        name: np.memmap(folder / f"{name}.bin", facts[name][0], "r").reshape(-1, facts[name][1])
        for name in ("x", "targets")
    }
    names: dict[str, Any] = {name: facts[name] for name in ("ids", "clips", "revisions")}
    return PreparedPairs(**names, **arrays, **maps)
