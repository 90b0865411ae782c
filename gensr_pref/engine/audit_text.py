"""The audit in words: tables of what matters most, and one sentence per finding."""

from __future__ import annotations

from typing import Any

from gensr_pref.audit.bias import SMALL_D, SMALL_DELTA
from gensr_pref.audit.report.lights import GOLDEN
from gensr_pref.audit.report.words import counted
from gensr_pref.engine.text import interval, listed_reasons, number, share, table

_TOLD = (
    ("pairs", "pairs"),
    ("yield", "yield.joint"),
    ("yield by luck", "yield.by_chance"),
    ("effective votes", "panel.effective_votes.value"),
    ("Krippendorff's alpha", "panel.effective_votes.krippendorff_alpha"),
)


def whole(found: dict[str, Any]) -> str:
    """Everything that the command prints, but for the mean scores."""
    parts = [yields(found), agreement(found), vetoes(found), hold_out(found), sides(found)]
    return "\n\n".join(part for part in [*parts, people(found), findings(found)] if part)


def yields(found: dict[str, Any]) -> str:
    """The yield of every vote alone and of all together, each beside its chance level."""
    luck = found["yield"].get("alone_by_chance", {})
    rows = [
        {
            "who votes": f"{score} alone",
            "clips with a pair": share(value),
            "shuffled": share(luck.get(score)),
        }
        for score, value in found["yield"]["alone"].items()
    ]
    together = "all together" if found["rule"] == "unanimous" else f"the rule {found['rule']}"
    rows.append(
        {
            "who votes": together,
            "clips with a pair": share(found["yield"]["joint"]),
            "shuffled": share(found["yield"]["by_chance"]),
        }
    )
    return table(rows)


def agreement(found: dict[str, Any]) -> str:
    """How far every two votes agree on which of two candidates is better."""
    rows = [
        {
            "first": row["scores"][0],
            "second": row["scores"][1],
            "Kendall tau": number(row["kendall_tau"]),
            "same winner": share(row["agreement_rate"]),
            "Krippendorff alpha": number(row["krippendorff_alpha"]),
        }
        for row in found["agreement"]
    ]
    return table(rows) if rows else "One score votes, so there is nothing to agree with."


def vetoes(found: dict[str, Any]) -> str:
    """Which vote stops most pairs, and what leaving it out would give."""
    rows = [
        {
            "vote": row["score"],
            "alone against": share(row["alone_against"]),
            "yield without it": share((found["panel"]["without"][row["score"]] or {}).get("yield")),
            "shuffled": share((found["panel"]["without"][row["score"]] or {}).get("by_chance")),
        }
        for row in found["panel"]["vetoes"]
    ]
    return table(rows) if len(rows) > 1 else ""


def hold_out(found: dict[str, Any]) -> str:
    """Whether judges that took no part prefer the chosen."""
    rows = [
        {
            "took no part": row["score"],
            "pairs": str(row["pairs"]),
            "prefers chosen": share(row["rate"]),
            "95 %": _bounds(row, percent=True),
            "margin in spreads": number(row["mean_spreads"]),
        }
        for row in found["hold_out"]
        if row["pairs"]
    ]
    return table(rows) if rows else ""


def sides(found: dict[str, Any]) -> str:
    """In what else chosen and rejected differ; what never differs is left out."""
    rows = [
        {
            "property": row["property"],
            "pairs": str(row["pairs"]),
            "chosen - rejected": interval([row["difference"], row["low"], row["high"]])
            if row["low"] is not None
            else number(row["difference"]),
            "Cohen's d": number(row["cohens_d"]),
            "Cliff's delta": number(row["cliffs_delta"]),
            "": "!" if row["warns"] else "",
        }
        for row in found["sides"]
        if row["pairs"] and (row["difference"] or row["cliffs_delta"])
    ]
    return table(rows) if rows else ""


def people(found: dict[str, Any]) -> str:
    """What listeners answered, and the catch trials they failed; empty where nobody did."""
    told = found.get("listening") or {}
    lines = []
    if told.get("answers"):
        lines.append(f"{_heard(told)}: {_preferred(told['panel'])}.")
    caught = _caught(told.get("catches") or [])
    return "\n".join([*lines, *([caught] if caught else [])])


def _heard(told: dict[str, Any]) -> str:
    answers, listeners = (counted(told[one], one[:-1]) for one in ("answers", "listeners"))
    return f"People: {answers} of {listeners} on {counted(told['pairs'], 'pair')}"


def _preferred(panel: dict[str, Any]) -> str:
    said = {
        "agree": "prefer the chosen",
        "tie": "hear no difference",
        "against": "prefer the rejected",
    }
    return ", ".join(
        f"{share(panel[kind])} {_shares(panel[f'{kind}_interval'])}{what}"
        for kind, what in said.items()
    )


