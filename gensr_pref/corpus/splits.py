"""Splits: which clips are for training, and which are held out for validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gensr_pref.config.run_file import Validation
from gensr_pref.corpus.clip_spec import TRAIN, VALIDATION, ClipSpec
from gensr_pref.identity import unit_for


def assign_splits(
    clips: Sequence[ClipSpec],
    validation: Validation,
    seed: int,
    known: Mapping[str, str] | None = None,
) -> tuple[ClipSpec, ...]:
    """Assign every clip to training or validation.

    All clips of a unit (speaker, source or clip, by ``validation.by``) are in one split. A unit is
    held out if a random number derived from its name is below ``validation.share``. Of the two
    units whose clips come first in the order of ``corpus.limit``, the one with the smaller number
    is held out and the other is not, so that neither split is empty if there are two units and the
    share is neither 0 nor 1. Both rules depend on names only: the split of a clip does not change
    when ``corpus.limit`` grows.

    Args:
        clips: the clips, with any split.
        validation: the section of the run file.
        seed: seed of the run.
        known: split by clip id of existing clips, as in a run that is extended by recordings;
            their units keep it.
    """
    units = [_unit(spec, validation.by) for spec in clips]
    drawn = {unit: unit_for(seed, "split", unit) for unit in units}
    splits = {unit: _split_name(number < validation.share) for unit, number in drawn.items()}
    if 0 < validation.share < 1 and len(drawn) > 1:
        first = _first_two(clips, units, seed)
        splits |= {unit: _split_name(unit == min(first, key=drawn.__getitem__)) for unit in first}
    splits |= _known_units(clips, units, known or {})
    return tuple(replace(spec, split=splits[unit]) for spec, unit in zip(clips, units, strict=True))


def _unit(spec: ClipSpec, by: str) -> str:
    if by == "clip":
        return spec.clip_id
    item = spec.item
    return (item.speaker or item.source_id) if by == "speaker" else item.source_id


def _split_name(held_out: bool) -> str:
    return VALIDATION if held_out else TRAIN


def _first_two(clips: Sequence[ClipSpec], units: Sequence[str], seed: int) -> list[str]:
    """Return the two units whose clips come first in the order of ``corpus.limit``."""
    first: dict[str, float] = {}
    for spec, unit in zip(clips, units, strict=True):
        number = unit_for(seed, "limit", spec.clip_id)
        first[unit] = min(number, first.get(unit, number))
    return sorted(first, key=first.__getitem__)[:2]


def _known_units(
    clips: Sequence[ClipSpec], units: Sequence[str], known: Mapping[str, str]
) -> dict[str, str]:
    """Return the split of every unit that has a clip with a known split."""
    pairs = zip(clips, units, strict=True)
    return {unit: known[spec.clip_id] for spec, unit in pairs if spec.clip_id in known}
