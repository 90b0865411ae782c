"""Audits a run directory: what its pairs are worth, as numbers that a report can show.

The statistics are pure functions of the other modules; this one applies them to a run's tables.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypedDict, overload

import numpy as np

from gensr_pref.auditing import bias, candidates, means, pairs, panel_yields
from gensr_pref.auditing.agreement import pairwise_agreement
from gensr_pref.auditing.base import comparisons
from gensr_pref.auditing.document import (
    Audit,
    Counts,
    FullParts,
    MeanScores,
    Scale,
    ShortAudit,
    ShortParts,
    Yield,
)
from gensr_pref.auditing.effective_votes import effective_votes
from gensr_pref.auditing.listening.answers import audit_answers
from gensr_pref.auditing.load import RunTables, load_tables, raw_scores
from gensr_pref.auditing.pair_audio import (
    AnalysedPairs,
    analyse_pairs,
    probe_generators,
    sampling_values,
    sound_values,
)
from gensr_pref.config.bounds import require_whole_number
from gensr_pref.corpus.leakage import find_leakage
from gensr_pref.identity import is_clean
from gensr_pref.pairing import yield_by_chance
from gensr_pref.pairing.base import PairRule, wants_clean
from gensr_pref.pairing.columns import columns
from gensr_pref.pairing.no_pairs import NOTICE, asks_for_pairs
from gensr_pref.pairing.rules import built_in_rule
from gensr_pref.pairing.votes import votes_of_run
from gensr_pref.rundir import ledger, part_files
from gensr_pref.rundir.integrity import Contents
from gensr_pref.rundir.machine import mixture_notices
from gensr_pref.schema import PAIR_ROLES
from gensr_pref.statistics.intervals import count_interval
from gensr_pref.storage.location import parse_location

AUDIO_PAIRS = 1000  # default number of pairs whose audio is analysed


class _ChanceLevel(TypedDict):
    """The yield with shuffled scores, or None with the reason."""

    by_chance: float | None
    by_chance_reason: str | None


@overload
def audit(
    out: str | Path,
    audio_pairs: int = AUDIO_PAIRS,
    brief: Literal[False] = False,
    rule: PairRule | None = None,
) -> Audit: ...


@overload
def audit(
    out: str | Path,
    audio_pairs: int = AUDIO_PAIRS,
    *,
    brief: bool,
    rule: PairRule | None = None,
) -> ShortAudit: ...


def audit(
    out: str | Path,
    audio_pairs: int = AUDIO_PAIRS,
    brief: bool = False,
    rule: PairRule | None = None,
) -> ShortAudit:
    """Compute the audit of a run directory and write ``audit/audit.json``.

        audit("runs/first")["yield"]["joint"]

    Args:
        audio_pairs: maximum number of pairs whose audio and generator representation are analysed.
            They are spread evenly over the run; the results are stored in ``audit/sides.parquet``.
            0 analyses none.
        brief: compute only counts, yield, margins and mean scores, as after `pair`.
        rule: the pair rule, if the caller has loaded it because the user named it. Otherwise a rule
            of this package is found by its name in ``run.yaml``; any other rule is not imported,
            and the yield by chance is null.

    Returns:
        The contents of the file; docs/audit.md explains each part. It is an `Audit` unless `brief`.

    Raises:
        InputError: the directory is no run, or one without scores or pairs; or `audio_pairs` is
            negative.
        PartsError: the parts of the run do not belong together.
        StorageError: a table cannot be read.
    """
    require_audio_pairs(audio_pairs)
    run = load_tables(parse_location(out))
    return _short_audit(run, rule) if brief else audit_of(run, audio_pairs, rule)


def require_audio_pairs(audio_pairs: int) -> None:
    """Refuse a number of pairs to analyse that is not a whole number of at least 0.

    Raises:
        InputError: the message names the value.
    """
    require_whole_number(audio_pairs, "audio_pairs", 0)


def audit_of(run: RunTables, audio_pairs: int = AUDIO_PAIRS, rule: PairRule | None = None) -> Audit:
    """Compute and write the audit from tables that have been read already; see `audit`."""
    require_audio_pairs(audio_pairs)
    rule = rule or built_in_rule(run.pairing.rule)
    results: Audit = {**_counts(run), **_full_parts(run, audio_pairs, rule), **_mean_scores(run)}
    _write(run, results)
    return results


def _short_audit(run: RunTables, rule: PairRule | None) -> ShortAudit:
    rule = rule or built_in_rule(run.pairing.rule)
    results: ShortAudit = {**_counts(run), **_short_parts(run, rule), **_mean_scores(run)}
    _write(run, results)
    return results


def _write(run: RunTables, results: ShortAudit) -> None:
    text = json.dumps(results, indent=2, allow_nan=False) + "\n"
    part_files.write_text(run.out / "audit" / "audit.json", text)


def _counts(run: RunTables) -> Counts:
    return {
        "run": run.document.name,
        "rule": run.pairing.rule,
        "clips": len(run.clips),
        "candidates": len(run.candidates),
        "pairs": len(run.pairs_table),
        "golden": sum(map(is_clean, run.pairs_table.column("chosen_id").to_pylist())),
        "shards": len(run.contents.shards),
        "unfinished_shards": len(run.contents.unfinished),
        "contents": table_digests(run.contents),
        "without_pair": part_files.read_facts(part_files.part(run.out, "pairs", 0)).get(
            "stops", {}
        ),
        "notices": [
            *([] if asks_for_pairs(run.pairing.rule) else [NOTICE]),
            *mixture_notices(ledger.machines(run.out)),
        ],
    }


def table_digests(contents: Contents) -> dict[str, str]:
    """Return a digest of the content of each table that an audit reads."""
    return {table: contents.digest(table) for table in contents.parts}


def _short_parts(run: RunTables, rule: PairRule | None) -> ShortParts:
    judged = run.judged
    votes = panel_yields.tally(judged, comparisons(judged))
    alone = {judged.names[k]: votes.clip_share(1 << p) for p, k in enumerate(judged.voters)}
    return {
        "yield": _yield(run, _yield_by_chance(run, rule), alone),
        "margins": pairs.margin_statistics(judged, run.pairs),
    }


def _full_parts(run: RunTables, audio_pairs: int, rule: PairRule | None) -> FullParts:
    judged, compared = run.judged, comparisons(run.judged)
    panel = panel_yields.panel_yields(judged, compared)
    joint = panel["joint"]  # None if no score votes
    analysed = analyse_pairs(run, max(audio_pairs, 0))
    return {
        "yield": _full_yield(run, panel, rule),
        "panel": {
            "effective_votes": effective_votes(judged),
            "comparisons": joint["comparisons"] if joint else None,
            "comparisons_by_chance": joint["comparisons_by_chance"] if joint else None,
            "scales": _scales(run),
            "without": panel["without"],
            "forward": panel["forward"],
            "vetoes": panel_yields.vetoes(judged, compared),
        },
        "agreement": pairwise_agreement(judged, compared),
        "yield_by_candidates": candidates.yield_by_candidates(judged, compared),
        "yield_by_margin": panel_yields.yield_by_margin(judged, compared),
        "candidates_with_all_votes": candidates.group_sizes(judged),
        "repeats": candidates.equal_candidates(judged, compared),
        "margins": pairs.margin_statistics(judged, run.pairs),
        "hold_out": pairs.hold_out_rates(run.judged_by_rule, run.pairs),
        "single_scores": pairs.single_scores(judged, compared),
        "preference": pairs.preference(run.judged_by_rule, run.pairs, run.generators.tolist()),
        "sides": _shortcuts(run, analysed),
        "generators": _generator_wins(run),
        "learnability": probe_generators(run, analysed),
        "breakdown": pairs.breakdown(judged, run.pairs, run.properties),
        "leakage": find_leakage(run.clips),
        "listening": audit_answers(run),
    }


def _scales(run: RunTables) -> dict[str, Scale]:
    """Return the margin and the spread of each vote, in the score's unit."""
    judged = run.judged
    return {
        judged.names[k]: {"margin": float(judged.margin[k]), "spread": float(judged.spreads[k])}
        for k in judged.voters
    }


