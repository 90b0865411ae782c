"""Pairs as training reads them: clip by clip, with both sides' tokens or latents.

Pairs from a run directory, an export or the Hub have the same columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gensr_pref import audio
from gensr_pref.audio import Sound
from gensr_pref.errors import InputError, Problem
from gensr_pref.identity import CLEAN
from gensr_pref.rundir.document import RunDocument
from gensr_pref.schema import PAIR_ROLES

# Columns of a pair that training reads besides its audio, in `rundir.rows.pairs` and in an export.
PAIR_COLUMNS = ["pair_id", "clip_id", "prompt"]
PAIR_COLUMNS += [
    f"{side}_{name}"
    for side in PAIR_ROLES
    for name in ("id", "generator", "revision", "tokens", "latent")
]


@dataclass(frozen=True)
class Side:
    """The chosen or the rejected version of a clip.

    Attributes:
        name: candidate id; sides with the same name are one candidate.
        generator: label of its generator; `identity.CLEAN` for the clean target.
        revision: revision of the weights that sampled it.
        tokens: [codebooks, T] int32, or None.
        latent: [T, channels] float16, or None.
        audio: value of its Audio column.
    """

    name: str
    generator: str
    revision: str
    tokens: npt.NDArray[np.int32] | None
    latent: npt.NDArray[np.float16] | None
    audio: dict[str, Any] | None

    def sound(self) -> Sound:
        """Return the audio of this side.

        Raises:
            InputError: the audio is not in the table.
        """
        sound = audio.from_column(self.audio)
        if sound is None:
            raise InputError(
                "its audio is not in the table", path=self.name, problem=Problem.MISSING
            )
        return sound


@dataclass(frozen=True)
class TrainingPair:
    """Two sides of a clip."""

    pair_id: str
    chosen: Side
    rejected: Side


@dataclass(frozen=True)
class PairedClip:
    """A clip and its pairs.

    Attributes:
        noisy: the noisy clip that both sides restore.
        clean: the clean target, if there is one.
    """

    clip_id: str
    split: str
    noisy: Sound
    clean: Sound | None
    pairs: tuple[TrainingPair, ...]


class PairTable(Protocol):
    """A source of pairs; see `run_pairs` and `exported_pairs`."""

    @property
    def content(self) -> dict[str, str]:
        """Current digests of the pairs and of the tables that they refer to, by name."""
        ...

    @property
    def uses(self) -> dict[str, str]:
        """The model (`use` of a run file) behind each label, if known."""
        ...

    def clips(self) -> Iterator[PairedClip]:
        """Yield every clip that has pairs."""
        ...


@dataclass(frozen=True)
class UnchangedPairs:
    """Pairs that are refused if they change while they are read.

    Attributes:
        source: where the pairs come from.
        content: digests of the source before it was read.
    """

    source: PairTable
    content: dict[str, str]

    @property
    def uses(self) -> dict[str, str]:
        """The model behind each label of the source."""
        return self.source.uses

    def clips(self) -> Iterator[PairedClip]:
        """Yield every clip of the source.

        Raises:
            InputError: the source has changed; raised after the last clip.
        """
        yield from self.source.clips()
        if self.source.content != self.content:
            raise InputError(
                "was changed while it was read. Run the same command again when nothing writes to "
                "it",
                field="pairs.source",
                problem=Problem.CHANGED,
            )


def group_by_clip(rows: Iterable[dict[str, Any]], allowed: set[str]) -> Iterator[PairedClip]:
    """Yield the clips of rows of pairs, each with the pairs whose sides are both allowed.

    Args:
        rows: rows of pairs with the column names of `rundir.rows.pairs`; the rows of a clip are
            adjacent. ``clean`` and all columns of a side except its generator may be absent.
        allowed: labels of generators.

    Raises:
        InputError: a clip has no noisy sound.
    """
    sides = {f"{side}_generator" for side in PAIR_ROLES}
    selected = (row for row in rows if {row[name] for name in sides} <= allowed)
    for name, group in groupby(selected, key=lambda row: row["clip_id"]):
        rows_of_clip = list(group)
        noisy = audio.from_column(rows_of_clip[0]["prompt"])
        if noisy is None:
            raise InputError(
                f"{name} has no prompt", field="pairs", value=name, problem=Problem.MISSING
            )
        pairs = tuple(
            TrainingPair(row["pair_id"], *(_side(row, role) for role in PAIR_ROLES))
            for row in rows_of_clip
        )
        yield PairedClip(name, rows_of_clip[0]["split"], noisy, _clean(rows_of_clip[0]), pairs)


def _side(row: dict[str, Any], role: str) -> Side:
    tokens, latent = row.get(f"{role}_tokens"), row.get(f"{role}_latent")
    return Side(
        row.get(f"{role}_id") or f"{row['pair_id']}/{role}",
        row[f"{role}_generator"],
        row.get(f"{role}_revision") or "",
        None if tokens is None else np.array(tokens, np.int32),
        None if latent is None else np.frombuffer(latent["data"], "<f2").reshape(latent["shape"]),
        row.get(role),
    )


def _clean(row: dict[str, Any]) -> Sound | None:
    """Return the clean clip: the column ``clean``, or the chosen side of a golden pair."""
    value = row.get("clean")
    if value is None and row["chosen_generator"] == CLEAN:
        value = row.get("chosen")
    return audio.from_column(value)


def generator_uses(document: RunDocument) -> dict[str, str]:
    """Return the model (`use` of the run file) behind each generator's label."""
    labels = [generator.name for generator in document.provenance.generators]
    uses = [str(entry.get("use")) for entry in document.generators]
    return dict(zip(labels, uses, strict=False))
