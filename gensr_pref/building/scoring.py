"""Scores one clip: only missing scores, and in smaller calls if a larger one ended its process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gensr_pref import audio
from gensr_pref.building.reuse import NOTHING_SCORED, ExistingScores
from gensr_pref.building.tasks import Call, DivisibleTask, Row
from gensr_pref.building.time_limit import OutOfTime, time_limit, timeout_failure
from gensr_pref.config.run_file import MetricUse
from gensr_pref.errors import Unusable
from gensr_pref.identity import noisy_id
from gensr_pref.metrics.members import PanelMember
from gensr_pref.metrics.panel import Panel, Source
from gensr_pref.metrics.results import CandidateScores
from gensr_pref.schema import Failure

Results = dict[str, CandidateScores]


@dataclass(frozen=True)
class ScoringInput:
    """One clip and its candidates to score.

    Attributes:
        clip_id: name of the clip.
        sounds: audio by candidate id; decoded, or paths of files.
        clean, noisy: clean target and noisy input of the clip.
        text: the spoken text.
        language: a code of `language_code`.
    """

    clip_id: str
    sounds: Mapping[str, Source]
    clean: Source | None
    noisy: Source | None
    text: str | None
    language: str | None

    def only(self, names: Sequence[str]) -> ScoringInput:
        """Return the same clip with some of its candidates."""
        return replace(self, sounds={name: self.sounds[name] for name in names})


def decode_clip(clip: Row, candidates: Sequence[Row]) -> ScoringInput:
    """Return a clip of a run with its candidates and, as a baseline, its noisy input, decoded."""
    noisy = audio.from_column(clip["noisy"])
    assert noisy is not None
    sounds = {noisy_id(clip["clip_id"]): noisy}
    sounds |= {row["candidate_id"]: audio.read(row["audio"]["bytes"]) for row in candidates}
    clean = audio.from_column(clip["clean"])
    return ScoringInput(clip["clip_id"], sounds, clean, noisy, clip["text"], clip["language"])


class Scorer:
    """The metrics of a panel in this process, each loaded when it is first used."""

    def __init__(
        self,
        panel: Panel,
        texts: Sequence[str],
        base: Path,
        device: str,
        limit_seconds: float | None,
    ) -> None:
        self.panel = panel
        self._panels: dict[tuple[str, ...], Panel] = {_names(panel.members): panel}
        self._make: Callable[[list[MetricUse]], Panel] = lambda uses: Panel(uses, texts, base)
        self._device = device
        self._limit = limit_seconds

    def score(
        self, task: DivisibleTask, clip: ScoringInput, existing: ExistingScores = NOTHING_SCORED
    ) -> Iterator[Call | Results]:
        """Yield each call before it is made, and at last the scores of every candidate.

        The listener thus knows which call ended this process or takes too long. Calls in the task's
        `divided` are split into smaller ones; those in its `skipped` give null.
        """
        old = [name for name in clip.sounds if name in existing.of]
        new = [name for name in clip.sounds if name not in existing.of]
        added = [m for m in self.panel.members if m.metric.spec.name not in existing.metrics]
        parts = {name: [existing.of[name]] for name in old}
        for names, members in ((new, self.panel.members), (old, added)):
            if names and members:
                for answer in self._score_in_parts(task, clip.only(names), members):
                    if isinstance(answer, Call):
                        yield answer
                    else:
                        for name, scores in answer.items():
                            parts.setdefault(name, []).append(scores)
        yield {name: self._merge(parts[name]) for name in clip.sounds}

    def _score_in_parts(
        self, task: DivisibleTask, clip: ScoringInput, members: Sequence[PanelMember]
    ) -> Iterator[Call | Results]:
        """Run all metrics at once; if that call is divided or times out, one metric at a time."""
        whole = Call(clip.clip_id)
        if whole not in task.divided:
            self.load(members)  # before the call, so that loading does not use up its time limit
            yield whole
            try:
                yield self._score_with_limit(clip, members)
                return
            except OutOfTime:
                pass  # one metric was too slow; the others are run below
        for member in members:
            yield from self._score_per_candidate(task, clip, member)

    def _score_per_candidate(
        self, task: DivisibleTask, clip: ScoringInput, member: PanelMember
    ) -> Iterator[Call | Results]:
        call = Call(clip.clip_id, member.metric.spec.name)
        if call in task.divided and task.skip_reason(call) is None and len(clip.sounds) > 1:
            for name in clip.sounds:
                part = Call(call.clip_id, call.plugin, name)
                yield from self._score_or_skip(task, clip.only([name]), member, part)
        else:
            yield from self._score_or_skip(task, clip, member, call)

    def _score_or_skip(
        self, task: DivisibleTask, clip: ScoringInput, member: PanelMember, call: Call
    ) -> Iterator[Call | Results]:
        if why := task.skip_reason(call):
            yield _nulls(clip, member, why)
            return
        self.load([member])
        yield call
        try:
            yield self._score_with_limit(clip, [member])
        except OutOfTime:
            yield _nulls(clip, member, timeout_failure(self._limit))

    def _score_with_limit(self, clip: ScoringInput, members: Sequence[PanelMember]) -> Results:
        panel = self.load(members)
        sounds = list(clip.sounds.values())
        with time_limit(self._limit):
            scored = panel.score(sounds, clip.clean, clip.noisy, clip.text, clip.language)
        return dict(zip(clip.sounds, scored, strict=True))

    def load(self, members: Sequence[PanelMember]) -> Panel:
        """Return a panel of these metrics, all of them loaded."""
        names = _names(members)
        if names not in self._panels:
            self._panels[names] = self._make([member.use for member in members])
        self._panels[names].load(self._device)
        return self._panels[names]

    def _merge(self, parts: Sequence[CandidateScores]) -> CandidateScores:
        """Merge the scores of a candidate by several panels into those of the whole panel."""
        if len(parts) == 1:
            return parts[0]
        whole = CandidateScores()
        for score in [score.name for score in self.panel.scores]:
            [part] = [part for part in parts if score in part.values]
            whole.values[score] = part.values[score]
            if score in part.failures:
                whole.failures[score] = part.failures[score]
            if score in part.details:
                whole.details[score] = part.details[score]
        for part in parts:
            whole.notes.update(part.notes)
            whole.gains.update(part.gains)
        return whole


def failures_of(clip_id: str, results: Results) -> Iterator[Failure]:
    """Yield a failure for every score that is null."""
    for name, scores in results.items():
        for score, reason in scores.failures.items():
            detail = scores.details.get(score, "")
            yield Failure("scores", clip_id, reason, detail, candidate_id=name, score=score)


def _names(members: Sequence[PanelMember]) -> tuple[str, ...]:
    return tuple(member.metric.spec.name for member in members)


def _nulls(clip: ScoringInput, member: PanelMember, why: Unusable) -> Results:
    results = {name: CandidateScores() for name in clip.sounds}
    for scores in results.values():
        for score in member.scores:
            scores.fail(score.name, why)
    return results