def _yield(run: RunTables, chance: _ChanceLevel, alone: dict[str, float | None]) -> Yield:
    """Return the share of all clips, including those without candidates, that have a pair."""
    joint = count_interval(len(np.unique(run.pairs.clip)), len(run.clips))
    return {
        "joint": joint.value,
        "joint_interval": joint.bounds,
        "by_chance": chance["by_chance"],
        "by_chance_reason": chance["by_chance_reason"],
        "alone": alone,
    }


def _full_yield(run: RunTables, panel: panel_yields.PanelYields, rule: PairRule | None) -> Yield:
    joint = panel["joint"]
    alone = {score: share for score, share in panel["alone"].items() if share}
    if run.pairing.rule == "unanimous" and not (run.pairing.min or run.pairing.max):
        chance = _chance_level(joint["by_chance"] if joint else None)
    else:
        chance = _yield_by_chance(run, rule)
    yields = _yield(run, chance, {score: share["yield"] for score, share in alone.items()})
    yields["alone_by_chance"] = {score: share["by_chance"] for score, share in alone.items()}
    return yields


def _yield_by_chance(run: RunTables, rule: PairRule | None) -> _ChanceLevel:
    """Return the yield of the run's rule with shuffled scores, or None with the reason."""
    if rule is None:
        return _chance_level(None, "rule_not_run")
    if not len(run.clips) or wants_clean(rule):
        return _chance_level(None, "no_scores")
    scored = columns(run.scores, run.candidates, votes_of_run(run.document))
    shuffled = yield_by_chance.chance_level(scored, rule, run.pairing)
    return _chance_level(shuffled / len(run.clips))


def _chance_level(share: float | None, reason: str = "no_scores") -> _ChanceLevel:
    """Return a yield by chance; if it is None, with the reason: no scores, or a rule not run."""
    return {"by_chance": share, "by_chance_reason": reason if share is None else None}


def _shortcuts(run: RunTables, analysed: AnalysedPairs) -> list[bias.Difference]:
    clip = run.pairs.clip
    sound = bias.property_differences(sound_values(run, analysed), clip[analysed.pairs])
    return [*sound, *bias.property_differences(sampling_values(run), clip)]


def _generator_wins(run: RunTables) -> list[bias.GeneratorWins]:
    known = (run.pairs.chosen >= 0) & (run.pairs.rejected >= 0)
    rows = (getattr(run.pairs, role)[known] for role in PAIR_ROLES)
    return bias.wins_across_generators(*(run.generators[row] for row in rows))


def _mean_scores(run: RunTables) -> MeanScores:
    value, clip, noisy = raw_scores(run)
    names = run.judged.names
    sign = [1.0 if vote.higher_is_better else -1.0 for vote in run.columns.votes]
    roles = {"noisy": value[noisy], "candidates": value[~noisy]}
    for role in PAIR_ROLES:
        rows = np.unique(getattr(run.pairs, role))
        roles[role] = run.judged.value[rows[rows >= 0]] * sign
    gains = means.improvement(value * sign, clip, len(run.clips), noisy, names)
    return {
        "means": means.mean_by_role(roles, names),
        "improvement": {name: gain.triple for name, gain in gains.items()},
        "improvement_clips": {name: gain.clusters for name, gain in gains.items()},
    }
