"""The panel: the metrics of a run, asked about all candidates of a clip.

It gives each metric what that metric can use (its rate, a clean sound of equal length, no silence)
and turns whatever comes back into numbers, or nulls with a reason. What it says of a candidate
does not depend on the other candidates or on their order.

    Panel(["dnsmos", "pesq"]).score(["a.wav", "b.wav"], clean="clean.wav")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from gensr_pref import audio, plugins
from gensr_pref.audio import Sound
from gensr_pref.config import MetricUse
from gensr_pref.errors import (
    ConfigError,
    GensrPrefError,
    InputError,
    MissingWeightsError,
    Unusable,
    nearest,
)
from gensr_pref.metrics.alignment import Alignment
from gensr_pref.metrics.base import Answer, ClipSounds, Metric, MetricSpec, Note, Score
from gensr_pref.metrics.views import ALIGNED_AT, Given, Group, Heard, Views
from gensr_pref.schema import Reason
from gensr_pref.threads import one_thread

LARGEST = 3.4028234663852886e38  # of the float32 columns that scores are stored in
ID_COLUMNS = ("candidate_id", "clip_id", "failures", "notes")  # of the scores table
ALIGNMENT = tuple(Note(name, "number") for name in ("delay_seconds", "polarity", "correlation"))
Source = Sound | Path | str


@dataclass(frozen=True)
class CandidateScores:
    """What the panel says of one candidate.

    Attributes:
        values: every score of the panel by name; None where it could not be had.
        failures: why, for each score that is None.
        details: the same in free text, where there is more to say.
        notes: what metrics tell besides, by name, such as a transcript.
    """

    values: dict[str, float | None] = field(default_factory=dict)
    failures: dict[str, Reason] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str | float] = field(default_factory=dict)

    def fail(self, score: str, error: Exception) -> None:
        """Record that a score could not be had."""
        if isinstance(error, Unusable):
            reason, detail = error.reason, error.detail
        else:
            reason, detail = Reason.METRIC_ERROR, f"{type(error).__name__}: {error}"
        self.values[score] = None
        self.failures[score] = reason
        if detail:
            self.details[score] = detail


@dataclass(frozen=True)
class Member:
    """A metric in a panel: how it was asked for, and what its scores are in this panel.

    Attributes:
        use: its entry in the run file.
        metric: the metric.
        scores: its scores, `votes` being whether each votes in this panel.
    """

    use: MetricUse
    metric: Metric
    scores: tuple[Score, ...]


class Panel:
    """The metrics of a run. Making one checks everything that can be checked without loading.

    Args:
        metrics: entries of a run file, names, or metrics made already, in any mixture.
        texts: what is said in the corpus, for metrics that learn from it (a language model).
        base: the folder that files named in options are relative to; absent = the working one.

    Attributes:
        members: the metrics, in order.
        scores: all their scores, in order, `votes` being whether each votes in this panel.
        notes: what they tell besides; with the delay and polarity that were undone where a metric
            wants its candidates aligned.
        left_out: names of optional metrics whose weights are missing, and what was missing.

    Raises:
        UnknownPluginError: no metric has that name.
        ConfigError: an option or a vote that does not exist, or a metric or score that is there
            twice.
        MissingWeightsError: weights of a metric that is not optional.
    """

    def __init__(
        self,
        metrics: Sequence[MetricUse | str | Metric],
        texts: Iterable[str] = (),
        base: Path | None = None,
    ) -> None:
        self.left_out: dict[str, str] = {}
        self.members: list[Member] = []
        for index, metric in enumerate(metrics):
            self._admit(metric, f"panel.{index}", base)
        if not self.members:
            reasons = "".join(f" {name}: {why}." for name, why in self.left_out.items())
            raise ConfigError(f"panel: there is no metric in it.{reasons}")
        self.scores: list[Score] = [score for member in self.members for score in member.scores]
        specs = [member.metric.spec for member in self.members]
        self._aligns = any(spec.align for spec in specs)
        told = [note for spec in specs for note in spec.notes]
        self.notes: list[Note] = told + (list(ALIGNMENT) if self._aligns else [])
        self._texts = sorted(set(texts))
        self._loaded = False

    @property
    def votes(self) -> list[str]:
        """The names of the scores that vote."""
        return [score.name for score in self.scores if score.votes]

    @property
    def notices(self) -> list[str]:
        """What whoever uses this panel must be told, such as a licence that forbids something."""
        specs = [member.metric.spec for member in self.members]
        return [f"{spec.name}: {spec.notice}" for spec in specs if spec.notice]

    @property
    def studies(self) -> bool:
        """Whether a metric learns from what is said in the corpus."""
        return any(hasattr(member.metric, "study") for member in self.members)

    def load(self, device: str = "cpu") -> None:
        """Load every metric, once, in the process that will score.

        Args:
            device: a torch device, for the metrics that can use one.

        Raises:
            InputError: one cannot be loaded; the message names it.
        """
        if self._loaded:
            return
        for member in self.members:
            _load(member.metric, self._texts, device)
        self._loaded = True

    def facts(self) -> dict[str, Any]:
        """The panel as JSON-able data, for a part's metadata and for run.yaml."""
        return {
            "metrics": [_facts(member) for member in self.members],
            "votes": self.votes,
            "left_out": dict(self.left_out),
        }

    def score(
        self,
        candidates: Sequence[Source],
        clean: Source | None = None,
        noisy: Source | None = None,
        text: str | None = None,
        language: str | None = None,
    ) -> list[CandidateScores]:
        """Score all candidates of a clip.

        Args:
            candidates: sounds, or paths of files, at any rates and lengths.
            clean, noisy: of the same clip. One that is missing, unreadable, empty, silent or not
                finite counts as absent.
            text: what is said.
            language: an ISO 639-1 code.

        Returns:
            One entry per candidate, in order, each naming every score of the panel.
        """
        self.load()
        results = [CandidateScores() for _ in candidates]
        views = Views(
            Given(
                [_heard(c) for c in candidates], _optional(clean), _optional(noisy), text, language
            )
        )
        unmoved: list[Alignment | None] = [None] * len(results)
        with one_thread():
            for member in self.members:
                spec = member.metric.spec
                moved = views.alignments if spec.align else unmoved
                refused, groups = views.at(spec.sample_rate).split(spec, moved)
                for index, answer in _answers(member.metric, refused, groups):
                    _record(member, answer, results[index])
            if self._aligns:
                _note_alignments(views.alignments, results)
        return results

    def _admit(self, metric: MetricUse | str | Metric, where: str, base: Path | None) -> None:
        use = _use(metric)
        try:
            made = _made(metric, use, where, base)
        except MissingWeightsError as error:
            if not use.optional:
                raise
            self.left_out[use.metric] = str(error)
            return
        self._refuse_twins(made.spec, where)
        self.members.append(Member(use, made, _voting(made.spec, use.vote, where)))

    def _refuse_twins(self, spec: MetricSpec, where: str) -> None:
        if spec.sample_rate is None and "clean" in spec.needs:
            raise ConfigError(f"{where}.metric: {spec.name!r} needs the clean sound, so its spec "
                              "must name one sample_rate for both")  # fmt: skip
        if any(member.metric.spec.name == spec.name for member in self.members):
            raise ConfigError(f"{where}.metric: {spec.name!r} is in the panel already; remove one")
        owners = {score.name: m.metric.spec.name for m in self.members for score in m.scores}
        for score in spec.scores:
            claim = f"{where}.metric: {spec.name!r} gives {score.name!r}"
            if score.name in ID_COLUMNS:
                raise ConfigError(f"{claim}, which is another column of the scores table")
            if score.name in owners:
                raise ConfigError(f"{claim}, and so does {owners[score.name]!r}; remove one")
            owners[score.name] = spec.name
        noted = {note.name for member in self.members for note in member.metric.spec.notes}
        for note in spec.notes:
            if note.name in noted:
                raise ConfigError(f"{where}.metric: {spec.name!r} notes {note.name!r}, and so "
                                  "does another metric of the panel; remove one")  # fmt: skip


