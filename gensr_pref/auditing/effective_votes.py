"""How many independent votes a panel is, which vote stops pairs, and what each costs in yield."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gensr_pref.auditing.agreement import krippendorff_alpha
from gensr_pref.auditing.base import (
    Array,
    Comparisons,
    Judged,
    Mask,
    comparisons,
    ranks,
    shuffle_scores,
)
from gensr_pref.statistics.intervals import Estimate, interval, share_interval, totals

Bits = npt.NDArray[np.uint32]  # so, at most 32 votes
SHUFFLED_CLIPS = 40_000  # so many are shuffled in all; more change the third digit
SHUFFLED_COMPARISONS = 1_000_000  # of one shuffle; beyond, clips are drawn
_ROUNDS = (2, 20)


@dataclass(frozen=True)
class Tally:
    """What every vote says of every comparison, as bits: vote k is bit k of the voters.

    Attributes:
        clip: [Q].
        against: [2, Q] votes that stop the pair if first (0) or second (1) is chosen: they prefer
            the other, or differ by no more than a margin that must be passed.
        won: [2, Q] votes that the chosen wins.
        keeps: [2, Q] whether the chosen keeps the bounds.
        clips: of the run.
    """

    clip: npt.NDArray[np.int64]
    against: Bits
    won: Bits
    keeps: Mask
    clips: int

    def stands(self, votes: int) -> Mask:
        """[2, Q] where a pair is unanimous among the votes whose bits are set."""
        mine = np.uint32(votes)
        return np.asarray(((self.against & mine) == 0) & ((self.won & mine) != 0) & self.keeps)

    def share(self, votes: int) -> float | None:
        """Share of the clips with a pair that is unanimous among those votes."""
        if not self.clips:
            return None
        has = np.zeros(int(self.clip.max(initial=-1)) + 1, dtype=bool)
        has[self.clip[self.stands(votes).any(axis=0)]] = True
        return int(has.sum()) / self.clips

    def decided(self, votes: int) -> float | None:
        """Share of the comparisons in which those votes are unanimous."""
        stands = self.stands(votes)
        return float((stands[0] | stands[1]).mean()) if stands.shape[1] else None


def tally(judged: Judged, compared: Comparisons, raised: float = 0.0) -> Tally:
    """The votes of every comparison.

    Args:
        raised: every margin is raised by so many spreads.
    """
    shape = (2, len(compared.clip))
    against, won = np.zeros(shape, dtype=np.uint32), np.zeros(shape, dtype=np.uint32)
    for place, score in enumerate(judged.voters):
        margin = judged.margin[score] + raised * judged.spreads[score]
        value = judged.value[:, score]  # in full precision: a margin may be met exactly
        difference = value[compared.first] - value[compared.second]
        for side, gain in enumerate((difference, -difference)):
            wins, loses = gain > margin, gain < -margin
            stopped = loses if judged.ties[score] else ~wins
            against[side] |= stopped.astype(np.uint32) << place
            won[side] |= wins.astype(np.uint32) << place
    keeps = np.stack([judged.keeps[compared.first], judged.keeps[compared.second]])
    return Tally(compared.clip, against, won, keeps, compared.clips)


def effective_votes(judged: Judged) -> dict[str, Any]:
    """How many independent votes the panel really is.

    From the eigenvalues l of the matrix [V, V] of the votes' rank correlations within clips
    (mid-ranks, centred by group, pooled). The value is the participation ratio
    ``(sum l)^2 / sum l^2`` (the effective number of degrees of freedom of Bretherton et al. 1999,
    J. Climate 12, eq. 5): V where votes are uncorrelated, 1 where all are the same, without jumps.
    Beside it, two measures of the effective number of tests:
    ``1 + (V - 1) (1 - Var(l) / V)`` (Nyholt 2004, Am. J. Hum. Genet. 74) and
    ``sum [l >= 1] + (l - floor(l))`` (Li & Ji 2005, Heredity 95).

    Returns:
        votes (that differ at all), value, low, high (None where there is none), nyholt, li_ji,
        eigenvalues (falling), krippendorff_alpha (of all votes together) and its interval.
    """
    rank, rows = ranks(judged, judged.voters)
    group = np.unique(judged.group[rows], return_inverse=True)[1]
    size = np.maximum(np.bincount(group), 1)
    means = [np.bincount(group, column) / size for column in rank.T]
    centred = rank - np.stack([mean[group] for mean in means], axis=1) if means else rank
    differs = np.abs(centred).sum(axis=0) > 0
    centred = centred[:, differs]
    width = centred.shape[1]
    products = (centred[:, :, None] * centred[:, None, :]).reshape(len(centred), width * width)
    clip = judged.clip[rows]
    found, eigen = _ratio_interval(totals(clip, products), width, len(np.unique(clip)))
    alpha = krippendorff_alpha(rank, clip)
    return {
        "votes": width,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "clips": found.clusters,
        "nyholt": nyholt(eigen) if width else None,
        "li_ji": li_ji(eigen) if width else None,
        "eigenvalues": [float(value) for value in eigen[::-1]],
        "krippendorff_alpha": alpha.value,
        "krippendorff_alpha_interval": alpha.bounds,
    }


def _ratio_interval(sums: Array, width: int, clips: int) -> tuple[Estimate, Array]:
    """The participation ratio of sums of products [B, V * V], and the eigenvalues, rising."""
    if not width:
        return Estimate(None), np.zeros(0)
    eigen = _eigenvalues(sums.sum(axis=0), width)
    if width == 1:
        return Estimate(1.0, clusters=clips), eigen
    ratio = lambda t: participation_ratio(_eigenvalues(t, width))  # noqa: E731
    return interval(sums, ratio, (1.0, float(width)), clusters=clips)[0], eigen


def participation_ratio(eigenvalues: Array) -> Array:
    """[..., 1] ``(sum l)^2 / sum l^2`` of eigenvalues [..., V]."""
    total = eigenvalues.sum(axis=-1, keepdims=True)
    return np.asarray(total**2 / (eigenvalues**2).sum(axis=-1, keepdims=True))


def nyholt(eigenvalues: Array) -> float:
    """``1 + (V - 1) (1 - Var(l) / V)``, the variance with V - 1 (Nyholt 2004)."""
    width = len(eigenvalues)
    if width < 2:
        return float(width)
    return float(1 + (width - 1) * (1 - eigenvalues.var(ddof=1) / width))


def li_ji(eigenvalues: Array) -> float:
    """``sum [l >= 1] + (l - floor(l))`` (Li & Ji 2005); rounding is kept from making a step."""
    value = np.round(np.abs(eigenvalues), 9)
    return float(((value >= 1) + (value - np.floor(value))).sum())


def _eigenvalues(sums: Array, width: int) -> Array:
    """[..., V] of the correlations in sums of products [..., V * V]; NaN where one is unknown."""
    table = sums.reshape(*sums.shape[:-1], width, width)
    scale = np.sqrt(np.diagonal(table, axis1=-2, axis2=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = table / (scale[..., :, None] * scale[..., None, :])
    known = np.isfinite(matrix).all(axis=(-2, -1))
    found = np.linalg.eigvalsh(np.where(known[..., None, None], matrix, np.eye(width)))
    return np.asarray(np.where(known[..., None], found, np.nan))


def shuffles(judged: Judged) -> Iterator[tuple[Judged, Comparisons]]:
    """The same candidates if their scores knew nothing of each other, again and again.

    20 seeded shuffles of every score within each group, apart from the others; fewer (2 at least)
    where the run has over 2000 clips.
    """
    least, most = _ROUNDS
    for turn in range(min(most, max(least, SHUFFLED_CLIPS // max(judged.clips, 1)))):
        mixed = shuffle_scores(judged, turn)
        yield mixed, comparisons(mixed, SHUFFLED_COMPARISONS)


def panel_yields(judged: Judged, compared: Comparisons) -> dict[str, Any]:
    """Shares of the clips with a unanimous pair, and of the comparisons that are unanimous.

    Each beside its chance level, the mean over `shuffles`. With many candidates nearly every clip
    has a pair, by luck too; the share of comparisons still tells the two apart.

    Returns:
        ``joint``; ``alone``: only that score votes; ``without``: it does not vote, or None where
        no other does; ``forward``: the votes so far, in the panel's order. Every leaf is
        {yield, by_chance, comparisons, comparisons_by_chance}.
    """
    names = [judged.names[k] for k in judged.voters]
    everyone = (1 << len(names)) - 1
    wanted = {("joint", ""): everyone}
    for place, name in enumerate(names):
        wanted["alone", name] = 1 << place
        wanted["without", name] = everyone & ~(1 << place)
        wanted["forward", name] = (1 << (place + 1)) - 1
    here = _shares(tally(judged, compared), wanted.values())
    luck = [_shares(tally(*mixed), wanted.values()) for mixed in shuffles(judged)]
    leaves = {
        key: _beside_chance(here[votes], [one[votes] for one in luck]) if votes else None
        for key, votes in wanted.items()
    }
    return {
        "joint": leaves["joint", ""],
        **{kind: {n: leaves[kind, n] for n in names} for kind in ("alone", "without", "forward")},
    }


Shares = tuple[float | None, float | None]


def _shares(told: Tally, wanted: Iterable[int]) -> dict[int, Shares]:
    """Per set of votes, the share of clips with a pair and of comparisons that are one."""
    return {votes: (told.share(votes), told.decided(votes)) for votes in wanted}


def _beside_chance(here: Shares, luck: Sequence[Shares]) -> dict[str, float | None]:
    return {
        "yield": here[0],
        "by_chance": _mean([share for share, _ in luck]),
        "comparisons": here[1],
        "comparisons_by_chance": _mean([decided for _, decided in luck]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def vetoes(judged: Judged, compared: Comparisons) -> list[dict[str, Any]]:
    """Which vote stops most pairs.

    Returns:
        Per vote, the most obstructive first: ``alone_against``: the share of the comparisons that
        all other votes decide in which it stops the pair, with ``low`` and ``high`` over ``clips``
        that have such comparisons; ``comparisons``: how many they decide;
        ``yield_lost``: the share of clips that have a pair only if it does not vote.
    """
    here = tally(judged, compared)
    everyone = (1 << len(judged.voters)) - 1
    joint = here.stands(everyone).any(axis=0)
    with_pair = np.unique(here.clip[joint])
    found = []
    for place, score in enumerate(judged.voters):
        rest = everyone & ~(1 << place)
        decided = here.stands(rest).any(axis=0)
        stopped = decided & ~joint
        gained = np.setdiff1d(here.clip[decided], with_pair)
        against = share_interval(
            here.clip[decided], np.asarray(stopped)[decided].astype(np.float64)
        )
        found.append(
            {
                "score": judged.names[score],
                "comparisons": int(decided.sum()),
                "alone_against": against.value,
                "low": against.low,
                "high": against.high,
                "clips": against.clusters,
                "yield_lost": len(gained) / here.clips if here.clips and rest else None,
            }
        )
    return sorted(found, key=lambda row: (-(row["yield_lost"] or 0), -(row["alone_against"] or 0)))


def yield_by_margin(
    judged: Judged, compared: Comparisons, spreads: Sequence[float] = (0, 0.1, 0.25, 0.5, 1, 1.5, 2)
) -> list[dict[str, float | None]]:
    """The yield if every vote's margin were raised by so many of its spreads.

    Returns:
        {spreads, yield, by_chance}; the last is the mean over `shuffles`.
    """
    luck = [_by_margin(*mixed, spreads) for mixed in shuffles(judged)]
    return [
        {"spreads": float(s), "yield": share, "by_chance": _mean(by_chance)}
        for s, share, *by_chance in zip(
            spreads, _by_margin(judged, compared, spreads), *luck, strict=True
        )
    ]


def _by_margin(
    judged: Judged, compared: Comparisons, spreads: Sequence[float]
) -> list[float | None]:
    everyone = (1 << len(judged.voters)) - 1
    return [tally(judged, compared, raised).share(everyone) for raised in spreads]
