"""Compares policies on the same clips: means, paired differences with intervals, win rates.

All statistics are pure functions of `PolicyScores`; nothing here reads a file. A policy may have
several members: models trained in the same way from different seeds. Its value is their mean.

Intervals are for the mean difference from the base over clips (`gensr_pref.statistics.intervals`).
If a policy has several members, their variance is added (`intervals.two_way_interval`). With
`by_speaker`, all clips of a speaker are one cluster, so that the interval also covers the choice of
speakers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
import numpy.typing as npt

from gensr_pref.pairing.unanimous import compare_on_vote
from gensr_pref.statistics.intervals import share_interval, two_way_interval

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]
Interval = list[float | None]


class ComparedScore(TypedDict):
    """A score that policies are compared by.

    Keys:
        score: its name.
        higher_is_better: its direction.
        votes: whether it voted on the pairs that a policy was trained on.
        clips, left_out: the number of clips compared, and left out because a model failed on them.
        clusters: the number of clusters of its intervals: clips or speakers.
    """

    score: str
    higher_is_better: bool
    votes: bool
    clips: int
    left_out: int
    clusters: int


class PolicyScore(TypedDict):
    """The statistics of a policy on one score; the base, or without values, only its mean.

    Keys:
        mean: the mean score.
        difference: difference from the base and the bounds of its interval, in the score's unit;
            the bounds are None with fewer than three clusters, or if all differences are equal.
        seeds: the difference of each member.
        spread: the standard deviation of the members' differences.
        wins, ties, losses: shares of the comparisons with the base.
        win_rate: [value, low, high]; a tie is half a win.
    """

    mean: float | None
    difference: NotRequired[Interval | None]
    seeds: NotRequired[list[float]]
    spread: NotRequired[float | None]
    wins: NotRequired[float]
    ties: NotRequired[float]
    losses: NotRequired[float]
    win_rate: NotRequired[Interval | None]


class UnanimousWins(TypedDict):
    """The shares of comparisons won and lost on every vote; None if nothing was compared."""

    wins: float | None
    losses: float | None
    comparisons: int


class PolicyStatistics(TypedDict):
    """The statistics of a policy per score and, except for the base, its unanimous wins."""

    scores: dict[str, PolicyScore]
    unanimous: NotRequired[UnanimousWins]


class PolicyComparison(TypedDict):
    """The scores, the mean of the noisy inputs per score, and the policies."""

    scores: list[ComparedScore]
    noisy: dict[str, float | None]
    policies: dict[str, PolicyStatistics]


@dataclass(frozen=True)
class PolicyScores:
    """The scores of several models on the same clips.

    Attributes:
        value: [L, C, N, M] raw scores of N samples of each clip by each model; NaN where null.
        samples: [L] number of samples per clip that each model had to give; missing samples beyond
            it are not failures.
        noisy: [C, M] raw scores of the noisy inputs; NaN where null.
        labels: [L] labels of the models.
        names: [M] names of the scores.
        higher_is_better: [M] direction of the scores.
        votes: [M] whether the score voted on the pairs that a policy was trained on.
        ties: [M] whether a pair may tie on the score.
        speakers: [C] speaker of each clip; each unknown one (None) counts as another speaker.
    """

    value: Array
    samples: Sequence[int]
    noisy: Array
    labels: Sequence[str]
    names: Sequence[str]
    higher_is_better: Mask
    votes: Mask
    ties: Mask
    speakers: Sequence[str | None]

    @property
    def oriented_value(self) -> Array:
        """The values with their sign turned so that larger is better."""
        return np.where(self.higher_is_better, self.value, -self.value)

    def clip_means(self) -> Array:
        """Return [L, C, M] the mean over the samples of a clip; NaN if any of them has no score."""
        means = np.full((len(self.labels), *self.noisy.shape), np.nan)
        for model, count in enumerate(self.samples):
            means[model] = self.value[model, :, :count].mean(axis=1)
        return means

    def complete(self) -> Mask:
        """Return [C, M] whether every model has the score for all its samples of a clip."""
        return np.asarray(np.isfinite(self.clip_means()).all(axis=0))


def compare_policies(
    measured: PolicyScores,
    policies: Mapping[str, Sequence[int]],
    base: str,
    by_speaker: bool = False,
) -> PolicyComparison:
    """Compare every policy with the base.

    Args:
        policies: per policy, the indices of its members in `measured.labels`.
        base: name of the policy to compare with.
        by_speaker: compute intervals over speakers, each with all its clips.
    """
    complete = measured.complete()
    cluster = _clusters(measured.speakers, by_speaker)
    results: PolicyComparison = {
        "scores": [
            _describe_score(measured, complete, cluster, m) for m in range(len(measured.names))
        ],
        "noisy": {},
        "policies": {name: {"scores": {}} for name in policies},
    }
    base_members = list(policies[base])
    for m, score in enumerate(measured.names):
        clips = np.flatnonzero(complete[:, m])
        results["noisy"][score] = _mean(measured.noisy[clips, m])
        compared = _ScoreComparison(measured, m, clips, base_members, cluster[clips])
        for name, members in policies.items():
            statistics = compared.statistics(list(members), name == base)
            results["policies"][name]["scores"][score] = statistics
    for name, members in policies.items():
        if name != base:
            results["policies"][name]["unanimous"] = unanimous_wins(measured, members, base_members)
    return results


def _clusters(speakers: Sequence[str | None], by_speaker: bool) -> Numbers:
    """Return [C] the cluster number of each clip: one per clip, or one per speaker."""
    if not by_speaker:
        return np.arange(len(speakers))
    own = [f"?{index}" if name is None else f"={name}" for index, name in enumerate(speakers)]
    return np.unique(own, return_inverse=True)[1]


def _describe_score(
    measured: PolicyScores, complete: Mask, cluster: Numbers, m: int
) -> ComparedScore:
    return {
        "score": measured.names[m],
        "higher_is_better": bool(measured.higher_is_better[m]),
        "votes": bool(measured.votes[m]),
        "clips": int(complete[:, m].sum()),
        "left_out": int((~complete[:, m]).sum()),
        "clusters": len(np.unique(cluster[complete[:, m]])),
    }


class _ScoreComparison:
    """One score of all models on the clips for which every model has it."""

    def __init__(
        self, measured: PolicyScores, m: int, clips: Numbers, base: list[int], cluster: Numbers
    ) -> None:
        self.value = measured.clip_means()[..., m][:, clips]
        self.difference = self.value - self.value[base].mean(axis=0)
        # Oriented scores, so that the larger one wins.
        self.shares = _shares(measured.oriented_value[..., m][:, clips], measured.samples, base)
        self.cluster = cluster

    def statistics(self, members: list[int], is_base: bool) -> PolicyScore:
        """Return the statistics of a policy on this score."""
        mean = _mean(self.value[members].ravel())
        if is_base or mean is None:
            return {"mean": mean}
        seeds = self.difference[members].mean(axis=1)
        wins, ties, losses = (float(share[members].mean()) for share in self.shares)
        return {
            "mean": mean,
            "difference": two_way_interval(self.difference[members], self.cluster).triple,
            "seeds": [float(difference) for difference in seeds],
            "spread": float(seeds.std(ddof=1)) if len(members) > 1 else None,
            "wins": wins,
            "ties": ties,
            "losses": losses,
            "win_rate": self._win_rate(members),
        }

    def _win_rate(self, members: list[int]) -> Interval | None:
        wins = (self.shares[0] + self.shares[1] / 2)[members]
        models = np.repeat(np.arange(len(members)), wins.shape[1])
        return share_interval(np.tile(self.cluster, len(members)), wins.ravel(), models).triple


def _shares(value: Array, samples: Sequence[int], base: Sequence[int]) -> Array:
    """Return [3, L, C] the shares of each clip's comparisons that a model wins, ties and loses.

    Sample k of a model is compared with sample k of each member of the base, which was drawn with
    the same seed.

    Args:
        value: [L, C, N] scores, larger is better, no null among a model's samples.
    """
    shares = np.zeros((3, *value.shape[:2]))
    for model in range(len(value)):
        for other in base:
            count = min(samples[model], samples[other])
            gain = value[model, :, :count] - value[other, :, :count]
            outcomes = (gain > 0, gain == 0, gain < 0)
            means = np.stack([outcome.mean(axis=1) for outcome in outcomes])
            shares[:, model] += means / len(base)
    return shares


def unanimous_wins(
    measured: PolicyScores, members: Sequence[int], base: Sequence[int]
) -> UnanimousWins:
    """Measure how often a policy's sample wins or loses against the base's on every vote.

    This follows the rule `unanimous` without margins: a tie prevents a win unless the score allows
    ties, and at least one vote must be won. Clips on which any model lacks a vote are left out.
    """
    if not measured.votes.any():
        return {"wins": None, "losses": None, "comparisons": 0}
    clips = measured.complete()[:, measured.votes].all(axis=1)
    value, ties = (
        measured.oriented_value[:, clips][..., measured.votes],
        measured.ties[measured.votes],
    )
    wins = losses = compared = 0
    for model in members:
        for other in base:
            count = min(measured.samples[model], measured.samples[other])
            gain = (value[model, :, :count] - value[other, :, :count]).reshape(-1, len(ties))
            compared += len(gain)
            wins += int(_is_unanimous_win(gain, ties).sum())
            losses += int(_is_unanimous_win(-gain, ties).sum())
    if not compared:
        return {"wins": None, "losses": None, "comparisons": 0}
    return {"wins": wins / compared, "losses": losses / compared, "comparisons": compared}


def _is_unanimous_win(gain: Array, ties: Mask) -> Mask:
    """Return [Q] whether differences [Q, V] are a unanimous win."""
    outcomes = [compare_on_vote(gain[:, vote], 0.0, ties[vote]) for vote in range(len(ties))]
    won = np.any([outcome.won for outcome in outcomes], axis=0)
    prevented = np.any([outcome.prevents for outcome in outcomes], axis=0)
    return np.asarray(won & ~prevented)


def _mean(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