def _shares(bounds: list[float] | None) -> str:
    """An interval with a space after it; nothing where there is none."""
    return "[{}, {}] ".format(*map(share, bounds)) if bounds else ""


def _caught(catches: list[dict[str, Any]]) -> str:
    total = {kind: sum(one[kind] for one in catches) for kind in ("same", "clean")}
    if not any(total.values()):
        return ""
    failed = {kind: sum(one[f"{kind}_failed"] for one in catches) for kind in total}
    return (
        f"Catch trials failed: {failed['same']} of {total['same']} with identical sounds, "
        f"{failed['clean']} of {total['clean']} with clean speech."
    )


def findings(found: dict[str, Any]) -> str:
    """The audit in a few sentences, the alarming ones last."""
    lines = [*_about_votes(found), *_about_pairs(found), *_learnable(found), *_warnings(found)]
    lines += found["notices"]
    return "\n".join(lines)


def _about_votes(found: dict[str, Any]) -> list[str]:
    votes = found["panel"]["effective_votes"]
    if votes["votes"] < 2:
        return []
    lines = [f"{votes['votes']} votes count as {votes['value']:.1f} independent ones"]
    if votes["low"] is not None:
        lines[0] += f" [{votes['low']:.1f}, {votes['high']:.1f}]"
    if found["panel"]["comparisons"] is not None:
        lines.append(
            f"All votes name one winner in {share(found['panel']['comparisons'])} of the "
            f"comparisons; {share(found['panel']['comparisons_by_chance'])} if the scores were "
            "shuffled"
        )
    worst = found["panel"]["vetoes"][:1]
    if worst and worst[0]["yield_lost"]:
        lost = share(worst[0]["yield_lost"])
        lines.append(
            f"{worst[0]['score']} stops most: {lost} of the clips lack a pair for it alone"
        )
    return [f"{line}." for line in lines]


def _about_pairs(found: dict[str, Any]) -> list[str]:
    if not found["without_pair"]:
        return []
    return [f"Clips without a pair: {listed_reasons(found['without_pair'])}."]


def _learnable(found: dict[str, Any]) -> list[str]:
    golden = [f"Learnability: {GOLDEN[0].lower()}{GOLDEN[1:]}."] if found["golden"] else []
    return [*golden, *(_probe(row) for row in found["learnability"])]


def _probe(row: dict[str, Any]) -> str:
    about = f"Learnability ({row['generator']}, {row['features']})"
    if row["accuracy"] is None:
        return f"{about}: {row['pairs']} pairs are too few to tell."
    luck = f"[{share(row['shuffled_low'])}, {share(row['shuffled_high'])}] with labels shuffled"
    told = (
        f"{about}: a probe names {share(row['accuracy'])} {_bounds(row, percent=True)} of unseen "
        f"pairs' chosen; {luck}"
    )
    if row["accuracy"] <= row["shuffled_high"]:
        return f"{told}. WARNING: no better than luck; training may learn nothing from these pairs."
    return f"{told}."


def _warnings(found: dict[str, Any]) -> list[str]:
    lines = [
        f"chosen differs from rejected in {row['property']} (d {number(row['cohens_d'])}, delta "
        f"{number(row['cliffs_delta'])}; small effects begin at {SMALL_D} and {SMALL_DELTA})"
        for row in found["sides"]
        if row["warns"]
    ]
    lines += [
        f"{row['score']} took no part and prefers the rejected ({share(row['rate'])})"
        for row in found["hold_out"]
        if row["high"] is not None and row["high"] < 0.5
    ]
    lines += [
        f"{shared['shared']} {kind}(s) are in several splits, such as {shared['examples'][0]}"
        for kind, shared in found["leakage"].items()
        if kind != "clips" and shared["shared"]
    ]
    return [f"WARNING: {line}." for line in lines]


def comparison(told: dict[str, Any]) -> str:
    """What two audits say of the same things."""
    numbers = told["numbers"]
    wanted = [(label, path) for label, path in _TOLD if path in numbers]
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
            **{
                name: _counted(numbers[path][key])
                for name, key in (("A", "a"), ("B", "b"), ("B - A", "difference"))
            },
        }
        for label, path in wanted
    ]
    runs = [
        f"{name}: {run['run']} ({run['rule']})"
        for name, run in zip("AB", told["runs"], strict=True)
    ]
    apart = ", ".join(told["apart"]) or "none"
    return "\n\n".join(["\n".join(runs), table(rows), f"Intervals that do not overlap: {apart}"])


def _counted(value: float | None) -> str:
    return str(value) if isinstance(value, int) else number(value)


def _bounds(row: dict[str, Any], percent: bool = False) -> str:
    if row["low"] is None:
        return "-"
    shown = share if percent else number
    return f"[{shown(row['low'])}, {shown(row['high'])}]"
