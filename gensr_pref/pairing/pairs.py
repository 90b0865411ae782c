"""From the scores table to the pairs table, under the run file's rule."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gensr_pref.config import Pairing
from gensr_pref.errors import ConfigError, RuleError, nearest
from gensr_pref.pairing.base import Ballot, Pair, PairRule, Scores, Vote, margins, spread


def cast_votes(panel: Sequence[Vote], pairing: Pairing) -> list[Vote]:
    """The panel's votes with the run file's margins, ties and bounds.

    Raises:
        ConfigError: a margin, tie, floor or ceiling for a score that the panel does not give, or
            a panel in which nothing votes.
    """
    known = [vote.score for vote in panel]
    for section in ("margin", "tie", "min", "max", "votes"):
        for score in getattr(pairing, section) or ():
            if score not in known:
                raise ConfigError(
                    f"pairing.{section}.{score}: the panel gives no such score. "
                    f"{nearest(score, known)}"
                )
    votes = [_cast(vote, pairing) for vote in panel]
    if not any(vote.votes for vote in votes):
        raise ConfigError(
            "no score votes. Give at least one metric of the panel vote: true, or name "
            "scores in pairing.votes"
        )
    silent = [vote.score for vote in votes if not vote.votes]
    for section in ("margin", "tie"):
        for score in getattr(pairing, section):
            if score in silent:
                raise ConfigError(
                    f"pairing.{section}.{score}: the score does not vote, so this would do "
                    "nothing. Let it vote (pairing.votes), or use pairing.min or pairing.max"
                )
    return votes


def ballots(
    scores: pa.Table, generators: dict[str, str], votes: Sequence[Vote]
) -> Iterator[tuple[str, list[str], Ballot]]:
    """Every clip's id, its candidates' ids and its ballot, in the table's order.

    Args:
        scores: the scores table.
        generators: candidate id -> generator; rows of other ids (the noisy input) are left out.
        votes: from `cast_votes`.
    """
    ids = [str(value) for value in scores.column("candidate_id").to_pylist()]
    rows = np.array([k for k, name in enumerate(ids) if name in generators], dtype=np.int64)
    if not len(rows):
        return
    value = matrix(scores, [vote.score for vote in votes])[rows]
    clips = np.array(scores.column("clip_id").to_pylist(), dtype=object)[rows]
    label = np.array([generators[ids[k]] for k in rows], dtype=object)
    groups = np.unique([f"{c}/{g}" for c, g in zip(clips, label, strict=True)], return_inverse=True)
    spreads = spread(value, groups[1])
    starts = np.flatnonzero(np.r_[True, clips[1:] != clips[:-1]])
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        here = slice(start, end)
        ballot = Ballot(value[here], list(label[here]), votes, spreads)
        yield str(clips[start]), [ids[k] for k in rows[here]], ballot


def judged(ballot: Ballot, rule: PairRule, pairing: Pairing, clip: str = "") -> list[Pair]:
    """What a rule makes of a ballot, its candidates with a null on a vote left out.

    Args:
        clip: its id, for the error message.

    Raises:
        RuleError: the rule raised, or what it gave is not a list of pairs of different candidates,
            each once.
    """
    voting = [k for k, vote in enumerate(ballot.votes) if vote.votes]
    rows = np.flatnonzero(np.isfinite(ballot.scores[:, voting]).all(axis=1))
    known = replace(
        ballot, scores=ballot.scores[rows], generators=[ballot.generators[int(k)] for k in rows]
    )
    try:
        pairs = [_checked(pair, rows) for pair in rule(known, pairing)]
    except Exception as error:  # a rule may be anyone's code
        what = f"{type(error).__name__}: {error}"
        raise RuleError(
            f"pairing.rule: {pairing.rule!r} failed on clip {clip!r}: {what}"
        ) from error
    if len({(pair.chosen, pair.rejected) for pair in pairs}) < len(pairs):
        raise RuleError(f"pairing.rule: {pairing.rule!r} gives clip {clip!r} a pair twice")
    return pairs[: pairing.pairs_per_clip]


def _checked(pair: Pair, rows: npt.NDArray[np.int64]) -> Pair:
    """The pair in rows of the whole ballot."""
    chosen, rejected = operator.index(pair.chosen), operator.index(pair.rejected)
    if chosen == rejected or min(chosen, rejected) < 0:
        raise ValueError(f"chosen {chosen} and rejected {rejected} are not two candidates")
    return Pair(int(rows[chosen]), int(rows[rejected]), float(pair.strength))


def matrix(scores: pa.Table, names: Sequence[str]) -> Scores:
    """[R, M] score columns as float64, NaN where null."""
    columns = [scores.column(name).to_numpy(zero_copy_only=False) for name in names]
    return np.stack(columns, axis=1).astype(np.float64)


def make(
    scores: pa.Table,
    generators: dict[str, str],
    votes: Sequence[Vote],
    rule: PairRule,
    pairing: Pairing,
) -> list[dict[str, Any]]:
    """All rows of the pairs table, in the order of the clips in the scores table."""
    rows = []
    for clip, ids, ballot in ballots(scores, generators, votes):
        for rank, pair in enumerate(judged(ballot, rule, pairing, clip)):
            named = zip((vote.score for vote in votes), margins(ballot, pair), strict=True)
            rows.append(
                {
                    "pair_id": f"{clip}/{pairing.rule}/{rank}",
                    "clip_id": clip,
                    "chosen_id": ids[pair.chosen],
                    "rejected_id": ids[pair.rejected],
                    "rule": pairing.rule,
                    "margins": dict(named),
                    "rank": rank,
                }
            )
    return rows


def _cast(vote: Vote, pairing: Pairing) -> Vote:
    tie = pairing.tie.get(vote.score)
    return replace(
        vote,
        votes=vote.votes if pairing.votes is None else vote.score in pairing.votes,
        margin=pairing.margin.get(vote.score, vote.margin),
        ties=vote.ties if tie is None else tie == "allow",
        floor=pairing.min.get(vote.score),
        ceiling=pairing.max.get(vote.score),
    )
