"""Pairs of a run directory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.aligning.pairs import PAIR_COLUMNS, PairedClip, generator_uses, group_by_clip
from gensr_pref.errors import InputError, Problem
from gensr_pref.identity import CLEAN, digest, split_candidate_id
from gensr_pref.pairing.no_pairs import require_pair_rule
from gensr_pref.rundir import integrity, part_files, rows
from gensr_pref.schema import PAIR_ROLES, column

_TABLES: tuple[part_files.Table, ...] = ("clips", "candidates")  # tables that pairs refer to


class PairsOfRun:
    """The pairs of a run directory.

    Args:
        path: the run directory.
        generators: allowed labels of both sides; the clean target is always allowed.
        with_audio: whether to read the audio of the sides.

    Raises:
        InputError: the folder is not a run directory, or has no pairs of these generators.
        PartsError: its parts do not belong together, or some are missing or damaged.
    """

    def __init__(self, path: Path, generators: list[str], with_audio: bool) -> None:
        if not part_files.parts(path, "pairs"):
            raise InputError(
                f"{path} {'has no pairs' if path.exists() else 'does not exist'}. "
                "Give a run directory whose build is complete, or run: gensr-pref pair DIR",
                field="pairs.source.path",
                path=path,
                problem=Problem.EMPTY,
            )
        self._path, self._with_audio = path, with_audio
        self._contents = integrity.check(path)
        rule = self._contents.document.pairing["rule"]
        require_pair_rule(path, rule, "train on", "pairs.source.path")
        self._allowed = {*generators, CLEAN}
        table = part_files.read_all(
            path, "pairs", ["pair_id", "clip_id", "chosen_id", "rejected_id"]
        )
        self._pairs = table.filter(self._is_allowed(table))
        if not len(self._pairs):
            raise _no_pairs(generators, path, _count(table))

    @property
    def content(self) -> dict[str, str]:
        """Current digests of the pairs and of the tables that they refer to."""
        contents = integrity.check(self._path)
        tables: dict[str, str] = {table: contents.digest(table) for table in _TABLES}
        return {"pairs": digest(self._pairs.to_pydict()), **tables}

    @property
    def uses(self) -> dict[str, str]:
        """The model behind each label of the run."""
        return generator_uses(self._contents.document)

    def clips(self) -> Iterator[PairedClip]:
        """Yield every clip that has pairs, in the order of the shards."""
        columns = [*PAIR_COLUMNS, "split", "clean", *(PAIR_ROLES if self._with_audio else ())]
        for table in rows.pairs(self._path, columns, table=self._pairs):
            yield from group_by_clip(table.to_pylist(), self._allowed)

    def _is_allowed(self, table: pa.Table) -> pa.Array:
        chosen, rejected = _generators(table)
        allowed = pa.array(sorted(self._allowed))
        return pc.and_(pc.is_in(chosen, allowed), pc.is_in(rejected, allowed))


def _generators(pairs: pa.Table) -> list[pa.Array]:
    """Return the generators' labels of both sides, from their candidate ids."""
    ids = (column(pairs, f"{side}_id") for side in PAIR_ROLES)
    return [pa.array([split_candidate_id(name)[1] for name in names], pa.string()) for names in ids]


def _count(pairs: pa.Table) -> dict[str, int]:
    """Return the number of pairs of each generator, and of each two generators."""
    labels = zip(*(side.to_pylist() for side in _generators(pairs)), strict=True)
    counts = Counter(
        chosen if chosen == rejected else f"{chosen} over {rejected}" for chosen, rejected in labels
    )
    return dict(sorted(counts.items()))


def _no_pairs(generators: list[str], path: Path, counts: dict[str, int]) -> InputError:
    existing = ", ".join(f"{count} of {name}" for name, count in counts.items()) or "none"
    return InputError(
        f"{path} has no pairs of {', '.join(sorted(generators))} (it has: {existing}). "
        "Name their generators in pairs.generators, or make pairs of this one",
        field="pairs.source",
        path=path,
        value=sorted(generators),
        problem=Problem.EMPTY,
    )
