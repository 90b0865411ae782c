"""Policies side by side on the same clips: means, paired differences with intervals, win rates.

All statistics are pure functions of `Measured`; nothing here reads a file. A policy may have
several members, models trained alike from different seeds; its value is their mean.

An interval is the percentile bootstrap (Efron 1979) of the mean difference from the base over
clips, which are drawn with all that belongs to them. Where a policy has several members, they are
drawn with replacement too. `by_speaker` draws speakers first and then clips of each, so that the
interval also covers the choice of speakers (two-stage bootstrap: Davison and Hinkley, Bootstrap
Methods and their Application, 1997, section 3.8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gensr_pref.audit.bootstrap import drawn, totals

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Interval = list[float]

ROUNDS = 10_000
LEVEL = 0.95
_AT_ONCE = 500  # rounds whose draws are in memory together


@dataclass(frozen=True)
class Measured:
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


def compared(
    measured: Measured,
    policies: Mapping[str, Sequence[int]],
    base: str,
    by_speaker: bool = False,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> dict[str, Any]:
    """Every policy against the base.

    Args:
        policies: per policy the places of its members in `measured.labels`.
        base: one of them.
        by_speaker: draw speakers, then their clips.
        rounds: of resampling.
        seed: of the resampling.

    Returns:
        ``scores``: per score its direction, whether it voted, and how many ``clips`` are compared
        and how many ``left_out`` because a model failed on them; ``noisy``: mean per score; and
        ``policies``: per policy and score the ``mean``, and unless it is the base ``difference``
        (its value and the bounds of its interval, in the score's unit), ``seeds`` (the difference
        of each member), ``spread`` (their standard deviation), ``wins``, ``ties`` and ``losses``
        (shares of ``comparisons``), ``win_rate`` ([value, low, high], a tie is half a win); and
        ``unanimous``: the same shares where a win is one on every vote.
    """
    complete = measured.complete()
    found: dict[str, Any] = {
        "scores": [_described(measured, complete, m) for m in range(len(measured.names))],
        "noisy": {},
        "policies": {name: {"scores": {}} for name in policies},
    }
    against = list(policies[base])
    for m, score in enumerate(measured.names):
        clips = np.flatnonzero(complete[:, m])
        found["noisy"][score] = _mean(measured.noisy[clips, m])
        resampled = _Resampled(measured, m, clips, against, by_speaker, rounds, seed)
        for name, members in policies.items():
            told = found["policies"][name]["scores"]
            told[score] = resampled.told(list(members), name == base)
    for name, members in policies.items():
        if name != base:
            found["policies"][name]["unanimous"] = unanimous(measured, members, against)
    return found


def _described(measured: Measured, complete: Mask, m: int) -> dict[str, Any]:
    return {
        "score": measured.names[m],
        "higher_is_better": bool(measured.higher_is_better[m]),
        "votes": bool(measured.votes[m]),
        "clips": int(complete[:, m].sum()),
        "left_out": int((~complete[:, m]).sum()),
    }


class _Resampled:
    """One score of all models on the clips that all of them have, and as often redrawn."""

    def __init__(
        self,
        measured: Measured,
        m: int,
        clips: npt.NDArray[np.int64],
        base: list[int],
        by_speaker: bool,
        rounds: int,
        seed: int,
    ) -> None:
        self.value = measured.of_clips()[..., m][:, clips]
        self.difference = self.value - self.value[base].mean(axis=0)
        # Turned scores of the clips, of which a win is one that is larger.
        self.shares = _shares(measured.oriented[..., m][:, clips], measured.samples, base)
        self.seed = seed
        wins = self.shares[0] + self.shares[1] / 2
        both = np.concatenate([self.difference, wins]).T
        speakers = [measured.speakers[clip] for clip in clips] if by_speaker else None
        redrawn = resampled_means(both, speakers, rounds, seed) if len(clips) > 1 else None
        self.drawn = None if redrawn is None else np.split(redrawn, 2, axis=1)
        self.wins = wins

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
            "difference": self._interval(self.difference, 0, members),
            "seeds": [float(one) for one in seeds],
            "spread": float(seeds.std(ddof=1)) if len(members) > 1 else None,
            **shares,
            "win_rate": self._interval(self.wins, 1, members),
        }

    def _interval(self, value: Array, which: int, members: list[int]) -> Interval | None:
        """[value, low, high] of the mean over members and clips; None for fewer than two clips."""
        if self.drawn is None:
            return None
        draws = over_members(self.drawn[which][:, members], self.seed)
        tail = (1 - LEVEL) / 2
        low, high = np.quantile(draws, [tail, 1 - tail])
        return [float(value[members].mean()), float(low), float(high)]


def resampled_means(
    values: Array, speakers: Sequence[str | None] | None, rounds: int = ROUNDS, seed: int = 0
) -> Array:
    """[rounds, K] means over resampled clips of values [C, K], all K on the same clips.

    Args:
        values: finite.
        speakers: [C]; None draws clips alone.
    """
    with_count = np.concatenate([values, np.ones((len(values), 1))], axis=1)
    if speakers is None:
        sums = drawn(totals(np.arange(len(values)), with_count, len(values)), rounds, seed)
    else:
        sums = _drawn_by_speaker(with_count, speakers, rounds, seed)
    return np.asarray(sums[:, :-1] / sums[:, -1:])


def _drawn_by_speaker(
    values: Array, speakers: Sequence[str | None], rounds: int, seed: int
) -> Array:
    """[rounds, K] sums: speakers drawn with replacement, and for each as many of its clips.

    A speaker drawn s times with n clips gives s draws of n clips, which together are one draw of
    s * n.
    """
    rng = np.random.default_rng(seed)
    own = [f"?{place}" if name is None else f"={name}" for place, name in enumerate(speakers)]
    number = np.unique(own, return_inverse=True)[1]
    clips = [np.flatnonzero(number == one) for one in range(int(number.max()) + 1)]
    chosen = rng.multinomial(len(clips), np.full(len(clips), 1 / len(clips)), size=rounds)
    sums = np.zeros((rounds, values.shape[1]))
    for often, rows in zip(chosen.T, clips, strict=True):
        for start in range(0, rounds, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            times = rng.multinomial(often[part] * len(rows), np.full(len(rows), 1 / len(rows)))
            sums[part] += times @ values[rows]
    return sums


def over_members(draws: Array, seed: int = 0) -> Array:
    """[R] means over members of draws [R, K], the K members redrawn in every round."""
    rounds, members = draws.shape
    if members == 1:
        return draws[:, 0]
    rng = np.random.default_rng([seed, members])
    often = rng.multinomial(members, np.full(members, 1 / members), size=rounds)
    return np.asarray((draws * often).sum(axis=1) / members)


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


def unanimous(measured: Measured, members: Sequence[int], base: Sequence[int]) -> dict[str, Any]:
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
    wins = losses = compared = 0
    for place in members:
        for other in base:
            count = min(measured.samples[place], measured.samples[other])
            apart = (value[place, :, :count] - value[other, :, :count]).reshape(-1, len(ties))
            compared += len(apart)
            wins += int(_beats(apart, ties).sum())
            losses += int(_beats(-apart, ties).sum())
    if not compared:
        return {"wins": None, "losses": None, "comparisons": 0}
    return {"wins": wins / compared, "losses": losses / compared, "comparisons": compared}


def _beats(apart: Array, ties: Mask) -> Mask:
    """[Q] whether differences [Q, V] are a unanimous win."""
    stands = (apart > 0) | (ties & (apart == 0))
    return np.asarray(stands.all(axis=1) & (apart > 0).any(axis=1))


def _mean(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
