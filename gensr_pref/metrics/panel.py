"""The panel: the metrics of a run, asked about all candidates of a clip.

It gives each metric what that metric can use (its rate, a clean sound of equal length, no silence)
and turns whatever comes back into numbers, or nulls with a reason. What it says of a candidate
does not depend on the other candidates or on their order.

    Panel(["dnsmos", "pesq"]).score(ClipSounds(candidates, clean=clean))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np

from gensr_pref import plugins
from gensr_pref.config import MetricUse
from gensr_pref.errors import (
    ConfigError,
    GensrPrefError,
    InputError,
    MissingWeightsError,
    Unusable,
    nearest,
)
from gensr_pref.metrics.base import Answer, ClipSounds, Metric, MetricSpec, Score
from gensr_pref.metrics.views import View, Views
from gensr_pref.schema import Reason
from gensr_pref.threads import one_thread

LARGEST = 3.4028234663852886e38  # of the float32 columns that scores are stored in
ID_COLUMNS = ("candidate_id", "clip_id", "failures")  # of the scores table


@dataclass(frozen=True)
class CandidateScores:
    """What the panel says of one candidate.

    Attributes:
        values: every score of the panel by name; None where it could not be had.
        failures: why, for each score that is None.
        details: the same in free text, where there is more to say.
    """

    values: dict[str, float | None] = field(default_factory=dict)
    failures: dict[str, Reason] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)

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

    Attributes:
        members: the metrics, in order.
        scores: all their scores, in order, `votes` being whether each votes in this panel.
        left_out: names of optional metrics whose weights are missing, and what was missing.

    Raises:
        UnknownPluginError: no metric has that name.
        ConfigError: an option or a vote that does not exist, or a metric or score that is there
            twice.
        MissingWeightsError: weights of a metric that is not optional.
    """

    def __init__(self, metrics: Sequence[MetricUse | str | Metric]) -> None:
        self.left_out: dict[str, str] = {}
        self.members: list[Member] = []
        for index, metric in enumerate(metrics):
            self._admit(metric, f"panel.{index}")
        if not self.members:
            reasons = "".join(f" {name}: {why}." for name, why in self.left_out.items())
            raise ConfigError(f"panel: there is no metric in it.{reasons}")
        self.scores: list[Score] = [score for member in self.members for score in member.scores]
        self._loaded = False

    @property
    def votes(self) -> list[str]:
        """The names of the scores that vote."""
        return [score.name for score in self.scores if score.votes]

    def load(self) -> None:
        """Load every metric that is not yet loaded, in the process that will score.

        Raises:
            InputError: one cannot be loaded; the message names it.
        """
        if self._loaded:
            return
        for member in self.members:
            _load(member.metric)
        self._loaded = True

    def facts(self) -> dict[str, Any]:
        """The panel as JSON-able data, for a part's metadata and for run.yaml."""
        return {
            "metrics": [_facts(member) for member in self.members],
            "votes": self.votes,
            "left_out": dict(self.left_out),
        }

    def score(self, clip: ClipSounds) -> list[CandidateScores]:
        """Score all candidates of a clip.

        Args:
            clip: sounds at any rates and lengths. A clean or noisy sound that is empty, silent or
                not finite counts as absent.

        Returns:
            One entry per candidate, in order, each naming every score of the panel.
        """
        self.load()
        results = [CandidateScores() for _ in clip.candidates]
        views = Views(clip)
        with one_thread():
            for member in self.members:
                view = views.at(member.metric.spec.sample_rate)
                for index, answer in _answers(member.metric, view):
                    _record(member.scores, answer, results[index])
        return results

    def _admit(self, metric: MetricUse | str | Metric, where: str) -> None:
        use = _use(metric)
        try:
            made = _made(metric, use, where)
        except MissingWeightsError as error:
            if not use.optional:
                raise
            self.left_out[use.metric] = str(error)
            return
        self._refuse_twins(made.spec, where)
        self.members.append(Member(use, made, _voting(made.spec, use.vote, where)))

    def _refuse_twins(self, spec: MetricSpec, where: str) -> None:
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


def _use(metric: MetricUse | str | Metric) -> MetricUse:
    """A metric's entry in the run file, or the one it would have there."""
    if isinstance(metric, MetricUse):
        return metric
    return MetricUse(metric=metric if isinstance(metric, str) else metric.spec.name)


def _made(metric: MetricUse | str | Metric, use: MetricUse, where: str) -> Metric:
    if not isinstance(metric, MetricUse | str):
        return metric
    made: Metric = plugins.create("metric", use.metric, use.options, f"{where}.options")
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


def _load(metric: Metric) -> None:
    try:
        metric.load()
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
        "sample_rate": spec.sample_rate,
        "scores": [asdict(score) for score in member.scores],
    }


def _answers(metric: Metric, view: View) -> Iterator[tuple[int, Answer]]:
    """Each candidate's index and what the metric says of it, in no order."""
    refused, groups = view.split(metric.spec.needs)
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


def _record(scores: Sequence[Score], answer: Answer, result: CandidateScores) -> None:
    for score in scores:
        try:
            result.values[score.name] = _number(answer, score.name)
        except Exception as error:
            result.fail(score.name, error)


def _number(answer: Answer, score: str) -> float:
    if isinstance(answer, Exception):
        raise answer
    if not isinstance(answer, Mapping):
        raise TypeError(f"an answer is {type(answer).__name__}, not a mapping or an exception")
    if score not in answer:
        raise ValueError(f"no {score!r} in what it gave: {', '.join(answer) or 'nothing'}")
    value = answer[score]
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real | np.number):
        raise TypeError(f"{score} is {value!r}, not a number")
    number = float(value)
    if not abs(number) <= LARGEST:
        raise ValueError(f"{score} is {number}")
    return number
