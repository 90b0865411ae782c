"""Words what ``build`` and ``pair`` print when they end."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gensr_pref.auditing.document import ShortAudit, Yield
from gensr_pref.auditing.format import format_share
from gensr_pref.auditing.run_audit import audit
from gensr_pref.building.summary import Summary
from gensr_pref.cli.audit_text import means
from gensr_pref.cli.output import as_json, show
from gensr_pref.cli.tables import format_labelled, format_reasons
from gensr_pref.config.run_file import Pairing, dump_fields
from gensr_pref.errors import RunIncompleteError, command_line, quantity
from gensr_pref.pairing.base import NO_PAIR_REASONS, NoPairReason
from gensr_pref.pairing.no_pairs import asks_for_pairs
from gensr_pref.pairing.rules import find_rule

_WITH_MARGINS = ("unanimous", "top_bottom")


def show_made(
    summary: Summary,
    out: Path,
    as_data: bool,
    rule: str | None = None,
    settings: Sequence[str] | None = None,
) -> None:
    """Print what was made, with its audit.

    Args:
        summary: as in ``summary.json``.
        as_data: print JSON instead of text.
        rule: the pair rule, if the user's own run file or command line names it.
        settings: those of the `pair` call that made these pairs; None after a build, whose audit is
            not brief.

    Raises:
        RunIncompleteError: a part of the run is missing.
    """
    loaded = find_rule(rule) if rule else None
    audited = audit(out, brief=settings is not None, rule=loaded) if summary["shards"] else None
    if as_data:
        show(as_json({"summary": summary, "audit": audited}))
    elif audited:
        show(f"{describe_summary(summary, audited)}\n\n{means(audited)}")
    if not summary["complete"] or not summary["clips"]:
        raise RunIncompleteError(incomplete(summary))
    if not as_data and audited:
        show(f"\n{next_steps(out, summary, audited, settings or ())}")


def describe_summary(summary: Summary, audited: ShortAudit) -> str:
    """Return what was made, the yield beside its chance level, failures and the time of work."""
    rows = [
        ("clips", f"{summary['clips']}"),
        ("candidates", f"{summary['candidates']}"),
        ("pairs", f"{summary['pairs']} ({_rule(summary['pairing'])})"),
    ]
    if asks_for_pairs(summary["pairing"]["rule"]):
        rows += _yield_rows(summary, audited["yield"])
    for stage, cost in summary["stages"].items():
        factor = cost.get("real_time_factor")
        ratio = "" if factor is None else f", {factor:g} s per second of audio"
        rows.append((stage, f"{cost['seconds']:.1f} s of work{ratio}"))
    for stage, reasons in summary["failures"].items():
        rows.append(("left out", f"{format_reasons(reasons)} ({stage}; see failures/)"))
    rows += [("note", notice) for notice in summary["notices"]]
    return format_labelled(rows)


def _yield_rows(summary: Summary, yields: Yield) -> list[tuple[str, str]]:
    """Return the rows on the yield beside its chance level, and on the clips without a pair."""
    rows = [
        ("yield", f"{format_share(summary['yield'])} of the clips have a pair"),
        ("by chance", _by_chance(yields)),
    ]
    if summary["without_pair"]:
        rows.append(("no pair", format_reasons(summary["without_pair"])))
        if not summary["pairs"]:
            rows.append(("", _most_frequent(summary["without_pair"])))
    return rows


def _by_chance(yields: Yield) -> str:
    """Return the yield on shuffled scores, or why it is unknown."""
    if yields.get("by_chance_reason") == "rule_not_run":
        return "unknown: an audit runs only the rules of this package"
    return f"{format_share(yields['by_chance'])} if the scores were shuffled"


def _most_frequent(reasons: dict[str, int]) -> str:
    reason = max(reasons, key=lambda reason: reasons[reason])
    meaning = NO_PAIR_REASONS[NoPairReason(reason)]
    return f"No clip has a pair. The most frequent reason is {reason}: {meaning}"


def _rule(pairing: dict[str, Any]) -> str:
    """Return the rule and every setting that differs from its default."""
    default = dump_fields(Pairing())
    changed = [f"{k}={v}" for k, v in pairing.items() if k != "rule" and v != default[k]]
    return ", ".join([pairing["rule"], *changed])


def incomplete(summary: Summary) -> str:
    """Return what a run lacks and what to do about it."""
    if not summary["clips"] and summary["complete"]:
        return (
            "no clip could be made from any recording; failures/ and summary.json give the reasons"
        )
    missing = summary["shards_expected"] - summary["shards"]
    lines = [f"  shard {row['shard']} ({row['stage']}): {row['why']}" for row in summary["lost"]]
    expected = quantity(summary["shards_expected"], "shard")
    first = f"incomplete: {missing} of {expected} missing; the same build will try them again"
    return "\n".join([first, *lines])


def next_steps(
    out: Path, summary: Summary, audited: ShortAudit, settings: Sequence[str] = ()
) -> str:
    """Return where the dataset is and what to type next.

    Args:
        settings: those of the `pair` call that made these pairs.
    """
    files = f"{out}/{'pairs' if summary['pairs'] else 'candidates'}/*.parquet"
    paired = (
        [
            f"  judge pairs by ear:             {command_line('gensr-pref', 'listen', out)}",
            "  export a dataset to share:      "
            f"{command_line('gensr-pref', 'export', out, f'{out}-dataset')}",
        ]
        if summary["pairs"]
        else []
    )
    return "\n".join(
        [
            f"The dataset is in {out} (clips, candidates, scores and pairs as Parquet). Next:",
            f"  audit the pairs:                {command_line('gensr-pref', 'audit', out)}",
            *paired,
            f"  make the pairs by other rules:  {command_line('gensr-pref', 'pair', out)} "
            f"{_other_pairs(summary['pairing'], audited, settings)}",
            "  load them in Python:            "
            f'datasets.load_dataset("parquet", data_files={json.dumps(files)})["train"]',
        ]
    )


def _other_pairs(pairing: dict[str, Any], audited: ShortAudit, settings: Sequence[str]) -> str:
    """Return other settings that give pairs in this run.

    A margin of half the median of a vote's margins keeps at least half of the pairs. If no vote has
    a positive median, ranking by a score finds a pair wherever candidates differ.
    """
    ranks = pairing["score"] if pairing["rule"] == "top_bottom" else None
    voting = [ranks] if ranks else list(audited["yield"]["alone"])
    for score in voting if pairing["rule"] in _WITH_MARGINS else ():
        margins = audited["margins"][score]
        if margins and margins["quantiles"][2] > 0:
            name = f"margin.{score}"
            others = [
                setting
                for setting in settings
                if setting.partition("=")[0].removeprefix("pairing.") != name
            ]
            half = f"{name}={_short(margins['quantiles'][2] / 2)}"
            return " ".join([*map(shlex.quote, others), half])
    return f"rule=top_bottom score={next(iter(voting or audited['means']))}"


def _short(value: float) -> str:
    """Return two significant digits without an exponent, which YAML might read as text."""
    return np.format_float_positional(value, precision=2, fractional=False, trim="-")
