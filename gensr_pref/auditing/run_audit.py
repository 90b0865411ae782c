"""The audit of a run directory: what its pairs are worth, as numbers that a report can show.

The statistics are pure functions in `gensr_pref.auditing`; here they meet the tables.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gensr_pref.auditing import bias, candidates, effective_votes, means, pairs
from gensr_pref.auditing.agreement import pairwise_agreement
from gensr_pref.auditing.base import comparisons
from gensr_pref.auditing.listening.answers import audit_answers
from gensr_pref.auditing.load import Evidence, evidence, raw_scores
from gensr_pref.auditing.pair_audio import (
    AnalysedPairs,
    analyse_pairs,
    probe_generators,
    sampling_values,
    sound_values,
)
from gensr_pref.corpus.splits import leaks
from gensr_pref.identity import is_clean
from gensr_pref.pairing import yield_by_chance
from gensr_pref.pairing.base import PairRule, wants_clean
from gensr_pref.pairing.columns import columns
from gensr_pref.pairing.rules import built_in_rule
from gensr_pref.pairing.votes import votes_of_run
from gensr_pref.rundir import ledger, part_files
from gensr_pref.rundir.integrity import Contents
from gensr_pref.rundir.machine import mixture_notices
from gensr_pref.schema import PAIR_ROLES
from gensr_pref.statistics.intervals import count_interval
from gensr_pref.storage.location import parse_location

AUDIO_PAIRS = 1000  # whose audio is looked at, if nothing else is asked for


def audit(
    out: str | Path, heard: int = AUDIO_PAIRS, brief: bool = False, rule: PairRule | None = None
) -> dict[str, Any]:
    """Compute the audit of a run directory and write ``audit/audit.json``.

        audit("runs/first")["yield"]["joint"]

    Args:
        heard: of so many pairs at most the audio and the generator's own representation are
            looked at (drawn evenly over the run, kept in ``audit/sides.parquet``); 0 for none.
        brief: only counts, yield, margins and mean scores, as after `pair`.
        rule: that of the pairs, where the caller has loaded it because the user named it. Without
            it a rule of this package is used; any other that ``run.yaml`` names is not imported,
            and the yield by chance is null.

    Returns:
        What was written; docs/audit.md says what each part means.

    Raises:
        InputError: not a run directory, or one without scores or pairs yet.
        PartsError: its parts do not belong together.
        StorageError: a table cannot be read.
    """
    return audit_of(evidence(parse_location(out)), heard, brief, rule)


def audit_of(
    found: Evidence, heard: int = AUDIO_PAIRS, brief: bool = False, rule: PairRule | None = None
) -> dict[str, Any]:
    """As `audit`, of tables that are read already."""
    rule = rule or built_in_rule(found.pairing.rule)
    parts = _short_parts(found, rule) if brief else _full_parts(found, heard, rule)
    told = {**_counts(found), **parts, **_means(found)}
    part_files.write_text(
        found.out / "audit" / "audit.json", json.dumps(told, indent=2, allow_nan=False) + "\n"
    )
    return told


def _counts(found: Evidence) -> dict[str, Any]:
    return {
        "run": found.document["name"],
        "rule": found.pairing.rule,
        "clips": len(found.clips),
        "candidates": len(found.candidates),
        "pairs": len(found.pairs_table),
        "golden": sum(map(is_clean, found.pairs_table.column("chosen_id").to_pylist())),
        "shards": len(found.contents.shards),
        "unfinished_shards": len(found.contents.unfinished),
        "contents": table_digests(found.contents),
        "without_pair": part_files.facts(part_files.part(found.out, "pairs", 0)).get("stops", {}),
        "notices": mixture_notices(ledger.machines(found.out)),
    }


def table_digests(contents: Contents) -> dict[str, str]:
    """What tells the content of each table that an audit reads."""
    return {table: contents.digest(table) for table in contents.parts}


def _short_parts(found: Evidence, rule: PairRule | None) -> dict[str, Any]:
    judged = found.judged
    everyone = effective_votes.tally(judged, comparisons(judged))
    alone = {judged.names[k]: everyone.share(1 << p) for p, k in enumerate(judged.voters)}
    return {
        "yield": {**_joint(found), **_yield_by_chance(found, rule), "alone": alone},
        "margins": pairs.margin_statistics(judged, found.pairs),
    }


def _full_parts(found: Evidence, heard: int, rule: PairRule | None) -> dict[str, Any]:
    judged, compared = found.judged, comparisons(found.judged)
    panel = effective_votes.panel_yields(judged, compared)
    joint = panel["joint"] or {}  # nothing where nothing votes
    drawn = analyse_pairs(found, max(heard, 0))
    return {
        "yield": _yield(found, panel, rule),
        "panel": {
            "effective_votes": effective_votes.effective_votes(judged),
            "comparisons": joint.get("comparisons"),
            "comparisons_by_chance": joint.get("comparisons_by_chance"),
            "scales": _scales(found),
            "without": panel["without"],
            "forward": panel["forward"],
            "vetoes": effective_votes.vetoes(judged, compared),
        },
        "agreement": pairwise_agreement(judged, compared),
        "yield_by_candidates": candidates.yield_by_candidates(judged, compared),
        "yield_by_margin": effective_votes.yield_by_margin(judged, compared),
        "candidates_with_all_votes": candidates.group_sizes(judged),
        "repeats": candidates.repeats(judged, compared),
        "margins": pairs.margin_statistics(judged, found.pairs),
        "hold_out": pairs.hold_out_rates(found.by_rule, found.pairs),
        "single_scores": pairs.single_scores(judged, compared),
        "preference": pairs.preference(found.by_rule, found.pairs, found.generators.tolist()),
        "sides": _shortcuts(found, drawn),
        "generators": _generator_wins(found),
        "learnability": probe_generators(found, drawn),
        "breakdown": pairs.breakdown(judged, found.pairs, found.properties),
        "leakage": leaks(found.clips),
        "listening": audit_answers(found),
    }


def _scales(found: Evidence) -> dict[str, dict[str, float]]:
    """Per vote, its margin and its spread, in the score's unit."""
    judged = found.judged
    return {
        judged.names[k]: {"margin": float(judged.margin[k]), "spread": float(judged.spreads[k])}
        for k in judged.voters
    }


