"""Coverage of 95 % intervals for few clusters: ours, and the percentile bootstrap.

python -m tests.benchmarks.coverage [--rounds 4000] [--clusters 3 5 8 10 20]

Every row is a kind of data that occurs in an audit or an evaluation. It is drawn repeatedly with a
known true value. The row shows our coverage, that of the percentile bootstrap in brackets, and w,
the median width.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from gensr_pref.auditing.agreement import kendall_tau, krippendorff_alpha, pair_sums
from gensr_pref.auditing.base import comparisons, ranks
from gensr_pref.auditing.effective_votes import effective_votes
from gensr_pref.auditing.listening.margin_fit import logistic_slope, slope_interval
from gensr_pref.statistics.intervals import (
    Estimate,
    count_interval,
    interval,
    mean_interval,
    ratio_interval,
    share_interval,
    two_way_interval,
)
from tests.auditing.panels import judged

Bounds = tuple[float, float] | None
Draw = tuple[Estimate, Bounds]  # now, and by the percentile bootstrap where it was used
CLUSTERS = (3, 5, 8, 10, 20)
RESAMPLES = 1000


@dataclass(frozen=True)
class Kind:
    """A kind of data.

    Attributes:
        name: what it stands for.
        truth: what the interval should hold.
        draw: from a generator of random numbers and a number of clusters.
    """

    name: str
    truth: float
    draw: Callable[[np.random.Generator, int], Draw]


@lru_cache(maxsize=8)
def _often(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)


def percentile(sums: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]) -> Bounds:
    """Efron's percentile interval of a statistic of totals over clusters [G, K]."""
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = statistic(_often(len(sums)) @ sums)[..., 0]
    known = draws[np.isfinite(draws)]
    return tuple(np.quantile(known, [0.025, 0.975])) if len(known) else None


def _ratio(sums: np.ndarray) -> np.ndarray:
    return sums[..., :1] / sums[..., 1:]


def _rows(cluster: np.ndarray, values: np.ndarray) -> np.ndarray:
    number = np.unique(cluster, return_inverse=True)[1]
    return np.stack([np.bincount(number, values), np.bincount(number)], axis=1)


def mean_of(name: str, truth: float, draw: Callable[..., np.ndarray]) -> Kind:
    """One value per cluster."""

    def both(rng: np.random.Generator, count: int) -> Draw:
        values = draw(rng, count)
        old = percentile(_rows(np.arange(count), values), _ratio)
        return mean_interval(values), old

    return Kind(name, truth, both)


