"""Makes the pairs table from the scores table, with the rule of the run file."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.config.run_file import Pairing
from gensr_pref.errors import Problem, RuleError
from gensr_pref.identity import CLEAN
from gensr_pref.pairing.base import (
    CODE,
    STANDS,
    Ballot,
    NoPairReason,
    Pair,
    PairRule,
    Pairwise,
    Rows,
    Verdicts,
    Vote,
    strongest,
    voting_columns,
    wants_clean,
)
from gensr_pref.pairing.columns import (
    Generators,
    ScoreColumns,
    add_clean_targets,
    clip_blocks,
    columns,
)
from gensr_pref.schema import pairs_schema


class PairRow(TypedDict):
    """A row of the pairs table.

    Keys:
        pair_id: clip id, rule and rank.
        clip_id: the clip of both candidates.
        chosen_id, rejected_id: candidate ids.
        rule: the rule of the run file.
        margins: how much better chosen is, by score; None if either score is null.
        rank: position among the pairs of the clip, from 0, the best first.
    """

    pair_id: str
    clip_id: str
    chosen_id: str
    rejected_id: str
    rule: str
    margins: dict[str, float | None]
    rank: int


@dataclass(frozen=True)
class RulePairs:
    """The pairs that a rule makes of a run.

    Attributes:
        chosen, rejected: [P] rows of `ScoreColumns`, clip by clip, the best pair of a clip first.
        rank: [P] from 0 in each clip.
        reasons: the number of clips without a pair, by reason.
    """

    chosen: Rows
    rejected: Rows
    rank: Rows
    reasons: Mapping[NoPairReason, int]


def ballots(candidates: ScoreColumns) -> Iterator[tuple[str, Rows, Ballot]]:
    """Yield the id, the candidates' rows and the ballot of each clip, in order."""
    starts = np.flatnonzero(
        np.r_[True, candidates.clip[1:] != candidates.clip[:-1]][: len(candidates.clip)]
    )
    names = candidates.clip_ids.to_pylist()
    for start, end in zip(starts, [*starts[1:], len(candidates.clip)], strict=True):
        rows = np.arange(start, end)
        yield names[candidates.clip[start]], rows, candidates.ballot(rows)


def pair_clip(ballot: Ballot, rule: PairRule, pairing: Pairing, clip: str = "") -> list[Pair]:
    """Return the pairs that a rule makes of a ballot without the candidates that lack a vote.

    Args:
        clip: clip id for the error message.

    Raises:
        RuleError: the rule raised an exception, or its result is not a list of pairs of different
            candidates without repetition.
    """
    votes = voting_columns(ballot.votes)
    rows = np.flatnonzero(np.isfinite(ballot.scores[:, votes]).all(axis=1))
    known = replace(
        ballot, scores=ballot.scores[rows], generators=[ballot.generators[int(k)] for k in rows]
    )
    try:
        pairs = [_check_pair(pair, rows) for pair in rule(known, pairing)]
    except Exception as error:  # a rule may be the user's own code
        what = f"{type(error).__name__}: {error}"
        raise RuleError(
            f"{pairing.rule!r} failed on clip {clip!r}: {what}",
            field="pairing.rule",
            value=clip,
            problem=Problem.FAILED,
        ) from error
    if len({(pair.chosen, pair.rejected) for pair in pairs}) < len(pairs):
        raise RuleError(
            f"{pairing.rule!r} gives clip {clip!r} a pair twice",
            field="pairing.rule",
            value=clip,
            problem=Problem.DUPLICATE,
        )
    return pairs[: pairing.pairs_per_clip]


def _check_pair(pair: Pair, rows: npt.NDArray[np.int64]) -> Pair:
    """Return the pair with row numbers of the whole ballot."""
    chosen, rejected = operator.index(pair.chosen), operator.index(pair.rejected)
    if chosen == rejected or min(chosen, rejected) < 0:
        raise ValueError(f"chosen {chosen} and rejected {rejected} are not two candidates")
    return Pair(int(rows[chosen]), int(rows[rejected]), float(pair.strength))


def pair_clips(candidates: ScoreColumns, rule: PairRule, pairing: Pairing) -> RulePairs:
    """Make all pairs of a run, and count the reasons of the clips without a pair.

    Candidates with a null on a voting score are left out. `Pairwise` rules judge many clips at
    once; others are called for one clip at a time.

    Raises:
        RuleError: the user's own rule raised an exception or gave an invalid pair.
    """
    rows = np.flatnonzero(candidates.has_all_votes())
    counted = np.bincount(candidates.clip, minlength=len(candidates.clip_ids))
    if wants_clean(rule):
        counted -= np.bincount(
            candidates.clip[_is_clean(candidates)], minlength=len(candidates.clip_ids)
        )
    reason = np.full(len(candidates.clip_ids), CODE[NoPairReason.NULL])
    reason[counted == 1] = CODE[NoPairReason.ONE_CANDIDATE]
    if isinstance(rule, Pairwise):
        chosen, rejected, rank = _pair_in_blocks(candidates, rule, pairing, rows, reason)
    else:
        chosen, rejected, rank = _pair_one_by_one(candidates, rule, pairing, rows, reason)
    order = np.lexsort((rank, candidates.clip[chosen]))
    without = np.setdiff1d(np.arange(len(reason)), candidates.clip[chosen])
    codes, count = np.unique(reason[without], return_counts=True)
    reasons = {
        list(NoPairReason)[int(code) - 1]: int(n) for code, n in zip(codes, count, strict=True)
    }
    return RulePairs(chosen[order], rejected[order], rank[order], reasons)


