"""Pairs as training reads them: clip by clip, with both sides' tokens or latents.

Where they come from differs (`RunPairs` and its like in the recipe); what comes out does not. One
pass, one shard in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref import audio
from gensr_pref.audio import Sound
from gensr_pref.errors import InputError, Problem
from gensr_pref.identity import CLEAN, digest, is_clean, split_candidate_id
from gensr_pref.rundir import integrity, part_files
from gensr_pref.rundir.document import RunDocument


@dataclass(frozen=True)
class Side:
    """The chosen or the rejected version of a clip.

    Attributes:
        name: its candidate id; sides of one name are one candidate.
        generator: its label; `identity.CLEAN` for the clean target.
        revision: of the weights that sampled it.
        tokens: [codebooks, T] int32, where it has any.
        latent: [T, channels] float16, where it has any.
        audio: its Audio column's value.
    """

    name: str
    generator: str
    revision: str
    tokens: npt.NDArray[np.int32] | None
    latent: npt.NDArray[np.float16] | None
    audio: dict[str, Any] | None

    def sound(self) -> Sound:
        """Its audio."""
        found = audio.from_column(self.audio)
        if found is None:
            raise InputError(
                "its audio is not in the table",
                path=self.name,
                problem=Problem.MISSING,
            )
        return found


@dataclass(frozen=True)
class Pair:
    """Two sides of a clip."""

    pair_id: str
    chosen: Side
    rejected: Side


@dataclass(frozen=True)
class PairedClip:
    """A clip and its pairs.

    Attributes:
        noisy: what both sides restore.
        clean: the target, where there is one.
    """

    clip_id: str
    split: str
    noisy: Sound
    clean: Sound | None
    pairs: tuple[Pair, ...]


class Run:
    """The pairs of a run directory.

    Args:
        path: the run directory.
        generators: labels that both sides must be among; the clean target always may be one.
        with_audio: whether sides need their audio.

    Raises:
        InputError: no run directory, or one without pairs of these generators.
        PartsError: its parts do not belong together, or some are missing or damaged.
    """

    def __init__(self, path: Path, generators: list[str], with_audio: bool) -> None:
        if not part_files.parts(path, "pairs"):
            raise InputError(
                f"{path} has no pairs. Give a run directory whose build is "
                "done, or run: gensr-pref pair DIR",
                field="pairs.source.path",
                path=path,
                problem=Problem.EMPTY,
            )
        self._path, self._with_audio = path, with_audio
        self._contents = integrity.check(path)
        self._allowed = {*generators, CLEAN}
        table = part_files.read_all(
            path, "pairs", ["pair_id", "clip_id", "chosen_id", "rejected_id"]
        )
        self._pairs = table.filter(self._wanted(table))
        if not len(self._pairs):
            raise _none_of(generators, path, _count(table))

    @property
    def content(self) -> dict[str, str]:
        """Digests of the pairs and of the tables that they come from, as they are now."""
        now = integrity.check(self._path)
        found: dict[str, str] = {table: now.digest(table) for table in _TABLES}
        return {"pairs": digest(self._pairs.to_pydict()), **found}

    @property
    def uses(self) -> dict[str, str]:
        """Which model each label of the run is."""
        return uses_in(self._contents.document)

    def clips(self) -> Iterator[PairedClip]:
        """Every clip that has pairs, in the order of the shards."""
        by_clip: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in self._pairs.to_pylist():
            by_clip[row["clip_id"]].append(row)
        for part in part_files.parts(self._path, "clips"):
            names = part_files.read(part, ["clip_id"]).column("clip_id").to_pylist()
            here = {name: by_clip[name] for name in names if name in by_clip}
            if here:
                yield from self._of_shard(part, here)

    def _of_shard(self, part: Path, here: dict[str, list[dict[str, str]]]) -> Iterator[PairedClip]:
        wanted = {row[key] for rows in here.values() for row in rows for key in _SIDES}
        sides = self._sides(self._path / "candidates" / part.name, wanted)
        for clip in part_files.read(part, ["clip_id", "split", "noisy", "clean"]).to_pylist():
            rows = here.get(clip["clip_id"], [])
            pairs = tuple(
                Pair(row["pair_id"], sides[row["chosen_id"]], sides[row["rejected_id"]])
                for row in rows
            )
            noisy = audio.from_column(clip["noisy"])
            if pairs and noisy is not None:
                clean = audio.from_column(clip["clean"])
                yield PairedClip(clip["clip_id"], clip["split"], noisy, clean, pairs)

    def _sides(self, part: Path, wanted: set[str]) -> dict[str, Side]:
        columns = ["candidate_id", "generator", "revision", "tokens", "latent"]
        table = part_files.read(part, [*columns, *(["audio"] if self._with_audio else [])])
        kept = table.filter(pc.is_in(table.column("candidate_id"), pa.array(sorted(wanted))))
        found = {row["candidate_id"]: _side(row) for row in kept.to_pylist()}
        for name in filter(is_clean, wanted):
            found[name] = Side(name, CLEAN, "", None, None, None)
        return found

    def _wanted(self, table: pa.Table) -> pa.Array:
        chosen, rejected = (_generators(table.column(key)) for key in _SIDES)
        allowed = pa.array(sorted(self._allowed))
        return pc.and_(pc.is_in(chosen, allowed), pc.is_in(rejected, allowed))


_SIDES = ("chosen_id", "rejected_id")
_TABLES: tuple[part_files.Table, ...] = ("clips", "candidates")  # that pairs come from


class PairTable(Protocol):
    """Where pairs come from: `Run`, or those of `exported`."""

    @property
    def content(self) -> dict[str, str]:
        """Digests of the pairs and of all that they come from, by name, as they are now."""
        ...

    @property
    def uses(self) -> dict[str, str]:
        """Which model (`use` of a run file) each label is, as far as that is known."""
        ...

    def clips(self) -> Iterator[PairedClip]:
        """Every clip that has pairs, in an order of its own."""
        ...


@dataclass(frozen=True)
class Unchanging:
    """Pairs that are refused where they became others while they were read.

    Attributes:
        source: where they come from.
        content: what it was found to be before.
    """

    source: PairTable
    content: dict[str, str]

    @property
    def uses(self) -> dict[str, str]:
        """Those of the source."""
        return self.source.uses

    def clips(self) -> Iterator[PairedClip]:
        """Every clip of the source.

        Raises:
            InputError: after the last, where the source is not what it was.
        """
        yield from self.source.clips()
        if self.source.content != self.content:
            raise InputError(
                "was changed while it was read. Run the same command again once "
                "nothing writes it any more",
                field="pairs.source",
                problem=Problem.CHANGED,
            )


def _side(row: dict[str, Any]) -> Side:
    tokens, latent = unpacked(row["tokens"], row["latent"])
    name, generator, revision = row["candidate_id"], row["generator"], row["revision"]
    return Side(name, generator, revision, tokens, latent, row.get("audio"))


def unpacked(
    tokens: list[list[int]] | None, latent: dict[str, Any] | None
) -> tuple[npt.NDArray[np.int32] | None, npt.NDArray[np.float16] | None]:
    """Values of a `tokens` and a `latent` column as arrays, [codebooks, T] and [T, channels]."""
    return (
        None if tokens is None else np.array(tokens, np.int32),
        None if latent is None else np.frombuffer(latent["data"], "<f2").reshape(latent["shape"]),
    )


def uses_in(document: RunDocument) -> dict[str, str]:
    """Return which model each label is."""
    labels = [one.name for one in document.provenance.generators]
    uses = [str(one.get("use")) for one in document.generators]
    return dict(zip(labels, uses, strict=False))


def labelled(row: dict[str, Any], allowed: set[str]) -> bool:
    """Whether both sides of a row of an export are of generators with these labels."""
    return row["chosen_generator"] in allowed and row["rejected_generator"] in allowed


def _generators(ids: pa.ChunkedArray) -> pa.Array:
    """The generators' labels in candidate ids ``clip_id/generator/index``."""
    return pa.array([split_candidate_id(name)[1] for name in ids.to_pylist()], pa.string())


def _count(table: pa.Table) -> dict[str, int]:
    """How many pairs there are of each generator, or of two."""
    chosen, rejected = (_generators(table.column(key)).to_pylist() for key in _SIDES)
    found: dict[str, int] = defaultdict(int)
    for one, other in zip(chosen, rejected, strict=True):
        found[one if one == other else f"{one} over {other}"] += 1
    return dict(sorted(found.items()))


def _none_of(generators: list[str], path: Path, found: dict[str, int]) -> InputError:
    there = ", ".join(f"{count} of {name}" for name, count in found.items()) or "none"
    return InputError(
        f"{path} has no pairs of {', '.join(sorted(generators))} (there: {there}). "
        "Name their generators in pairs.generators, or make pairs of this one",
        field="pairs.source",
        path=path,
        value=sorted(generators),
        problem=Problem.EMPTY,
    )