def _sometimes(share: float, draw: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    return lambda rng, count: draw(rng, count) * (rng.random(count) < share)


MEANS = [
    mean_of("normal", 0, lambda rng, n: rng.normal(size=n)),
    mean_of("uniform", 0.5, lambda rng, n: rng.uniform(size=n)),
    mean_of("heavy tails (t, 3)", 0, lambda rng, n: rng.standard_t(3, n)),
    mean_of("skewed (exponential)", 1, lambda rng, n: rng.exponential(size=n)),
    mean_of("skewed (log-normal, .6)", np.exp(0.18), lambda rng, n: rng.lognormal(0, 0.6, n)),
    mean_of("far skewed (log-normal, 1)", np.exp(0.5), lambda rng, n: rng.lognormal(0, 1, n)),
    mean_of("bounded (beta, near 1)", 5 / 5.7, lambda rng, n: rng.beta(5, 0.7, n)),
    mean_of("60 % zeros, both signs", 0, _sometimes(0.4, lambda rng, n: rng.normal(size=n))),
    mean_of("60 % zeros, one sign", 0.4, _sometimes(0.4, lambda rng, n: rng.exponential(size=n))),
]


def _ratio_of_sums(rng: np.random.Generator, count: int) -> Draw:
    """Margins of one to six pairs per clip, with an effect of the clip."""
    clip = np.repeat(np.arange(count), rng.integers(1, 7, count))
    values = rng.normal(size=count)[clip] + rng.normal(size=len(clip))
    (found,) = ratio_interval(clip, values[:, None], np.ones((len(clip), 1)))
    return found, percentile(_rows(clip, values), _ratio)


def _speakers(rng: np.random.Generator, count: int) -> Draw:
    """Clips within speakers, of whom one may have fifteen times as many as another."""
    speaker = np.repeat(np.arange(count), rng.integers(2, 31, count))
    values = 0.5 * rng.normal(size=count)[speaker] + rng.normal(size=len(speaker))
    return two_way_interval(values[None], speaker), percentile(_rows(speaker, values), _ratio)


def _seeds(rng: np.random.Generator, count: int, members: int = 3, effect: float = 0.3) -> Draw:
    """Trainings on the same clips, each with an effect of its own."""
    values = effect * rng.normal(size=(members, 1)) + rng.normal(size=count)
    values = values + rng.normal(size=(members, count))
    often = _often(count) @ values.T / count
    again = rng.multinomial(members, np.full(members, 1 / members), size=RESAMPLES)
    draws = (often * again).sum(axis=1) / members
    return two_way_interval(values, np.arange(count)), tuple(np.quantile(draws, [0.025, 0.975]))


def _share(share: float) -> Callable[[np.random.Generator, int], Draw]:
    def draw(rng: np.random.Generator, count: int) -> Draw:
        hits = (rng.random(count) < share).astype(float)
        old = percentile(_rows(np.arange(count), hits), _ratio)
        return count_interval(int(hits.sum()), count), old

    return draw


def _clustered(share: float) -> Callable[[np.random.Generator, int], Draw]:
    """Four pairs per clip, whose outcomes correlate (beta-binomial, .33)."""

    def draw(rng: np.random.Generator, count: int) -> Draw:
        clip = np.repeat(np.arange(count), 4)
        of_clip = rng.beta(2 * share, 2 * (1 - share), count)
        hits = (rng.random(len(clip)) < of_clip[clip]).astype(float)
        return share_interval(clip, hits), percentile(_rows(clip, hits), _ratio)

    return draw


def _answers(rng: np.random.Generator, count: int, people: int = 4) -> Draw:
    """Listeners on the same clips, both with effects of their own."""
    clip, who = (one.ravel() for one in np.indices((count, people)))
    tilt = 0.5 * rng.normal(size=count)[clip] + 0.5 * rng.normal(size=people)[who]
    hits = (tilt + rng.normal(size=len(clip)) > 0).astype(float)
    return share_interval(clip, hits, who), percentile(_rows(clip, hits), _ratio)


def _scored(rng: np.random.Generator, clips: int, candidates: int = 5) -> list[np.ndarray]:
    """Three scores that share half of their variance."""
    common = rng.normal(size=(clips, candidates, 1))
    return list(common + rng.normal(size=(clips, candidates, 3)))


def _tau_now(clips: list[np.ndarray]) -> tuple[Estimate, np.ndarray]:
    made = judged(clips)
    sums, count = pair_sums(comparisons(made), 0, 1)
    rows = float(sums[:, 3].sum())
    return interval(sums, kendall_tau, (-1.0, 1.0), rows, count)[0], sums


def _tau(rng: np.random.Generator, count: int) -> Draw:
    found, sums = _tau_now(_scored(rng, count))
    return found, percentile(sums, kendall_tau)


def _alpha_now(clips: list[np.ndarray]) -> Estimate:
    made = judged(clips)
    rank, rows = ranks(made, made.voters)
    return krippendorff_alpha(rank, made.clip[rows])


def _votes_now(clips: list[np.ndarray]) -> Estimate:
    found = effective_votes(judged(clips))
    return Estimate(found["value"], found["low"], found["high"], found["clips"])


def _slope(rng: np.random.Generator, count: int) -> Draw:
    """Three answers per clip that follow the margin."""
    clip = np.repeat(np.arange(count), 3)
    margin = rng.uniform(0, 3, count)[clip]
    credit = (rng.random(len(clip)) < 1 / (1 + np.exp(-1.2 * margin))).astype(float)
    slope = logistic_slope(margin, credit)
    bounds = slope_interval(margin, credit, clip, slope)
    return Estimate(slope, *(bounds or (None, None)), clusters=count), None


def _of_scores(now: Callable[[list[np.ndarray]], Estimate], name: str) -> Kind:
    truth = now(_scored(np.random.default_rng(7), 20_000)).value
    return Kind(name, truth, lambda rng, count: (now(_scored(rng, count)), None))


@lru_cache(maxsize=1)
def kinds() -> tuple[Kind, ...]:
    """Every row of the table."""
    return (
        *MEANS,
        Kind("ratio of sums, 1 to 6 pairs a clip", 0, _ratio_of_sums),
        Kind("2 to 30 clips a speaker", 0, _speakers),
        Kind("3 trainings on the clips", 0, _seeds),
        Kind("2 trainings, far apart", 0, partial(_seeds, members=2, effect=1.0)),
        *(Kind(f"share of {one}", one, _share(one)) for one in (0.5, 0.8, 0.95)),
        *(Kind(f"share of {one}, 4 pairs a clip", one, _clustered(one)) for one in (0.5, 0.9)),
        Kind("share, 4 listeners", 0.5, _answers),
        Kind("share, 2 listeners", 0.5, partial(_answers, people=2)),
        Kind("Kendall's tau", _tau_now(_scored(np.random.default_rng(7), 20_000))[0].value, _tau),
        _of_scores(_alpha_now, "Krippendorff's alpha"),
        _of_scores(_votes_now, "effective votes"),
        Kind("slope over margins", 1.2, _slope),
    )


def coverage(kind: Kind, clusters: int, rounds: int, seed: int = 0) -> dict[str, float]:
    """Measure the share of intervals that hold the truth, of those there are, and their width.

    Returns:
        ``now``, ``width``, ``none`` (the share without an interval) and ``before``, NaN where
        the percentile bootstrap was not used.
    """
    rng = np.random.default_rng([seed, clusters])
    draws = [kind.draw(rng, clusters) for _ in range(rounds)]
    now = [one.bounds for one, _ in draws if one.bounds]
    old = [bounds for _, bounds in draws if bounds]
    return {
        "now": _held(now, kind.truth),
        "width": float(np.median([high - low for low, high in now])) if now else np.nan,
        "none": 1 - len(now) / rounds,
        "before": _held(old, kind.truth),
    }


def _held(bounds: Sequence[Sequence[float]], truth: float) -> float:
    near = 1e-9  # a bound may be the truth
    held = [low - near <= truth <= high + near for low, high in bounds]
    return float(np.mean(held)) if held else np.nan


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--clusters", type=int, nargs="+", default=list(CLUSTERS))
    asked = parser.parse_args()
    heads = [f"{n}" for n in asked.clusters]
    print("| " + " | ".join(["clips:", *heads]) + " |")
    print("|" + "---|" * (1 + len(heads)))
    for kind in kinds():
        cells = []
        for clusters in asked.clusters:
            told = coverage(kind, clusters, asked.rounds)
            old = "" if np.isnan(told["before"]) else f" ({told['before']:.2f})"
            cells.append(f"{told['now']:.3f}{old} w {told['width']:.2f}")
        print(f"| {kind.name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
