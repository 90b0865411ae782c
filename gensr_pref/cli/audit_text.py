"""The audit in words: tables of what matters most, and one sentence per finding."""

from __future__ import annotations

from typing import Any

from gensr_pref.auditing.bias import SMALL_D, SMALL_DELTA
from gensr_pref.auditing.format import format_bounds, format_interval, format_share
from gensr_pref.auditing.report.pair_answers import GOLDEN, is_learnable, is_unlearnable
from gensr_pref.cli.tables import counted_reasons, number, table
from gensr_pref.errors import quantity
from gensr_pref.statistics.verdicts import side_of_threshold

_ROLES = ("noisy", "candidates", "chosen", "rejected")
_TOLD = (
    ("pairs", "pairs"),
    ("yield", "yield.joint"),
    ("yield by luck", "yield.by_chance"),
    ("effective votes", "panel.effective_votes.value"),
    ("Krippendorff's alpha", "panel.effective_votes.krippendorff_alpha"),
)


def whole(found: dict[str, Any]) -> str:
    """Everything that the command prints, but for the mean scores."""
    parts = [
        unfinished(found),
        yields(found),
        agreement(found),
        vetoes(found),
        hold_out(found),
        sides(found),
    ]
    return "\n\n".join(part for part in [*parts, people(found), findings(found)] if part)


def means(found: dict[str, Any]) -> str:
    """Return the mean scores of the noisy input, all candidates, chosen and rejected."""
    rows = [
        {
            "mean score": score,
            **{role: number(of[role]) for role in _ROLES},
            "better than noisy by": format_interval(
                found["improvement"][score], found["improvement_clips"][score]
            ),
        }
        for score, of in found["means"].items()
    ]
    return table(rows)


def unfinished(found: dict[str, Any]) -> str:
    """That some of the run is not made yet, where that is so."""
    count = found.get("unfinished_shards")
    if not count:
        return ""
    return (
        f"{count} of {found['shards']} shards are not finished: the figures are of what is there. "
        "The same build makes the rest."
    )


