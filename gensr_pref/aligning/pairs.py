"""Pairs as training reads them: clip by clip, with both sides' tokens or latents.

Where they come from differs (a run directory, an export, the Hub); the columns of their rows, and
what training sees, do not.
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

# What training reads of a pair besides its sounds: names of `rundir.rows.pairs` and of an export.
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
        tokens: [codebooks, T] int32, if it has any.
        latent: [T, channels] float16, if it has any.
        audio: value of its Audio column.
    """

    name: str
    generator: str
    revision: str
    tokens: npt.NDArray[np.int32] | None
    latent: npt.NDArray[np.float16] | None
    audio: dict[str, Any] | None

    def sound(self) -> Sound:
        """Return its audio."""
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
        noisy: the noisy sound that both sides restore.
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
        """Return digests of the pairs and of the tables that they refer to, by name, as of now."""
        ...

    @property
    def uses(self) -> dict[str, str]:
        """Return the model (`use` of a run file) behind each label, as far as it is known."""
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
        """Return the model behind each label of the source."""
        return self.source.uses

    def clips(self) -> Iterator[PairedClip]:
        """Yield every clip of the source.

        Raises:
            InputError: after the last clip, if the source has changed.
        """
        yield from self.source.clips()
        if self.source.content != self.content:
            raise InputError(
                "was changed while it was read. Run the same command again once nothing writes it "
                "any more",
                field="pairs.source",
                problem=Problem.CHANGED,
            )


def group_by_clip(rows: Iterable[dict[str, Any]], allowed: set[str]) -> Iterator[PairedClip]:
    """Yield the clips of rows of pairs, each with those pairs of which both sides are allowed.

    Args:
        rows: with the names of `rundir.rows.pairs`, which an export has too; those of a clip stand
            together. ``clean`` and all of a side but its generator may be absent.
        allowed: labels of generators.

    Raises:
        InputError: a clip has no noisy sound.
    """
    sides = {f"{side}_generator" for side in PAIR_ROLES}
    wanted = (row for row in rows if {row[name] for name in sides} <= allowed)
    for name, group in groupby(wanted, key=lambda row: row["clip_id"]):
        together = list(group)
        noisy = audio.from_column(together[0]["prompt"])
        if noisy is None:
            raise InputError(
                f"{name} has no prompt", field="pairs", value=name, problem=Problem.MISSING
            )
        pairs = tuple(
            TrainingPair(row["pair_id"], *(_side(row, which) for which in PAIR_ROLES))
            for row in together
        )
        yield PairedClip(name, together[0]["split"], noisy, _clean(together[0]), pairs)


def _side(row: dict[str, Any], which: str) -> Side:
    tokens, latent = row.get(f"{which}_tokens"), row.get(f"{which}_latent")
    return Side(
        row.get(f"{which}_id") or f"{row['pair_id']}/{which}",
        row[f"{which}_generator"],
        row.get(f"{which}_revision") or "",
        None if tokens is None else np.array(tokens, np.int32),
        None if latent is None else np.frombuffer(latent["data"], "<f2").reshape(latent["shape"]),
        row.get(which),
    )


def _clean(row: dict[str, Any]) -> Sound | None:
    """The clean clip: of its own column, or the chosen side of a golden pair."""
    value = row.get("clean")
    if value is None and row["chosen_generator"] == CLEAN:
        value = row.get("chosen")
    return audio.from_column(value)


def generator_uses(document: RunDocument) -> dict[str, str]:
    """Return the model behind each label."""
    labels = [one.name for one in document.provenance.generators]
    uses = [str(one.get("use")) for one in document.generators]
    return dict(zip(labels, uses, strict=False))
