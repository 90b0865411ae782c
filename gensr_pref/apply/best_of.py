"""Chooses the best of several candidates by one score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gensr_pref.apply.catalogue import metrics
from gensr_pref.audio import Sound
from gensr_pref.errors import ConfigError, MissingWeightsError, Problem, parameter
from gensr_pref.metrics.panel import Panel

USUAL_JUDGE = "dnsmos_ovrl"


@dataclass(frozen=True)
class Judge:
    """A score that chooses the best candidate.

    Attributes:
        panel: the one metric that gives the score.
        score: name of the score.
        higher_is_better: its direction.
    """

    panel: Panel
    score: str
    higher_is_better: bool

    def best(self, candidates: Sequence[Sound], noisy: Sound) -> tuple[int, float | None]:
        """Return the index of the best candidate and its score; the first of equal ones.

        A candidate that cannot be scored is never the best. If no candidate can be scored, the
        result is the first, with None as its score.
        """
        values = [scores.values[self.score] for scores in self.panel.score(candidates, noisy=noisy)]
        known = [(value, index) for index, value in enumerate(values) if value is not None]
        if not known:
            return 0, None
        sign = -1 if self.higher_is_better else 1
        value, index = min(known, key=lambda entry: (sign * entry[0], entry[1]))
        return index, value


def judge_of(by: str | None, candidates: int) -> Judge | None:
    """Return the judge for a number of candidates; None for a single one.

    Args:
        by: name of the score; None: `USUAL_JUDGE`.

    Raises:
        InputError: no metric gives the score, or it needs a clean clip or a text.
    """
    if candidates == 1:
        if by is not None:
            raise ConfigError(
                f"one candidate leaves no choice; set {parameter('candidates')} to 2 or more",
                field=parameter("by"),
                value=by,
                problem=Problem.EMPTY,
            )
        return None
    by = by or USUAL_JUDGE
    rows = {row["score"]: row for row in metrics()}
    if by not in rows:
        raise ConfigError(
            f"no metric gives the score {by!r}.", field=parameter("by"), value=by, known=rows
        )
    row = rows[by]
    if row["missing"]:
        raise MissingWeightsError(
            row["missing"], field=parameter("by"), value=by, problem=Problem.MISSING
        )
    needs = {"clean": "a clean file", "text": "a text"}
    lacking = [named for need, named in needs.items() if need in row["needs"]]
    if lacking:
        usable = [score for score, other in rows.items() if not other["needs"]]
        raise ConfigError(
            f"{by!r} needs {' and '.join(lacking)}, which `restore` does not get.",
            field=parameter("by"),
            value=by,
            known=usable,
            problem=Problem.CONFLICT,
        )
    return Judge(Panel([row["metric"]]), by, row["better"] == "higher")