def yields(found: dict[str, Any]) -> str:
    """The yield of every vote alone and of all together, each beside its chance level."""
    luck = found["yield"].get("alone_by_chance", {})
    rows = [
        {
            "who votes": f"{score} alone",
            "clips with a pair": format_share(value),
            "shuffled": format_share(luck.get(score)),
        }
        for score, value in found["yield"]["alone"].items()
    ]
    together = "all together" if found["rule"] == "unanimous" else f"the rule {found['rule']}"
    rows.append(
        {
            "who votes": together,
            "clips with a pair": format_share(found["yield"]["joint"]),
            "shuffled": format_share(found["yield"]["by_chance"]),
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
            "same winner": format_share(row["agreement_rate"]),
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
            "alone against": format_share(row["alone_against"]),
            "yield without it": format_share(
                (found["panel"]["without"][row["score"]] or {}).get("yield")
            ),
            "shuffled": format_share(
                (found["panel"]["without"][row["score"]] or {}).get("by_chance")
            ),
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
            "prefers chosen": format_share(row["rate"]),
            "95 %": format_bounds(row["low"], row["high"], row["clips"], "%"),
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
            "chosen - rejected": format_interval(
                [row["difference"], row["low"], row["high"]], row["clips"]
            ),
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
    caught = told.get("catches") or []
    lines = [f"{_heard(told)}: {_preferred(told['panel'])}."] if told.get("answers") else []
    return "\n".join([*lines, *_not_counted(caught), *_caught(caught)])


def _not_counted(catches: list[dict[str, Any]]) -> list[str]:
    out = [one for one in catches if not one["counted"]]
    return [
        f"Not counted: {quantity(one['answers'], 'answer')} of {one['listener']}, who failed "
        f"{one['same_failed'] + one['clean_failed']} of {one['same'] + one['clean']} catch trials."
        for one in out
    ]


def _heard(told: dict[str, Any]) -> str:
    answers, listeners = (quantity(told[one], one[:-1]) for one in ("answers", "listeners"))
    return f"People: {answers} of {listeners} on {quantity(told['pairs'], 'pair')}"


def _preferred(panel: dict[str, Any]) -> str:
    said = {
        "agree": "prefer the chosen",
        "tie": "hear no difference",
        "against": "prefer the rejected",
    }
    return ", ".join(
        f"{format_share(panel[kind])} "
        f"{format_bounds(*_pair(panel[f'{kind}_interval']), panel['clips'], '%')} {what}"
        for kind, what in said.items()
    )


def _pair(value: list[float] | None) -> tuple[float | None, float | None]:
    return (value[0], value[1]) if value else (None, None)


def _caught(catches: list[dict[str, Any]]) -> list[str]:
    total = {kind: sum(one[kind] for one in catches) for kind in ("same", "clean")}
    if not any(total.values()):
        return []
    failed = {kind: sum(one[f"{kind}_failed"] for one in catches) for kind in total}
    return [
        f"Catch trials failed: {failed['same']} of {total['same']} with identical sounds, "
        f"{failed['clean']} of {total['clean']} with clean speech."
    ]


def findings(found: dict[str, Any]) -> str:
    """The audit in a few sentences, the alarming ones last."""
    lines = [*_about_votes(found), *_about_pairs(found), *_learnable(found), *_warnings(found)]
    lines += found["notices"]
    return "\n".join(lines)


def _about_votes(found: dict[str, Any]) -> list[str]:
    votes = found["panel"]["effective_votes"]
    if votes["votes"] < 2:
        return []
    lines = [f"{quantity(votes['votes'], 'vote')} count as {votes['value']:.1f} independent ones"]
    if votes["low"] is not None:
        lines[0] += f" [{votes['low']:.1f}, {votes['high']:.1f}]"
    if found["panel"]["comparisons"] is not None:
        lines.append(
            f"All votes name one winner in {format_share(found['panel']['comparisons'])} of the "
            f"comparisons; {format_share(found['panel']['comparisons_by_chance'])} if the scores "
            "were shuffled"
        )
    worst = found["panel"]["vetoes"][:1]
    if worst and worst[0]["yield_lost"]:
        lost = format_share(worst[0]["yield_lost"])
        lines.append(
            f"{worst[0]['score']} stops most: {lost} of the clips lack a pair for it alone"
        )
    return [f"{line}." for line in lines]


def _about_pairs(found: dict[str, Any]) -> list[str]:
    if not found["without_pair"]:
        return []
    return [f"Clips without a pair: {counted_reasons(found['without_pair'])}."]


def _learnable(found: dict[str, Any]) -> list[str]:
    golden = [f"Learnability: {GOLDEN[0].lower()}{GOLDEN[1:]}."] if found["golden"] else []
    return [*golden, *(_probe(row) for row in found["learnability"])]


def _probe(row: dict[str, Any]) -> str:
    about = f"Learnability ({row['generator']}, {row['features']})"
    if row["accuracy"] is None:
        return f"{about}: {quantity(row['pairs'], 'pair')}: too few to tell."
    low, high = (format_share(row[key]) for key in ("shuffled_low", "shuffled_high"))
    chance = f"[{low}, {high}] with labels shuffled"
    told = (
        f"{about}: a probe names {format_share(row['accuracy'])} "
        f"{format_bounds(row['low'], row['high'], row['clips'], '%')} of unseen pairs' chosen; "
        f"{chance}"
    )
    if is_learnable(row):
        return f"{told}."
    if is_unlearnable(row):
        return f"{told}. WARNING: no better than luck; training may learn nothing from these pairs."
    return f"{told}. Whether that is more than luck is undecided."


def _warnings(found: dict[str, Any]) -> list[str]:
    lines = [
        f"chosen differs from rejected in {row['property']} (d {number(row['cohens_d'])}, delta "
        f"{number(row['cliffs_delta'])}; small effects begin at {SMALL_D} and {SMALL_DELTA})"
        for row in found["sides"]
        if row["warns"]
    ]
    lines += [
        f"{row['score']} took no part and prefers the rejected ({format_share(row['rate'])})"
        for row in found["hold_out"]
        if side_of_threshold(row["low"], row["high"], row["clips"], 0.5) == -1
    ]
    lines += [
        f"in several splits: {quantity(shared['shared'], kind)}, such as {shared['examples'][0]}"
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
