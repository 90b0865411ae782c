"""One score of the panel as the judge of several candidates."""

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
    """A score of the panel that chooses.

    Attributes:
        panel: the one metric that gives it.
        score: its name.
        higher_is_better: its direction.
    """

    panel: Panel
    score: str
    higher_is_better: bool

    def best(self, candidates: Sequence[Sound], noisy: Sound) -> tuple[int, float | None]:
        """The best candidate and its score; of equal ones the first.

        One that cannot be scored is never the best; where none can be, it is the first, and the
        score is None.
        """
        scored = self.panel.score(candidates, noisy=noisy)
        values = [one.values[self.score] for one in scored]
        known = [(value, place) for place, value in enumerate(values) if value is not None]
        if not known:
            return 0, None
        sign = -1 if self.higher_is_better else 1
        value, place = min(known, key=lambda one: (sign * one[0], one[1]))
        return place, value


def judge_of(by: str | None, candidates: int) -> Judge | None:
    """Who chooses among a number of candidates; None where there is one.

    Raises:
        InputError: no metric gives that score, or it needs what a noisy file has not.
    """
    if candidates == 1:
        if by is not None:
            raise ConfigError(
                f"there is nothing to choose from; give {parameter('candidates')} 2 or more",
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
            f"{row['missing']}", field=parameter("by"), value=by, problem=Problem.MISSING
        )
    lacking = [need for need in ("clean", "text") if need in row["needs"]]
    if lacking:
        usable = [score for score, one in rows.items() if not one["needs"]]
        raise ConfigError(
            f"{by!r} needs {' and '.join(lacking)}, which a noisy file has not.",
            field=parameter("by"),
            value=by,
            known=usable,
            problem=Problem.CONFLICT,
        )
    return Judge(Panel([row["metric"]]), by, row["better"] == "higher")
