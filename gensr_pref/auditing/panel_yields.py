"""Computes the yield of all votes, of some of them and by chance, and what each vote costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from gensr_pref.auditing.base import (
    Comparisons,
    Mask,
    ScoredCandidates,
    comparisons,
    shuffle_scores,
)
from gensr_pref.pairing.unanimous import compare_on_vote
from gensr_pref.statistics.intervals import share_interval

Bits = npt.NDArray[np.uint32]  # one bit per vote: at most 32 votes
SHUFFLED_CLIPS = 40_000  # clips shuffled in all rounds together; more change the third digit
SHUFFLED_COMPARISONS = 1_000_000  # limit of one round; beyond it, clips are sampled
_MIN_ROUNDS, _MAX_ROUNDS = 2, 20
Shares = tuple[float | None, float | None]  # of clips with a pair, of unanimous comparisons


@dataclass(frozen=True)
class Tally:
    """The votes on every comparison as bits: bit k is the k-th score that votes.

    Attributes:
        clip: [Q] clip number.
        against: [2, Q] votes that stop the pair if first (0) or second (1) is chosen: they prefer
            the other candidate, or differ by no more than a margin that must be exceeded.
        won: [2, Q] votes that the chosen candidate wins.
        within_bounds: [2, Q] whether the chosen candidate satisfies the floors and ceilings.
        clips: the number of clips of the run.
    """

    clip: npt.NDArray[np.int64]
    against: Bits
    won: Bits
    within_bounds: Mask
    clips: int

    def unanimous(self, votes: int) -> Mask:
        """Return [2, Q] where a pair is unanimous among the votes whose bits are set."""
        mine = np.uint32(votes)
        return np.asarray(
            ((self.against & mine) == 0) & ((self.won & mine) != 0) & self.within_bounds
        )

    def clip_share(self, votes: int) -> float | None:
        """Return the share of the clips with a pair that is unanimous among these votes."""
        if not self.clips:
            return None
        has = np.zeros(int(self.clip.max(initial=-1)) + 1, dtype=bool)
        has[self.clip[self.unanimous(votes).any(axis=0)]] = True
        return int(has.sum()) / self.clips

    def comparison_share(self, votes: int) -> float | None:
        """Return the share of the comparisons in which these votes are unanimous."""
        pairs = self.unanimous(votes)
        return float((pairs[0] | pairs[1]).mean()) if pairs.shape[1] else None


def tally(judged: ScoredCandidates, compared: Comparisons, extra_spreads: float = 0.0) -> Tally:
    """Return the votes on every comparison.

    Args:
        extra_spreads: number of spreads that is added to every margin.
    """
    shape = (2, len(compared.clip))
    against, won = np.zeros(shape, dtype=np.uint32), np.zeros(shape, dtype=np.uint32)
    for bit, score in enumerate(judged.voters):
        margin = judged.margin[score] + extra_spreads * judged.spreads[score]
        value = judged.value[:, score]  # full precision: a difference may equal the margin
        difference = value[compared.first] - value[compared.second]
        for choice, gain in enumerate((difference, -difference)):
            outcome = compare_on_vote(gain, margin, judged.ties[score])
            against[choice] |= outcome.prevents.astype(np.uint32) << bit
            won[choice] |= outcome.won.astype(np.uint32) << bit
    within_bounds = np.stack(
        [judged.within_bounds[compared.first], judged.within_bounds[compared.second]]
    )
    return Tally(compared.clip, against, won, within_bounds, compared.clips)


# The share of clips with a unanimous pair, that of unanimous comparisons, and their chance levels.
PanelYield = TypedDict(
    "PanelYield",
    {
        "yield": float | None,
        "by_chance": float | None,
        "comparisons": float | None,
        "comparisons_by_chance": float | None,
    },
)

# The yield if a number of spreads were added to every margin; see `yield_by_margin`.
MarginYield = TypedDict(
    "MarginYield", {"spreads": float, "yield": float | None, "by_chance": float | None}
)


class PanelYields(TypedDict):
    """The yields of all votes and of some of them; see `panel_yields`."""

    joint: PanelYield | None
    alone: dict[str, PanelYield | None]
    without: dict[str, PanelYield | None]
    forward: dict[str, PanelYield | None]


class Veto(TypedDict):
    """The pairs that one vote alone stops; see `vetoes`."""

    score: str
    comparisons: int
    alone_against: float | None
    low: float | None
    high: float | None
    clips: int
    yield_lost: float | None


def shuffles(judged: ScoredCandidates) -> Iterator[tuple[ScoredCandidates, Comparisons]]:
    """Yield the candidates with independent scores, and their comparisons, several times.

    Each of the 20 seeded rounds shuffles every score separately within each group. A run with over
    2000 clips has fewer rounds, at least 2.
    """
    rounds = SHUFFLED_CLIPS // max(judged.clips, 1)
    for seed in range(min(_MAX_ROUNDS, max(_MIN_ROUNDS, rounds))):
        mixed = shuffle_scores(judged, seed)
        yield mixed, comparisons(mixed, SHUFFLED_COMPARISONS)


def panel_yields(judged: ScoredCandidates, compared: Comparisons) -> PanelYields:
    """Compute the share of clips with a unanimous pair, and that of unanimous comparisons.

    Each share has its chance level, the mean over `shuffles`. With many candidates nearly every
    clip has a pair, even by chance; the share of comparisons is still informative.

    Returns:
        ``joint``: all votes; ``alone``: only this score votes; ``without``: all others vote, None
        if there is no other; ``forward``: the votes up to this one, in the panel's order. Each
        entry is {yield, by_chance, comparisons, comparisons_by_chance}.
    """
    names = [judged.names[k] for k in judged.voters]
    everyone = (1 << len(names)) - 1
    subsets = {("joint", ""): everyone}
    for bit, name in enumerate(names):
        subsets["alone", name] = 1 << bit
        subsets["without", name] = everyone & ~(1 << bit)
        subsets["forward", name] = (1 << (bit + 1)) - 1
    actual = _shares(tally(judged, compared), subsets.values())
    chance = [_shares(tally(*mixed), subsets.values()) for mixed in shuffles(judged)]
    yields = {
        key: _beside_chance(actual[votes], [shares[votes] for shares in chance]) if votes else None
        for key, votes in subsets.items()
    }
    return {
        "joint": yields["joint", ""],
        "alone": {name: yields["alone", name] for name in names},
        "without": {name: yields["without", name] for name in names},
        "forward": {name: yields["forward", name] for name in names},
    }


def _shares(votes: Tally, subsets: Iterable[int]) -> dict[int, Shares]:
    """Return the share of clips with a pair and of unanimous comparisons, per subset of votes."""
    return {bits: (votes.clip_share(bits), votes.comparison_share(bits)) for bits in subsets}


def _beside_chance(actual: Shares, chance: Sequence[Shares]) -> PanelYield:
    return {
        "yield": actual[0],
        "by_chance": _mean([clips for clips, _ in chance]),
        "comparisons": actual[1],
        "comparisons_by_chance": _mean([compared for _, compared in chance]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def vetoes(judged: ScoredCandidates, compared: Comparisons) -> list[Veto]:
    """Measure how often each vote alone stops a pair.

    Returns:
        Per vote, sorted by what it costs: ``comparisons``: the number of comparisons that all other
        votes decide; ``alone_against``: the share of these in which this vote stops the pair, with
        ``low`` and ``high`` over the ``clips`` that have such comparisons; ``yield_lost``: the
        share of clips that have a pair only if it does not vote.
    """
    votes = tally(judged, compared)
    everyone = (1 << len(judged.voters)) - 1
    joint = votes.unanimous(everyone).any(axis=0)
    with_pair = np.unique(votes.clip[joint])
    results: list[Veto] = []
    for bit, score in enumerate(judged.voters):
        rest = everyone & ~(1 << bit)
        decided = votes.unanimous(rest).any(axis=0)
        stopped = decided & ~joint
        gained = np.setdiff1d(votes.clip[decided], with_pair)
        against = share_interval(
            votes.clip[decided], np.asarray(stopped)[decided].astype(np.float64)
        )
        results.append(
            {
                "score": judged.names[score],
                "comparisons": int(decided.sum()),
                "alone_against": against.value,
                "low": against.low,
                "high": against.high,
                "clips": against.clusters,
                "yield_lost": len(gained) / votes.clips if votes.clips and rest else None,
            }
        )
    return sorted(
        results, key=lambda row: (-(row["yield_lost"] or 0), -(row["alone_against"] or 0))
    )


def yield_by_margin(
    judged: ScoredCandidates,
    compared: Comparisons,
    spreads: Sequence[float] = (0, 0.1, 0.25, 0.5, 1, 1.5, 2),
) -> list[MarginYield]:
    """Compute the yield if a number of spreads were added to every vote's margin.

    Returns:
        {spreads, yield, by_chance}; the last is the mean over `shuffles`.
    """
    chance = [_by_margin(*mixed, spreads) for mixed in shuffles(judged)]
    return [
        {"spreads": float(s), "yield": share, "by_chance": _mean(by_chance)}
        for s, share, *by_chance in zip(
            spreads, _by_margin(judged, compared, spreads), *chance, strict=True
        )
    ]


def _by_margin(
    judged: ScoredCandidates, compared: Comparisons, spreads: Sequence[float]
) -> list[float | None]:
    everyone = (1 << len(judged.voters)) - 1
    return [
        tally(judged, compared, extra_spreads).clip_share(everyone) for extra_spreads in spreads
    ]