def _joint(found: Evidence) -> dict[str, Any]:
    """The yield of the run's own pairs; a share of all clips, those without candidates too."""
    joint = count_interval(len(np.unique(found.pairs.clip)), len(found.clips))
    return {"joint": joint.value, "joint_interval": joint.bounds}


def _yield(found: Evidence, panel: dict[str, Any], rule: PairRule | None) -> dict[str, Any]:
    alone = panel["alone"]
    bounded = found.pairing.min or found.pairing.max
    same = found.pairing.rule == "unanimous" and not bounded
    return {
        **_joint(found),
        **(
            _chance_level((panel["joint"] or {}).get("by_chance"))
            if same
            else _yield_by_chance(found, rule)
        ),
        "alone": {score: leaf["yield"] for score, leaf in alone.items()},
        "alone_by_chance": {score: leaf["by_chance"] for score, leaf in alone.items()},
    }


def _yield_by_chance(found: Evidence, rule: PairRule | None) -> dict[str, Any]:
    """The yield of the run's rule on shuffled scores, or null with the reason."""
    if rule is None:
        return _chance_level(None, "rule_not_run")
    if not len(found.clips) or wants_clean(rule):
        return _chance_level(None, "no_scores")
    scored = columns(found.scores, found.candidates, votes_of_run(found.document))
    shuffled = yield_by_chance.chance_level(scored, rule, found.pairing)
    return _chance_level(shuffled / len(found.clips))


def _chance_level(share: float | None, reason: str = "no_scores") -> dict[str, Any]:
    """A yield by chance; where it is null, why: the rule looks at no score, or was not run."""
    return {"by_chance": share, "by_chance_reason": reason if share is None else None}


def _shortcuts(found: Evidence, drawn: AnalysedPairs) -> list[dict[str, Any]]:
    clip = found.pairs.clip
    heard = bias.differences(sound_values(found, drawn), clip[drawn.pairs])
    return [*heard, *bias.differences(sampling_values(found), clip)]


def _generator_wins(found: Evidence) -> list[dict[str, Any]]:
    known = (found.pairs.chosen >= 0) & (found.pairs.rejected >= 0)
    rows = (getattr(found.pairs, side)[known] for side in PAIR_ROLES)
    return bias.wins_across_generators(*(found.generators[row] for row in rows))


def _means(found: Evidence) -> dict[str, Any]:
    value, clip, noisy = raw_scores(found)
    names = found.judged.names
    sign = [1.0 if vote.higher_is_better else -1.0 for vote in found.columns.votes]
    roles = {"noisy": value[noisy], "candidates": value[~noisy]}
    for side in PAIR_ROLES:
        rows = np.unique(getattr(found.pairs, side))
        roles[side] = found.judged.value[rows[rows >= 0]] * sign
    gains = means.improvement(value * sign, clip, len(found.clips), noisy, names)
    return {
        "means": means.mean_by_role(roles, names),
        "improvement": {name: gain.triple for name, gain in gains.items()},
        "improvement_clips": {name: gain.clusters for name, gain in gains.items()},
    }