def _pair_in_blocks(
    candidates: ScoreColumns, rule: Pairwise, pairing: Pairing, rows: Rows, reason: Rows
) -> tuple[Rows, Rows, Rows]:
    parts = [(rows[:0], rows[:0], rows[:0])]
    for block in clip_blocks(candidates.clip, rows):
        verdicts = rule.judge(candidates.ballot(block), pairing)
        _require_different(verdicts, pairing, candidates, block)
        best = strongest(verdicts.code, verdicts.strength, pairing.pairs_per_clip)
        parts.append((block[best.clip, best.chosen], block[best.clip, best.rejected], best.rank))
        size = block.shape[1]
        if size > 1:
            different = ~np.eye(size, dtype=bool)
            reason[candidates.clip[block[:, 0]]] = verdicts.code[:, different].min(axis=1)
        if rule.clean:
            lacking = ~_is_clean(candidates)[block[:, 0]]
            reason[candidates.clip[block[lacking, 0]]] = CODE[NoPairReason.NO_CLEAN]
    chosen, rejected, rank = (np.concatenate(part) for part in zip(*parts, strict=True))
    return chosen, rejected, rank


def _require_different(
    verdicts: Verdicts, pairing: Pairing, candidates: ScoreColumns, block: Rows
) -> None:
    """Refuse verdicts that pair a candidate with itself."""
    alone = (np.diagonal(verdicts.code, axis1=-2, axis2=-1) == STANDS).any(axis=-1)
    if alone.any():
        clip = candidates.clip_ids[int(candidates.clip[block[alone.argmax(), 0]])]
        raise RuleError(
            f"{pairing.rule!r} pairs a candidate of clip {clip!r} with itself",
            field="pairing.rule",
            value=clip,
            problem=Problem.FAILED,
        )


def _pair_one_by_one(
    candidates: ScoreColumns, rule: PairRule, pairing: Pairing, rows: Rows, reason: Rows
) -> tuple[Rows, Rows, Rows]:
    known = np.bincount(candidates.clip[rows], minlength=len(reason))
    reason[known > 1] = CODE[NoPairReason.RULE]
    parts = [
        (clip_rows[pair.chosen], clip_rows[pair.rejected], rank)
        for clip, clip_rows, ballot in ballots(candidates)
        for rank, pair in enumerate(pair_clip(ballot, rule, pairing, clip))
    ]
    pairs_table = np.array(parts, dtype=np.int64).reshape(-1, 3)
    return pairs_table[:, 0], pairs_table[:, 1], pairs_table[:, 2]


def make_pairs(
    scores: pa.Table,
    generators: Generators,
    votes: Sequence[Vote],
    rule: PairRule,
    pairing: Pairing,
    clean: Sequence[str] | pa.Array = (),
) -> list[PairRow]:
    """Return all rows of the pairs table, in the order of the clips in the scores table.

    Args:
        clean: ids of the clips that have a clean target; only `golden` uses them.
    """
    candidates = columns(scores, generators, votes)
    if wants_clean(rule):
        candidates = add_clean_targets(candidates, clean)
    table = pairs_table(candidates, pair_clips(candidates, rule, pairing), pairing.rule)
    rows: list[PairRow] = table.to_pylist()
    return rows


def pairs_table(candidates: ScoreColumns, pairs: RulePairs, rule: str) -> pa.Table:
    """Return the pairs table, with the columns of `PairRow`."""
    clips = candidates.clip_ids.take(pa.array(candidates.clip[pairs.chosen]))
    ranks = pa.array(pairs.rank.astype(np.int32))
    ids = pc.binary_join_element_wise(clips, rule, ranks.cast(pa.string()), "/")
    columns = {
        "pair_id": ids,
        "clip_id": clips,
        "chosen_id": candidates.ids.take(pa.array(pairs.chosen)),
        "rejected_id": candidates.ids.take(pa.array(pairs.rejected)),
        "rule": pa.repeat(rule, len(pairs.rank)),
        "margins": _margins(candidates, pairs),
        "rank": ranks,
    }
    form = pairs_schema(vote.score for vote in candidates.votes)
    return pa.table([columns[name] for name in form.names], schema=form)


def _margins(candidates: ScoreColumns, pairs: RulePairs) -> pa.StructArray:
    names = [vote.score for vote in candidates.votes]
    sign = np.array([1.0 if vote.higher_is_better else -1.0 for vote in candidates.votes])
    margin = ((candidates.scores[pairs.chosen] - candidates.scores[pairs.rejected]) * sign).astype(
        np.float32
    )
    return pa.StructArray.from_arrays([pa.array(m, from_pandas=True) for m in margin.T], names)


def _is_clean(candidates: ScoreColumns) -> npt.NDArray[np.bool_]:
    return np.asarray(candidates.generators == CLEAN)