def _use(metric: MetricUse | str | Metric) -> MetricUse:
    """A metric's entry in the run file, or the one it would have there."""
    if isinstance(metric, MetricUse):
        return metric
    return MetricUse(metric=metric if isinstance(metric, str) else metric.spec.name)


def _made(
    metric: MetricUse | str | Metric, use: MetricUse, where: str, base: Path | None
) -> Metric:
    if not isinstance(metric, MetricUse | str):
        return metric
    made: Metric = plugins.create("metric", use.metric, use.options, f"{where}.options", base)
    if not isinstance(getattr(made, "spec", None), MetricSpec):
        raise ConfigError(f"{where}.metric: {use.metric!r} has no `spec` that is a MetricSpec; "
                          "docs/metrics.md shows a metric")  # fmt: skip
    return made


def _voting(spec: MetricSpec, vote: bool | list[str] | None, where: str) -> tuple[Score, ...]:
    """A metric's scores with the votes that its entry in the run file gives them."""
    if vote is None:
        return tuple(spec.scores)
    names = [score.name for score in spec.scores]
    voters = (names if vote else []) if isinstance(vote, bool) else vote
    for name in voters:
        if name not in names:
            raise ConfigError(f"{where}.vote: {spec.name!r} gives no score {name!r}. "
                              f"{nearest(name, names)}")  # fmt: skip
    return tuple(replace(score, votes=score.name in voters) for score in spec.scores)


