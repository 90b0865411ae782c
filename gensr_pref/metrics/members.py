"""Members of a panel: a metric made from its entry in the run file, and its checks."""

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
class PanelMember:
    """A metric in a panel, with its entry in the run file.

    Attributes:
        use: its entry in the run file.
        metric: the metric.
        scores: its scores; their `votes` hold for this panel.
        base: folder to which files named in its options are relative.
    """

    use: MetricUse
    metric: Metric
    scores: tuple[Score, ...]
    base: Path | None = None

    @property
    def record(self) -> MetricRecord:
        """The identity of the metric.

        It includes digests of code and files that are not part of an installed package: no version
        number shows that they were edited.

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


def make_member(
    metric: MetricUse | str | Metric, others: Sequence[PanelMember], where: str, base: Path | None
) -> PanelMember:
    """Make a metric a member of a panel, beside the members that it has already.

    Args:
        metric: an entry of a run file, a name, or a metric object.
        others: the members so far.
        where: field of the entry in the run file, for error messages.
        base: folder to which files named in options are relative.

    Raises:
        UnknownPluginError, ConfigError, MissingWeightsError: as in `Panel`.
    """
    use = entry_of(metric)
    made = _make_metric(metric, use, where, base)
    _refuse_conflicts(made.spec, others, where)
    return PanelMember(use, made, _scores_with_votes(made.spec, use.vote, where), base)


def entry_of(metric: MetricUse | str | Metric) -> MetricUse:
    """Return a metric's entry in the run file, or the entry that it would have."""
    if isinstance(metric, MetricUse):
        return metric
    if not isinstance(metric, str) and not isinstance(getattr(metric, "spec", None), MetricSpec):
        raise ConfigError(
            f"{metric!r} is not a metric; give a name, an entry of a run file "
            "or an object with a spec that is a MetricSpec",
            field="panel",
            value=metric,
            problem=Problem.INVALID,
        )
    return MetricUse(metric=metric if isinstance(metric, str) else metric.spec.name)


def _make_metric(
    metric: MetricUse | str | Metric, use: MetricUse, where: str, base: Path | None
) -> Metric:
    if not isinstance(metric, MetricUse | str):
        _check_spec(metric.spec, f"{where}.metric: {metric.spec.name!r}")
        return metric
    made: Metric = plugins.create("metric", use.metric, use.options, f"{where}.options", base)
    if not isinstance(getattr(made, "spec", None), MetricSpec):
        raise ConfigError(
            f"{use.metric!r} has no `spec` that is a MetricSpec; docs/metrics.md shows a metric",
            field=f"{where}.metric",
            value=use.metric,
            problem=Problem.INVALID,
        )
    _check_spec(made.spec, f"{where}.metric: {use.metric!r}")
    return made


def _check_spec(spec: MetricSpec, where: str) -> None:
    """Refuse a spec that contradicts itself."""
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


def _refuse_conflicts(spec: MetricSpec, others: Sequence[PanelMember], where: str) -> None:
    """Refuse a metric whose name, scores or notes another column or member has already."""
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
    note_names = {note.name for member in others for note in member.metric.spec.notes}
    for note in spec.notes:
        if note.name in note_names:
            raise ConfigError(
                f"{spec.name!r} notes {note.name!r}, and so "
                "does another metric of the panel; remove one",
                field=f"{where}.metric",
                value=note.name,
                problem=Problem.DUPLICATE,
            )


def _scores_with_votes(
    spec: MetricSpec, vote: bool | list[str] | None, where: str
) -> tuple[Score, ...]:
    """Return a metric's scores with the votes that its entry in the run file gives them."""
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
