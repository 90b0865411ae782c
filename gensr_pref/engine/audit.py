"""A first audit of a run: how many pairs each vote would give, and how far the votes agree.

The chance level stands beside every yield: with several votes and many candidates, shuffled scores
find "unanimous" pairs too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gensr_pref import shards
from gensr_pref.audit import agreement
from gensr_pref.audit.bootstrap import mean_interval
from gensr_pref.config import Pairing, parse
from gensr_pref.engine import rundir
from gensr_pref.engine.blueprint import find_rule
from gensr_pref.engine.pair import generators, votes_for
from gensr_pref.identity import is_noisy
from gensr_pref.pairing import yields
from gensr_pref.pairing.base import Ballot, Scores, Vote, oriented
from gensr_pref.pairing.pairs import ballots, matrix
from gensr_pref.schema import column

Mask = npt.NDArray[np.bool_]


def audit(out: Path) -> dict[str, Any]:
    """Compute the audit of a run directory and write ``audit/audit.json``.

    Returns:
        What was written: ``yield`` (joint, by_chance, alone per score), ``agreement`` (Kendall's
        tau-b and agreement rate of every two voting scores), ``means`` per score of the noisy
        input, all candidates, chosen and rejected, ``improvement`` per score of a clip's mean
        candidate over its noisy input (mean over clips, low, high; positive is better).

    Raises:
        InputError: not a run directory.
        StorageError: it has no scores or pairs yet.
    """
    document = rundir.document(out)
    votes = votes_for(document)
    scores = shards.read_all(out, "scores")
    clips = [ballot for _, _, ballot in ballots(scores, generators(out), votes)]
    count = shards.count(out, "clips")
    value = matrix(scores, [vote.score for vote in votes])
    noisy = np.array([is_noisy(name) for name in column(scores, "candidate_id")], dtype=bool)
    found = {
        "clips": count,
        "yield": _yields(clips, votes, parse(document["pairing"], Pairing, "pairing"), count),
        "agreement": _agreement(clips, votes),
        "means": _means(out, scores, value, noisy, votes),
        "improvement": _improvement(scores, value, noisy, votes),
    }
    shards.write_text(out / "audit" / "audit.json", json.dumps(found, indent=2) + "\n")
    return found


def _yields(clips: list[Ballot], votes: list[Vote], pairing: Pairing, count: int) -> dict[str, Any]:
    """Shares of all `count` clips, those without candidates too."""
    rule = find_rule(pairing.rule)
    return {
        "joint": _share(yields.joint(clips, rule, pairing), count),
        "by_chance": _share(yields.by_chance(clips, rule, pairing), count),
        "alone": {
            vote.score: _share(yields.alone(clips, rule, pairing, vote.score), count)
            for vote in votes
            if vote.votes
        },
    }


def _agreement(clips: list[Ballot], votes: list[Vote]) -> list[dict[str, Any]]:
    sign = agreement.signs([oriented(ballot) for ballot in clips])
    voting = [place for place, vote in enumerate(votes) if vote.votes] if len(sign) else []
    tau, rate = agreement.kendall_tau(sign), agreement.agreement_rate(sign)
    return [
        {
            "scores": [votes[a].score, votes[b].score],
            "kendall_tau": _number(tau[a, b]),
            "agreement_rate": _number(rate[a, b]),
        }
        for place, a in enumerate(voting)
        for b in voting[place + 1 :]
    ]


def _means(
    out: Path, scores: pa.Table, value: Scores, noisy: Mask, votes: list[Vote]
) -> dict[str, dict[str, float | None]]:
    """Per score, the mean over the noisy inputs, candidates, chosen and rejected."""
    pairs = shards.read_all(out, "pairs", ["chosen_id", "rejected_id"])
    ids = np.array(column(scores, "candidate_id"), dtype=object)
    rows = {
        "noisy": noisy,
        "candidates": ~noisy,
        "chosen": np.isin(ids, column(pairs, "chosen_id")),
        "rejected": np.isin(ids, column(pairs, "rejected_id")),
    }
    return {
        vote.score: {role: _mean(value[mask, k]) for role, mask in rows.items()}
        for k, vote in enumerate(votes)
    }


def _improvement(
    scores: pa.Table, value: Scores, noisy: Mask, votes: list[Vote]
) -> dict[str, list[float] | None]:
    """Per score, how much better a clip's mean candidate is than its noisy input."""
    clips = np.array(column(scores, "clip_id"), dtype=object)
    names, number = np.unique(clips, return_inverse=True)
    before, after = (_mean_by(value[m], number[m], len(names)) for m in (noisy, ~noisy))
    better = (after - before) * [1.0 if vote.higher_is_better else -1.0 for vote in votes]
    intervals = [mean_interval(gain) for gain in better.T]
    return {
        vote.score: None if found is None else list(found)
        for vote, found in zip(votes, intervals, strict=True)
    }


def _mean_by(value: Any, number: Any, groups: int) -> Any:
    """[groups, M] means of the known rows [R, M] of each group; NaN where none is known."""
    total, known = np.zeros((groups, value.shape[1])), np.zeros((groups, value.shape[1]))
    np.add.at(total, number, np.nan_to_num(value))
    np.add.at(known, number, np.isfinite(value))
    return np.divide(total, known, out=np.full_like(total, np.nan), where=known > 0)


def _mean(values: Any) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _share(clips: float, count: int) -> float | None:
    return clips / count if count else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
