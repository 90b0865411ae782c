"""Words an audit: tables of the most important figures, and one sentence per finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gensr_pref.auditing.bias import SMALL_D, SMALL_DELTA
from gensr_pref.auditing.compare import AuditComparison
from gensr_pref.auditing.format import format_bounds, format_interval, format_share
from gensr_pref.auditing.learnability import GeneratorProbe
from gensr_pref.auditing.report.pair_findings import GOLDEN, is_learnable, is_unlearnable
from gensr_pref.cli.tables import format_number, format_reasons, format_table
from gensr_pref.errors import quantity
from gensr_pref.pairing.no_pairs import asks_for_pairs
from gensr_pref.statistics.verdicts import side_of_threshold

_ROLES = ("noisy", "candidates", "chosen", "rejected")
_COMPARED = (
    ("pairs", "pairs"),
    ("yield", "yield.joint"),
    ("yield by chance", "yield.by_chance"),
    ("effective votes", "panel.effective_votes.value"),
    ("Krippendorff's alpha", "panel.effective_votes.krippendorff_alpha"),
)


def describe_audit(audit: Mapping[str, Any]) -> str:
    """Return everything that the command prints except the mean scores."""
    parts = [
        _describe_unfinished(audit),
        _yields(audit),
        _agreement(audit),
        _vetoes(audit),
        _hold_out(audit),
        _differences(audit),
    ]
    return "\n\n".join(part for part in [*parts, listening(audit), findings(audit)] if part)


def means(audit: Mapping[str, Any]) -> str:
    """Return the mean scores of the noisy input, all candidates, chosen and rejected."""
    rows = [
        {
            "mean score": score,
            **{role: format_number(of[role]) for role in _ROLES},
            "gain over noisy": format_interval(
                audit["improvement"][score], audit["improvement_clips"][score]
            ),
        }
        for score, of in audit["means"].items()
    ]
    return format_table(rows)


def _describe_unfinished(audit: Mapping[str, Any]) -> str:
    """Return how many shards are not finished; empty if all are."""
    count = audit.get("unfinished_shards")
    if not count:
        return ""
    return (
        f"{count} of {audit['shards']} shards are not finished, and the figures do not include "
        "them. The same build makes them."
    )


def _yields(audit: Mapping[str, Any]) -> str:
    """Return the yield of every vote alone and of all together, each beside its chance level."""
    by_chance = audit["yield"].get("alone_by_chance", {})
    rows = [
        {
            "votes": f"{score} alone",
            "clips with a pair": format_share(value),
            "by chance": format_share(by_chance.get(score)),
        }
        for score, value in audit["yield"]["alone"].items()
    ]
    if not asks_for_pairs(audit["rule"]):
        return format_table(rows) if rows else ""
    together = "all together" if audit["rule"] == "unanimous" else f"the rule {audit['rule']}"
    rows.append(
        {
            "votes": together,
            "clips with a pair": format_share(audit["yield"]["joint"]),
            "by chance": format_share(audit["yield"]["by_chance"]),
        }
    )
    return format_table(rows)


def _agreement(audit: Mapping[str, Any]) -> str:
    """Return the agreement of every two votes on which of two candidates is better."""
    rows = [
        {
            "first": row["scores"][0],
            "second": row["scores"][1],
            "Kendall tau": format_number(row["kendall_tau"]),
            "same winner": format_share(row["agreement_rate"]),
            "Krippendorff alpha": format_number(row["krippendorff_alpha"]),
        }
        for row in audit["agreement"]
    ]
    if not rows:
        return "Fewer than two scores vote, so there is no agreement to measure."
    return format_table(rows)


def _vetoes(audit: Mapping[str, Any]) -> str:
    """Return which vote stops most pairs, and the yield without it."""
    rows = [
        {
            "vote": row["score"],
            "stops alone": format_share(row["alone_against"]),
            "yield without it": format_share(
                (audit["panel"]["without"][row["score"]] or {}).get("yield")
            ),
            "by chance": format_share(
                (audit["panel"]["without"][row["score"]] or {}).get("by_chance")
            ),
        }
        for row in audit["panel"]["vetoes"]
    ]
    return format_table(rows) if len(rows) > 1 else ""


def _hold_out(audit: Mapping[str, Any]) -> str:
    """Return how often scores that do not vote prefer the chosen."""
    rows = [
        {
            "score without a vote": row["score"],
            "pairs": str(row["pairs"]),
            "prefers chosen": format_share(row["rate"]),
            "95 %": format_bounds(row["low"], row["high"], row["clips"], "%"),
            "margin in spreads": format_number(row["mean_spreads"]),
        }
        for row in audit["hold_out"]
        if row["pairs"]
    ]
    return format_table(rows) if rows else ""


def _differences(audit: Mapping[str, Any]) -> str:
    """Return in which properties chosen and rejected differ; equal ones are left out."""
    rows = [
        {
            "property": row["property"],
            "pairs": str(row["pairs"]),
            "chosen - rejected": format_interval(
                [row["difference"], row["low"], row["high"]], row["clips"]
            ),
            "Cohen's d": format_number(row["cohens_d"]),
            "Cliff's delta": format_number(row["cliffs_delta"]),
            "": "!" if row["warns"] else "",
        }
        for row in audit["sides"]
        if row["pairs"] and (row["difference"] or row["cliffs_delta"])
    ]
    return format_table(rows) if rows else ""


def listening(audit: Mapping[str, Any]) -> str:
    """Return what listeners answered and which catch trials they failed; empty without answers."""
    answers = audit.get("listening") or {}
    catches = answers.get("catches") or []
    lines = (
        [f"{_answers(answers)}: {_preferences(answers['panel'])}."]
        if answers.get("answers")
        else []
    )
    return "\n".join([*lines, *_not_counted(catches), *_failed_catches(catches)])


def _not_counted(catches: list[dict[str, Any]]) -> list[str]:
    return [
        f"Not counted: {quantity(row['answers'], 'answer')} of {row['listener']}, who failed "
        f"{row['same_failed'] + row['clean_failed']} of {row['same'] + row['clean']} catch trials."
        for row in catches
        if not row["counted"]
    ]


def _answers(listening: dict[str, Any]) -> str:
    answers = quantity(listening["answers"], "answer")
    listeners = quantity(listening["listeners"], "listener")
    return f"Listening: {answers} of {listeners} on {quantity(listening['pairs'], 'pair')}"


def _preferences(panel: dict[str, Any]) -> str:
    preferences = {
        "agree": "prefer the chosen",
        "tie": "hear no difference",
        "against": "prefer the rejected",
    }
    return ", ".join(
        f"{format_share(panel[kind])} "
        f"{format_bounds(*_pair(panel[f'{kind}_interval']), panel['clips'], '%')} {what}"
        for kind, what in preferences.items()
    )


def _pair(value: list[float] | None) -> tuple[float | None, float | None]:
    return (value[0], value[1]) if value else (None, None)


def _failed_catches(catches: list[dict[str, Any]]) -> list[str]:
    total = {kind: sum(row[kind] for row in catches) for kind in ("same", "clean")}
    if not any(total.values()):
        return []
    failed = {kind: sum(row[f"{kind}_failed"] for row in catches) for kind in total}
    return [
        f"Catch trials failed: {failed['same']} of {total['same']} with identical sounds, "
        f"{failed['clean']} of {total['clean']} with clean speech."
    ]


def findings(audit: Mapping[str, Any]) -> str:
    """Return the audit in a few sentences, the warnings last."""
    lines = [*_about_votes(audit), *_about_pairs(audit), *_learnable(audit), *_warnings(audit)]
    lines += audit["notices"]
    return "\n".join(lines)


def _about_votes(audit: Mapping[str, Any]) -> list[str]:
    votes = audit["panel"]["effective_votes"]
    if votes["votes"] < 2:
        return []
    lines = [f"{quantity(votes['votes'], 'vote')} are worth {votes['value']:.1f} independent ones"]
    if votes["low"] is not None:
        lines[0] += f" [{votes['low']:.1f}, {votes['high']:.1f}]"
    if audit["panel"]["comparisons"] is not None:
        share, by_chance = (
            format_share(audit["panel"][key]) for key in ("comparisons", "comparisons_by_chance")
        )
        lines.append(
            f"All votes name the same winner in {share} of the comparisons; in {by_chance} if the "
            "scores were shuffled"
        )
    worst = audit["panel"]["vetoes"][:1]
    if worst and worst[0]["yield_lost"]:
        lost = format_share(worst[0]["yield_lost"])
        lines.append(
            f"{worst[0]['score']} stops most pairs: because of it alone, {lost} of the clips have "
            "no pair"
        )
    return [f"{line}." for line in lines]


def _about_pairs(audit: Mapping[str, Any]) -> list[str]:
    if not audit["without_pair"] or not asks_for_pairs(audit["rule"]):
        return []
    return [f"Clips without a pair: {format_reasons(audit['without_pair'])}."]


def _learnable(audit: Mapping[str, Any]) -> list[str]:
    golden = [f"Learnability: {GOLDEN[0].lower()}{GOLDEN[1:]}."] if audit["golden"] else []
    return [*golden, *(_probe(row) for row in audit["learnability"])]


def _probe(row: GeneratorProbe) -> str:
    about = f"Learnability ({row['generator']}, {row['features']})"
    if row["accuracy"] is None:
        return f"{about}: {quantity(row['pairs'], 'pair')}: too few for a probe."
    low, high = format_share(row["shuffled_low"]), format_share(row["shuffled_high"])
    chance = f"[{low}, {high}] with labels shuffled"
    result = (
        f"{about}: a probe identifies {format_share(row['accuracy'])} "
        f"{format_bounds(row['low'], row['high'], row['clips'], '%')} of the chosen in unseen "
        f"pairs; {chance}"
    )
    if is_learnable(row):
        return f"{result}."
    if is_unlearnable(row):
        warning = "WARNING: no better than chance; training may learn nothing from these pairs."
        return f"{result}. {warning}"
    return f"{result}. Whether this is better than chance is undecided."


def _warnings(audit: Mapping[str, Any]) -> list[str]:
    lines = [
        f"chosen differs from rejected in {row['property']} (d {format_number(row['cohens_d'])}, "
        f"delta {format_number(row['cliffs_delta'])}; small effects begin at {SMALL_D} and "
        f"{SMALL_DELTA})"
        for row in audit["sides"]
        if row["warns"]
    ]
    lines += [
        f"{row['score']} does not vote and prefers the rejected ({format_share(row['rate'])})"
        for row in audit["hold_out"]
        if side_of_threshold(row["low"], row["high"], row["clips"], 0.5) == -1
    ]
    lines += [
        f"in several splits: {quantity(shared['shared'], kind)}, such as {shared['examples'][0]}"
        for kind, shared in audit["leakage"].items()
        if kind != "clips" and shared["shared"]
    ]
    return [f"WARNING: {line}." for line in lines]


def comparison(compared: AuditComparison) -> str:
    """Return the figures of two audits beside each other."""
    numbers = compared["numbers"]
    wanted = [(label, path) for label, path in _COMPARED if path in numbers]
    wanted += [
        (path.replace("means.", "mean ").replace(".", " of "), path)
        for path in numbers
        if path.startswith("means.") and path.endswith((".chosen", ".rejected"))
    ]
    wanted += [(path, path) for path in numbers if path.startswith(("hold_out.", "learnability."))
               and path.endswith((".rate", ".accuracy"))]  # fmt: skip
    rows = [
        {
            "": label,
            "A": _format_figure(numbers[path]["a"]),
            "B": _format_figure(numbers[path]["b"]),
            "B - A": _format_figure(numbers[path]["difference"]),
        }
        for label, path in wanted
    ]
    runs = [
        f"{name}: {run['run']} ({run['rule']})"
        for name, run in zip("AB", compared["runs"], strict=True)
    ]
    apart = ", ".join(compared["apart"]) or "none"
    last = f"Intervals that do not overlap: {apart}"
    return "\n\n".join(["\n".join(runs), format_table(rows), last])


def _format_figure(value: float | None) -> str:
    return str(value) if isinstance(value, int) else format_number(value)
