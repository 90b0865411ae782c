"""Who may be in a panel: a metric is made of its entry in the run file, and refused or admitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import get_args

from gensr_pref.config import code_digest, plugins
from gensr_pref.config.run_file import MetricUse, parse
from gensr_pref.errors import ConfigError, Problem
from gensr_pref.metrics.base import Metric, MetricSpec, Need, Score
from gensr_pref.rundir.document import MetricRecord

ID_COLUMNS = ("candidate_id", "clip_id", "failures", "notes")  # of the scores table


@dataclass(frozen=True)
class Member:
    """A metric in a panel: how it was asked for, and what its scores are in this panel.

    Attributes:
        use: its entry in the run file.
        metric: the metric.
        scores: its scores, `votes` being whether each votes in this panel.
        base: the folder that files named in its options are relative to.
    """

    use: MetricUse
    metric: Metric
    scores: tuple[Score, ...]
    base: Path | None = None

    @property
    def record(self) -> MetricRecord:
        """What it is, with digests of code and files that are not part of a package, since nothing
        else tells that they were edited.

        Raises:
            ConfigError: a field of its spec has another type than a `MetricSpec`'s.
        """
        spec, use = self.metric.spec, self.use
        known = {
            "metric": use.metric,
            "options": use.options,
            **code_digest.identity_of(use.metric, use.options, self.metric, self.base),
            "model": spec.model,
            "licence": spec.licence,
            "notice": spec.notice,
            "sample_rate": spec.sample_rate,
            "scores": [asdict(score) for score in self.scores],
        }
        return parse(known, MetricRecord, field=f"spec of {use.metric!r}")


def member_of(
    metric: MetricUse | str | Metric, others: Sequence[Member], where: str, base: Path | None
) -> Member:
    """The metric as a member beside others.

    Args:
        metric: an entry of a run file, a name, or a metric made already.
        others: the members so far.
        where: the entry's place in the run file, for the error message.
        base: the folder that files named in options are relative to.

    Raises:
        UnknownPluginError, ConfigError, MissingWeightsError: as `Panel` says.
    """
    use = use_of(metric)
    made = _made(metric, use, where, base)
    _refuse_twins(made.spec, others, where)
    return Member(use, made, _voting(made.spec, use.vote, where), base)


def use_of(metric: MetricUse | str | Metric) -> MetricUse:
    """A metric's entry in the run file, or the one it would have there."""
    if isinstance(metric, MetricUse):
        return metric
    if not isinstance(metric, str) and not isinstance(getattr(metric, "spec", None), MetricSpec):
        raise ConfigError(
            f"{metric!r} is no metric; give a name, an entry of a run file "
            "or an object with a spec that is a MetricSpec",
            field="panel",
            value=metric,
            problem=Problem.INVALID,
        )
    return MetricUse(metric=metric if isinstance(metric, str) else metric.spec.name)


def _made(
    metric: MetricUse | str | Metric, use: MetricUse, where: str, base: Path | None
) -> Metric:
    if not isinstance(metric, MetricUse | str):
        _require_sense(metric.spec, f"{where}.metric: {metric.spec.name!r}")
        return metric
    made: Metric = plugins.create("metric", use.metric, use.options, f"{where}.options", base)
    if not isinstance(getattr(made, "spec", None), MetricSpec):
        raise ConfigError(
            f"{use.metric!r} has no `spec` that is a MetricSpec; docs/metrics.md shows a metric",
            field=f"{where}.metric",
            value=use.metric,
            problem=Problem.INVALID,
        )
    _require_sense(made.spec, f"{where}.metric: {use.metric!r}")
    return made


def _require_sense(spec: MetricSpec, where: str) -> None:
    """Refuse a spec that would make a panel do something else than its author meant."""
    if isinstance(spec.needs, str) or set(spec.needs) - set(get_args(Need)):
        raise ConfigError(
            f"its spec needs {spec.needs!r}; it may be a set of "
            f"{' and '.join(map(repr, get_args(Need)))}",
            field=where,
            value=spec.needs,
            problem=Problem.INVALID,
        )
    if not spec.scores:
        raise ConfigError("its spec names no score", field=where, problem=Problem.EMPTY)
    for score in spec.scores:
        if score.low is not None and score.high is not None and score.low >= score.high:
            raise ConfigError(
                f"{score.name!r} goes from {score.low} to {score.high}; low must be below high",
                field=where,
                value=score.name,
                problem=Problem.INVALID,
            )


def _refuse_twins(spec: MetricSpec, others: Sequence[Member], where: str) -> None:
    if spec.sample_rate is None and "clean" in spec.needs:
        raise ConfigError(
            f"{spec.name!r} needs the clean sound, so its spec must name one sample_rate for both",
            field=f"{where}.metric",
            value=spec.name,
            problem=Problem.MISSING,
        )
    if any(member.metric.spec.name == spec.name for member in others):
        raise ConfigError(
            f"{spec.name!r} is in the panel already; remove one",
            field=f"{where}.metric",
            value=spec.name,
            problem=Problem.DUPLICATE,
        )
    owners = {score.name: m.metric.spec.name for m in others for score in m.scores}
    for score in spec.scores:
        claim = f"{spec.name!r} gives {score.name!r}"
        if score.name in ID_COLUMNS:
            raise ConfigError(
                f"{claim}, which is another column of the scores table",
                field=f"{where}.metric",
                value=score.name,
                problem=Problem.CONFLICT,
            )
        if score.name in owners:
            raise ConfigError(
                f"{claim}, and so does {owners[score.name]!r}; remove one",
                field=f"{where}.metric",
                value=score.name,
                problem=Problem.DUPLICATE,
            )
        owners[score.name] = spec.name
    noted = {note.name for member in others for note in member.metric.spec.notes}
    for note in spec.notes:
        if note.name in noted:
            raise ConfigError(
                f"{spec.name!r} notes {note.name!r}, and so "
                "does another metric of the panel; remove one",
                field=f"{where}.metric",
                value=note.name,
                problem=Problem.DUPLICATE,
            )


def _voting(spec: MetricSpec, vote: bool | list[str] | None, where: str) -> tuple[Score, ...]:
    """A metric's scores with the votes that its entry in the run file gives them."""
    if vote is None:
        return tuple(spec.scores)
    names = [score.name for score in spec.scores]
    voters = (names if vote else []) if isinstance(vote, bool) else vote
    for name in voters:
        if name not in names:
            raise ConfigError(
                f"{spec.name!r} gives no score {name!r}.",
                field=f"{where}.vote",
                value=name,
                known=names,
            )
    return tuple(replace(score, votes=score.name in voters) for score in spec.scores)