def _heard(source: Source) -> Heard:
    if isinstance(source, Sound):
        return source
    try:
        return audio.read(source)
    except Unusable as error:
        return error


def _optional(source: Source | None) -> Heard | None:
    return None if source is None else _heard(source)


def _load(metric: Metric, texts: Sequence[str], device: str) -> None:
    try:
        if texts and hasattr(metric, "study"):
            metric.study(texts)
        metric.load(device)
    except GensrPrefError:
        raise
    except Exception as error:
        raise InputError(f"metric {metric.spec.name!r} cannot be loaded: {error!r}") from error


def _facts(member: Member) -> dict[str, Any]:
    spec = member.metric.spec
    return {
        "metric": member.use.metric,
        "options": member.use.options,
        "model": spec.model,
        "licence": spec.licence,
        "notice": spec.notice,
        "sample_rate": spec.sample_rate,
        "scores": [asdict(score) for score in member.scores],
    }


def _answers(
    metric: Metric, refused: Mapping[int, Unusable], groups: Sequence[Group]
) -> Iterator[tuple[int, Answer]]:
    """Each candidate's index and what the metric says of it, in no order."""
    yield from refused.items()
    for group in groups:
        yield from zip(group.indices, _ask(metric, group.sounds), strict=True)


def _ask(metric: Metric, sounds: ClipSounds) -> list[Answer]:
    """One answer per candidate, whatever the metric does.

    A metric that raises as a whole is asked again about each candidate alone: only those that make
    it raise shall fail.
    """
    count = len(sounds.candidates)
    try:
        answers = list(metric.score(sounds))
    except Unusable as error:
        return [error] * count
    except Exception as error:
        if count == 1:
            return [error]
        alone = [replace(sounds, candidates=[candidate]) for candidate in sounds.candidates]
        return [answer for one in alone for answer in _ask(metric, one)]
    if len(answers) != count:
        return [ValueError(f"{len(answers)} answers for {count} candidates")] * count
    return answers


def _record(member: Member, answer: Answer, result: CandidateScores) -> None:
    for score in member.scores:
        try:
            result.values[score.name] = _number(answer, score.name)
        except Exception as error:
            result.fail(score.name, error)
    if isinstance(answer, Mapping):
        for note in member.metric.spec.notes:
            told = answer.get(note.name)
            if isinstance(told, str if note.kind == "text" else Real) and told == told:
                result.notes[note.name] = told if isinstance(told, str) else float(told)


def _note_alignments(found: Sequence[Alignment | None], results: list[CandidateScores]) -> None:
    for one, result in zip(found, results, strict=True):
        if one is not None:
            result.notes["delay_seconds"] = one.delay / ALIGNED_AT
            result.notes["polarity"] = float(one.polarity)
            result.notes["correlation"] = one.correlation


def _number(answer: Answer, score: str) -> float:
    if isinstance(answer, Exception):
        raise answer
    if not isinstance(answer, Mapping):
        raise TypeError(f"an answer is {type(answer).__name__}, not a mapping or an exception")
    if score not in answer:
        raise ValueError(f"no {score!r} in what it gave: {', '.join(answer) or 'nothing'}")
    value = answer[score]
    if isinstance(value, Exception):
        raise value
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real | np.number):
        raise TypeError(f"{score} is {value!r}, not a number")
    number = float(value)
    if not abs(number) <= LARGEST:
        raise ValueError(f"{score} is {number}")
    return number
