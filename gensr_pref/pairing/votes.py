"""How each score counts: the panel's votes and the pairing section of the run file.

No vote is decided here: a rule does it, such as `unanimous.compare_on_vote`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gensr_pref.config.run_file import Pairing, parse
from gensr_pref.errors import ConfigError, Problem
from gensr_pref.pairing.base import Vote
from gensr_pref.pairing.no_pairs import asks_for_pairs
from gensr_pref.rundir.document import MetricRecord, RunDocument

# The settings that each built-in rule ignores. Such a setting is refused, because it would have no
# effect. A user's own rule may read any setting.
_IGNORED_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "unanimous": ("score", "extremes", "weights", "units", "gap"),
    "top_bottom": ("tie", "weights", "units", "gap"),
    "weighted": ("margin", "tie", "score", "extremes"),
    "golden": ("votes", "margin", "tie", "min", "max", "across_generators", "score", "extremes",
               "weights", "units", "gap"),
}  # fmt: skip


def apply_pairing_settings(panel: Sequence[Vote], pairing: Pairing) -> list[Vote]:
    """Return the panel's votes with the run file's margins, ties and bounds.

    With `top_bottom` only the ranking score votes, with `weighted` the scores that have a weight,
    with `golden` none. With `none` the votes count only in the audit, and there may be none.

    Raises:
        ConfigError: a setting for a score that the panel does not give, or that the rule ignores;
            no votes although the rule needs one; several votes where one must rank.
    """
    _require_known(pairing, [vote.score for vote in panel])
    _refuse_ignored(pairing)
    votes = [_cast(vote, pairing) for vote in panel]
    if pairing.rule == "golden":
        return [replace(vote, votes=False) for vote in votes]
    voting = [vote.score for vote in votes if vote.votes]
    if not voting and asks_for_pairs(pairing.rule):
        raise ConfigError(
            "no score votes. Name the scores that vote, or set vote: true for a metric",
            field="pairing.votes",
            problem=Problem.EMPTY,
        )
    if pairing.rule == "top_bottom" and len(voting) > 1:
        raise ConfigError(
            "top_bottom ranks by one score, but several vote: "
            f"{', '.join(voting)}. Name one of them",
            field="pairing.score",
            value=voting,
            problem=Problem.CONFLICT,
        )
    _refuse_non_voting(pairing, voting)
    return votes


def drop_ignored(panel: Sequence[Vote], pairing: Pairing, explicit: Collection[str]) -> Pairing:
    """Return the section without settings that its rule ignores; they were for another rule.

    Args:
        explicit: dotted settings that are never dropped (``margin.wer``, or ``margin`` for all of
            that section): `apply_pairing_settings` refuses them if they would have no effect.
    """
    defaults = Pairing()
    ignored = {
        setting: getattr(defaults, setting)
        for setting in _IGNORED_SETTINGS.get(pairing.rule, ())
        if not any(name.split(".")[0] == setting for name in explicit)
    }
    reduced = pairing.model_copy(update=ignored)
    voting = {vote.score for vote in panel if _has_vote(vote, reduced)}
    effective = {
        section: {
            score: value
            for score, value in getattr(reduced, section).items()
            if score in voting or section in explicit or f"{section}.{score}" in explicit
        }
        for section in ("margin", "tie")
    }
    return reduced.model_copy(update=effective)


def _require_known(pairing: Pairing, known: Sequence[str]) -> None:
    for section in ("margin", "tie", "min", "max", "votes", "weights"):
        for score in getattr(pairing, section) or ():
            if score not in known:
                raise ConfigError(
                    "the panel gives no such score.",
                    field=f"pairing.{section}.{score}",
                    value=score,
                    known=known,
                )
    if pairing.score is not None and pairing.score not in known:
        raise ConfigError(
            f"the panel gives no {pairing.score!r}.",
            field="pairing.score",
            value=pairing.score,
            known=known,
        )


def _refuse_ignored(pairing: Pairing) -> None:
    defaults = Pairing()
    for setting in _IGNORED_SETTINGS.get(pairing.rule, ()):
        if getattr(pairing, setting) != getattr(defaults, setting):
            raise ConfigError(
                f"the rule {pairing.rule!r} ignores it. Remove it "
                f"({setting}={_yaml(getattr(defaults, setting))}), or choose another rule",
                field=f"pairing.{setting}",
                value=getattr(pairing, setting),
                problem=Problem.UNSUPPORTED,
            )


def _yaml(value: Any) -> str:
    """Return a default value as it is written on the command line."""
    return "null" if value is None else str(value).lower()


def _refuse_non_voting(pairing: Pairing, voting: Sequence[str]) -> None:
    for section in ("margin", "tie"):
        for score in getattr(pairing, section):
            if score not in voting:
                raise ConfigError(
                    "the score does not vote, so this would have no effect. Add it to "
                    "pairing.votes, or use pairing.min or pairing.max",
                    field=f"pairing.{section}.{score}",
                    value=score,
                    problem=Problem.CONFLICT,
                )


def _has_vote(vote: Vote, pairing: Pairing) -> bool:
    if pairing.rule == "top_bottom" and pairing.score is not None:
        return vote.score == pairing.score
    if pairing.rule == "weighted" and pairing.weights:
        return vote.score in pairing.weights
    return vote.votes if pairing.votes is None else vote.score in pairing.votes


def _cast(vote: Vote, pairing: Pairing) -> Vote:
    tie = pairing.tie.get(vote.score)
    return replace(
        vote,
        votes=_has_vote(vote, pairing),
        margin=pairing.margin.get(vote.score, vote.margin),
        ties=vote.ties if tie is None else tie == "allow",
        floor=pairing.min.get(vote.score),
        ceiling=pairing.max.get(vote.score),
    )


def votes_of_panel(panel: Iterable[MetricRecord]) -> list[Vote]:
    """Return how each score of a panel counts before the pairing section changes it."""
    return [
        Vote(score.name, score.higher_is_better, bool(score.votes), ties=score.ties)
        for metric in panel
        for score in metric.scores
    ]


def votes_of_run(document: RunDocument) -> list[Vote]:
    """Return how each score counts in a run, from its ``run.yaml``.

    Raises:
        ConfigError: the pairing section names a score that the panel does not give.
    """
    pairing = parse(document.pairing, Pairing, field="pairing")
    return apply_pairing_settings(votes_of_panel(document.provenance.panel), pairing)
