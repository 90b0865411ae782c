"""The panel of an evaluation: its metrics, and which scores chose the training pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gensr_pref.apply import catalogue
from gensr_pref.apply.default_panel import choose_panel
from gensr_pref.apply.evaluation_clips import HeldOutClips
from gensr_pref.apply.evaluation_file import Evaluation
from gensr_pref.apply.training_record import (
    document_panel,
    document_votes,
    read_training,
    training_votes,
    with_votes,
)
from gensr_pref.config.run_file import MetricUse
from gensr_pref.corpus.sources import has_clean
from gensr_pref.errors import ConfigError, Problem, parameter
from gensr_pref.metrics.panel import Panel


def choose_voting_panel(
    wanted: Evaluation, clips: HeldOutClips, home: Path
) -> tuple[list[MetricUse], str]:
    """Return the metrics, with votes for the scores that chose the pairs, and how this is known.

    Raises:
        InputError: a metric or score is unknown, or needs what the clips do not have; or no score
            votes.
    """
    clean = has_clean(clips.corpus)
    document = clips.document if clips.document and clips.document.get("panel") else None
    if wanted.panel is not None:
        uses = list(wanted.panel)
    elif document is not None:
        uses = document_panel(document, clips.own)
    else:
        columns = getattr(clips.corpus.source, "columns", None)
        uses = choose_panel(None, [], clean, texts=columns is not None and columns.text is not None)
    votes, runs = training_votes(read_training(use, home) for use in wanted.generators)
    votes_from = f"the pairs of {', '.join(runs)}" if votes else ""
    if not votes and document is not None:
        votes, votes_from = document_votes(document, home, clips.own), "the run of the clips"
    uses = with_votes(uses, votes, home)
    for name in wanted.hold_out or ():
        uses = _remove_vote(uses, name, home)
    if not clean:
        _require_no_clean(uses, home)
    _require_vote(uses, home)
    return uses, votes_from or "the panel"


def _remove_vote(uses: Sequence[MetricUse], name: str, home: Path) -> list[MetricUse]:
    """Return the panel with no vote for a metric or a score; a missing metric is added."""
    if name in [use.metric for use in uses]:
        return [use.model_copy(update={"vote": False}) if use.metric == name else use
                for use in uses]  # fmt: skip
    for member in Panel(list(uses), base=home).members:
        voting = [score.name for score in member.scores if score.votes]
        if name in [score.name for score in member.scores]:
            left = [score for score in voting if score != name]
            return [use.model_copy(update={"vote": left}) if use == member.use else use
                    for use in uses]  # fmt: skip
    known = {row["metric"]: row["metric"] for row in catalogue.metrics()}
    known |= {row["score"]: row["metric"] for row in catalogue.metrics()}
    if name not in known and ":" not in name:
        raise ConfigError(
            f"no metric or score {name!r}.", field="hold_out", value=name, known=known
        )
    return [*uses, MetricUse(metric=known.get(name, name), vote=False)]


def _require_vote(uses: Sequence[MetricUse], home: Path) -> None:
    """Refuse a panel in which no score votes, because votes decide which policy wins."""
    if not any(score.votes for member in Panel(uses, base=home).members for score in member.scores):
        raise ConfigError(
            f"no score votes. Set vote: true for a metric, or shorten {parameter('hold_out')}",
            field="pairing.votes",
            problem=Problem.EMPTY,
        )


def _require_no_clean(uses: Sequence[MetricUse], home: Path) -> None:
    """Refuse a metric that needs clean clips."""
    for member in Panel(list(uses), base=home).members:
        if "clean" in member.metric.spec.needs:
            raise ConfigError(
                f"{member.use.metric!r} needs clean speech, which these clips do not have. "
                f"Leave it out ({parameter('panel')}, {parameter('hold_out')}), or give clips with "
                "clean counterparts",
                field="panel",
                value=member.use.metric,
                problem=Problem.CONFLICT,
            )
