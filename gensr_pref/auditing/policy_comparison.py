"""Policies side by side on the same clips: means, paired differences with intervals, win rates.

All statistics are pure functions of `PolicyScores`; nothing here reads a file. A policy may have
several members, models trained alike from different seeds; its value is their mean.

An interval is of the mean difference from the base over clips (`gensr_pref.statistics.intervals`).
Where a policy has several members, what they vary is added (`intervals.two_way`). `by_speaker`
takes all clips of a speaker as one cluster, so that the interval also covers the choice of
speakers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gensr_pref.statistics.intervals import share_interval, two_way_interval

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]
Interval = list[float | None]


@dataclass(frozen=True)
class PolicyScores:
    """What several models scored on the same clips.

    Attributes:
        value: [L, C, N, M] raw scores of N samples of each clip by each model; NaN where null.
        samples: [L] how many samples of a clip each model was asked for; those beyond are no
            failures.
        noisy: [C, M] raw scores of the noisy inputs; NaN where null.
        labels: [L] of the models.
        names: [M] of the scores.
        higher_is_better: [M].
        votes: [M] whether the score took part in choosing the pairs that a policy was trained on.
        ties: [M] whether a tie on it lets a pair stand.
        speakers: [C] of each clip; None where unknown, which is a speaker of its own.
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
    def oriented(self) -> Array:
        """The values turned so that larger is better."""
        return np.where(self.higher_is_better, self.value, -self.value)

    def of_clips(self) -> Array:
        """[L, C, M] mean over the samples of a clip; NaN where any of them has no score."""
        found = np.full((len(self.labels), *self.noisy.shape), np.nan)
        for place, count in enumerate(self.samples):
            found[place] = self.value[place, :, :count].mean(axis=1)
        return found

    def complete(self) -> Mask:
        """[C, M] whether every model has the score for all its samples of a clip."""
        return np.asarray(np.isfinite(self.of_clips()).all(axis=0))


def compare_policies(
    measured: PolicyScores,
    policies: Mapping[str, Sequence[int]],
    base: str,
    by_speaker: bool = False,
) -> dict[str, Any]:
    """Every policy against the base.

    Args:
        policies: per policy the places of its members in `measured.labels`.
        base: one of them.
        by_speaker: intervals are over speakers, each with all its clips.

    Returns:
        ``scores``: per score its direction, whether it voted, how many ``clips`` are compared,
        how many ``left_out`` because a model failed on them, and the ``clusters`` of its intervals
        (clips or speakers); ``noisy``: mean per score; and
        ``policies``: per policy and score the ``mean``, and unless it is the base ``difference``
        (its value and the bounds of its interval, in the score's unit; the bounds are None for
        fewer than three clusters, or where all differ alike), ``seeds`` (the difference
        of each member), ``spread`` (their standard deviation), ``wins``, ``ties`` and ``losses``
        (shares of ``comparisons``), ``win_rate`` ([value, low, high], a tie is half a win); and
        ``unanimous``: the same shares where a win is one on every vote.
    """
    complete = measured.complete()
    cluster = _clusters(measured.speakers, by_speaker)
    found: dict[str, Any] = {
        "scores": [
            _describe_score(measured, complete, cluster, m) for m in range(len(measured.names))
        ],
        "noisy": {},
        "policies": {name: {"scores": {}} for name in policies},
    }
    against = list(policies[base])
    for m, score in enumerate(measured.names):
        clips = np.flatnonzero(complete[:, m])
        found["noisy"][score] = _mean(measured.noisy[clips, m])
        of = _OneScore(measured, m, clips, against, cluster[clips])
        for name, members in policies.items():
            found["policies"][name]["scores"][score] = of.told(list(members), name == base)
    for name, members in policies.items():
        if name != base:
            found["policies"][name]["unanimous"] = unanimous_wins(measured, members, against)
    return found


def _clusters(speakers: Sequence[str | None], by_speaker: bool) -> Numbers:
    """[C] the number of each clip's cluster: its own, or its speaker's."""
    if not by_speaker:
        return np.arange(len(speakers))
    own = [f"?{place}" if name is None else f"={name}" for place, name in enumerate(speakers)]
    return np.unique(own, return_inverse=True)[1]


