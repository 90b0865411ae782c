"""The plan of a run's clips, listed from headers alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gensr_pref.config.run_file import Corpus
from gensr_pref.corpus.base import STAGE, Item
from gensr_pref.corpus.clip_spec import TRAIN, ClipSpec
from gensr_pref.corpus.degradation_sources import Library
from gensr_pref.corpus.listing import LeftOut
from gensr_pref.corpus.segments import cut_segments, length_bounds
from gensr_pref.corpus.sources import (
    describe_failures,
    failure_reasons,
    list_recordings,
    open_source,
)
from gensr_pref.corpus.splits import assign_splits
from gensr_pref.errors import Problem, SourceError, Unusable
from gensr_pref.identity import clip_id, unit_for
from gensr_pref.schema import Failure


@dataclass(frozen=True)
class ClipPlan:
    """The clips of a run in the source's order, and the recordings that cannot be used.

    Attributes:
        clips: specifications of the clips.
        failures: recordings without clips.
        library: files of each noise and impulse response, as in `Library.files`.
        left_out: other content of the folders of recordings, noise and impulse responses.
    """

    clips: tuple[ClipSpec, ...]
    failures: tuple[Failure, ...]
    library: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()


def plan_clips(corpus: Corpus, seed: int, base: Path) -> ClipPlan:
    """Return the specifications of all clips; reads headers only.

    Args:
        corpus: the section of the run file.
        seed: seed of the run.
        base: folder of the run file, from which relative paths start.

    Raises:
        InputError: the source, the noise or the impulse responses cannot be read as described; no
            recording gives a clip; two rows give the same clip.
    """
    length_bounds(corpus.segment_seconds, corpus.sample_rate)
    library = (
        Library.from_settings(corpus.degrade, base) if corpus.degrade is not None else Library()
    )
    source = open_source(corpus.source, base)
    items, failures = list_recordings(source)
    items = _filter_languages(corpus.languages, items)
    clips: list[ClipSpec] = []
    for item in items:
        try:
            clips += _specs(corpus, seed, item)
        except Unusable as failed:
            failures.append(Failure(STAGE, item.source_id, failed.reason, failed.detail))
    if not clips:
        raise SourceError(
            f"no recording gives a clip: {describe_failures(failures)}",
            field="corpus.source",
            value=failure_reasons(failures),
            problem=Problem.EMPTY,
        )
    _refuse_duplicates(clips)
    left_out = (*source.left_out, *library.left_out)
    limited = assign_splits(_apply_limit(clips, corpus.limit, seed), corpus.validation, seed)
    return ClipPlan(limited, tuple(failures), library.files, left_out)


def _filter_languages(languages: list[str] | None, items: list[Item]) -> list[Item]:
    if languages is None:
        return items
    spoken = [item for item in items if item.language in languages]
    if not spoken:
        existing = ", ".join(sorted({item.language or "none" for item in items}))
        raise SourceError(
            f"no recording is in {', '.join(languages)}; the languages are {existing}. "
            "Is corpus.source.columns.language set?",
            field="corpus.languages",
            value=languages,
            problem=Problem.EMPTY,
        )
    return spoken


def _specs(corpus: Corpus, seed: int, item: Item) -> list[ClipSpec]:
    degradation = corpus.degrade.model_dump(mode="json") if corpus.degrade else None
    treatment = {"rate": corpus.sample_rate, "degrade": degradation}
    pieces = cut_segments(item.frames, item.rate, corpus.segment_seconds, corpus.sample_rate)
    specs = []
    for piece in pieces:
        name = clip_id(seed, item.source_id, piece.start, piece.frames, treatment)
        specs.append(ClipSpec(name, item, piece, TRAIN))
    return specs


def _refuse_duplicates(clips: Iterable[ClipSpec]) -> None:
    first: dict[str, Item] = {}
    for spec in clips:
        other = first.setdefault(spec.clip_id, spec.item)
        if other is not spec.item:
            raise SourceError(
                f"rows {other.row} and {spec.item.row} are the same recording, "
                f"{spec.item.source_id!r}, and would give the same clip. Remove one of them.",
                field="corpus.source",
                value=spec.item.source_id,
                problem=Problem.DUPLICATE,
            )


def _apply_limit(clips: list[ClipSpec], limit: int | None, seed: int) -> tuple[ClipSpec, ...]:
    """Return the first clips in a random order by id; the first 8 are among the first 24."""
    if limit is None:
        return tuple(clips)
    ranked = sorted(clips, key=lambda spec: unit_for(seed, "limit", spec.clip_id))
    chosen = {spec.clip_id for spec in ranked[:limit]}
    return tuple(spec for spec in clips if spec.clip_id in chosen)