def _describe_score(
    measured: PolicyScores, complete: Mask, cluster: Numbers, m: int
) -> dict[str, Any]:
    return {
        "score": measured.names[m],
        "higher_is_better": bool(measured.higher_is_better[m]),
        "votes": bool(measured.votes[m]),
        "clips": int(complete[:, m].sum()),
        "left_out": int((~complete[:, m]).sum()),
        "clusters": len(np.unique(cluster[complete[:, m]])),
    }


class _OneScore:
    """One score of all models on the clips that all of them have."""

    def __init__(
        self, measured: PolicyScores, m: int, clips: Numbers, base: list[int], cluster: Numbers
    ) -> None:
        self.value = measured.of_clips()[..., m][:, clips]
        self.difference = self.value - self.value[base].mean(axis=0)
        # Turned scores of the clips, of which a win is one that is larger.
        self.shares = _shares(measured.oriented[..., m][:, clips], measured.samples, base)
        self.cluster = cluster

    def told(self, members: list[int], is_base: bool) -> dict[str, Any]:
        """What is known of a policy on this score."""
        mean = _mean(self.value[members].ravel())
        if is_base or mean is None:
            return {"mean": mean}
        seeds = self.difference[members].mean(axis=1)
        shares = {
            kind: float(share[members].mean())
            for kind, share in zip(("wins", "ties", "losses"), self.shares, strict=True)
        }
        return {
            "mean": mean,
            "difference": two_way_interval(self.difference[members], self.cluster).triple,
            "seeds": [float(one) for one in seeds],
            "spread": float(seeds.std(ddof=1)) if len(members) > 1 else None,
            **shares,
            "win_rate": self._win_rate(members),
        }

    def _win_rate(self, members: list[int]) -> Interval | None:
        wins = (self.shares[0] + self.shares[1] / 2)[members]
        models = np.repeat(np.arange(len(members)), wins.shape[1])
        return share_interval(np.tile(self.cluster, len(members)), wins.ravel(), models).triple


def _shares(value: Array, samples: Sequence[int], base: Sequence[int]) -> Array:
    """[3, L, C] share of comparisons of each clip that a model wins, ties and loses.

    Sample k of a model meets sample k of each member of the base, which was drawn from the same
    seed.

    Args:
        value: [L, C, N] larger is better, no null among a model's samples.
    """
    shares = np.zeros((3, *value.shape[:2]))
    for place in range(len(value)):
        for other in base:
            count = min(samples[place], samples[other])
            apart = value[place, :, :count] - value[other, :, :count]
            outcomes = (apart > 0, apart == 0, apart < 0)
            shares[:, place] += np.stack([one.mean(axis=1) for one in outcomes]) / len(base)
    return shares


def unanimous_wins(
    measured: PolicyScores, members: Sequence[int], base: Sequence[int]
) -> dict[str, Any]:
    """How often a policy's sample beats the base's on every vote, and how often it is beaten so.

    As the rule `unanimous` without margins: a tie stops a win unless the score allows ties, and at
    least one vote must be won. Clips on which any model lacks a vote are left out.

    Returns:
        ``wins`` and ``losses``, shares of ``comparisons``; both None where nothing was compared.
    """
    if not measured.votes.any():
        return {"wins": None, "losses": None, "comparisons": 0}
    clips = measured.complete()[:, measured.votes].all(axis=1)
    value, ties = measured.oriented[:, clips][..., measured.votes], measured.ties[measured.votes]
    wins = losses = compare_policies = 0
    for place in members:
        for other in base:
            count = min(measured.samples[place], measured.samples[other])
            apart = (value[place, :, :count] - value[other, :, :count]).reshape(-1, len(ties))
            compare_policies += len(apart)
            wins += int(_is_unanimous_win(apart, ties).sum())
            losses += int(_is_unanimous_win(-apart, ties).sum())
    if not compare_policies:
        return {"wins": None, "losses": None, "comparisons": 0}
    return {
        "wins": wins / compare_policies,
        "losses": losses / compare_policies,
        "comparisons": compare_policies,
    }


def _is_unanimous_win(apart: Array, ties: Mask) -> Mask:
    """[Q] whether differences [Q, V] are a unanimous win."""
    stands = (apart > 0) | (ties & (apart == 0))
    return np.asarray(stands.all(axis=1) & (apart > 0).any(axis=1))


def _mean(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
