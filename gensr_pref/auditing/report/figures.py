"""Draws the figures of the report, each from the part of the audit that it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gensr_pref.auditing.bias import SMALL_D, SMALL_DELTA
from gensr_pref.auditing.document import Audit
from gensr_pref.auditing.report.charts import (
    add_legend,
    bars_height,
    heat_map,
    plot_bars,
    plot_curves,
    plot_intervals,
    use_whole_numbers,
    with_chance_level,
)
from gensr_pref.auditing.report.format import property_name
from gensr_pref.auditing.report.svg import BAD, FAINT, INK, MAIN, SECOND, panels, svg
from gensr_pref.pairing.no_pairs import asks_for_pairs

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def figures(audit: Audit) -> dict[str, str]:
    """Return the figures that the audit has data for, by name, as SVG."""
    drawn = {name: make(audit) for name, make in _FIGURES.items()}
    return {name: text for name, text in drawn.items() if text}


def _yield(audit: Audit) -> str:
    yields = audit["yield"]
    names = [f"{score} alone" for score in yields["alone"]] + ["the rule"]
    values = [*yields["alone"].values(), yields["joint"]]
    chance = [*yields.get("alone_by_chance", {}).values(), yields["by_chance"]]
    if len(chance) != len(values):
        return ""

    def draw(axes: Axes) -> None:
        plot_bars(axes, names, [("scores", values, MAIN), ("shuffled scores", chance, FAINT)])
        axes.set(xlabel="share of clips with a pair", xlim=(0, 1))

    return svg("yield", draw, bars_height(len(names) * 1.5))


def _curves(audit: Audit) -> str:
    by_count, by_margin = audit.get("yield_by_candidates"), audit.get("yield_by_margin")
    if not by_count or not by_margin:
        return ""

    def draw(subplots: Sequence[Axes]) -> None:
        above, below = subplots
        counts, spreads = [row["n"] for row in by_count], [row["spreads"] for row in by_margin]
        plot_curves(above, counts, with_chance_level(by_count, "yield", "by_chance"))
        plot_curves(below, spreads, with_chance_level(by_margin, "yield", "by_chance"))
        above.set(xlabel="candidates per clip and generator")
        below.set(xlabel="spreads added to every margin")
        for axes in subplots:
            axes.set(ylabel="clips with a pair", ylim=(0, 1.05))
        use_whole_numbers(above)  # 2.25 candidates make no sense
        add_legend(above)

    return panels("curves", draw, 4.6, 2)


def _stops(audit: Audit) -> str:
    reasons = sorted(audit["without_pair"].items(), key=lambda item: -item[1])
    if not reasons or not asks_for_pairs(audit["rule"]):
        return ""

    def draw(axes: Axes) -> None:
        plot_bars(axes, [name for name, _ in reasons], [("", [n for _, n in reasons], MAIN)])
        axes.set_xlabel("clips")
        use_whole_numbers(axes)

    return svg("stops", draw, bars_height(len(reasons)))


def _eigenvalues(audit: Audit) -> str:
    values = audit.get("panel", {}).get("effective_votes", {}).get("eigenvalues") or []
    if len(values) < 2:
        return ""

    def draw(axes: Axes) -> None:
        axes.bar(range(1, len(values) + 1), values, color=MAIN, width=0.6)
        axes.axhline(1, color=INK, linewidth=1, linestyle="--")
        axes.set(xlabel="component", ylabel="eigenvalue", xticks=range(1, len(values) + 1))
        axes.grid(visible=False, axis="x")

    return svg("eigenvalues", draw, 2.2)


def _agreement(audit: Audit) -> str:
    rows = audit.get("agreement") or []
    names = list(dict.fromkeys(name for row in rows for name in row["scores"]))
    if not names:
        return ""
    tau: list[list[float | None]] = [[None] * len(names) for _ in names]
    for row in rows:
        i, j = (names.index(name) for name in row["scores"])
        tau[i][j] = tau[j][i] = row["kendall_tau"]
    return heat_map("agreement", names, names, tau, 1.0)


def _vetoes(audit: Audit) -> str:
    rows = audit.get("panel", {}).get("vetoes") or []
    if len(rows) < 2:
        return ""
    against = [row["alone_against"] or 0.0 for row in rows]
    lost = [row["yield_lost"] or 0.0 for row in rows]

    def draw(axes: Axes) -> None:
        names = [row["score"] for row in rows]
        plot_bars(
            axes,
            names,
            [("comparisons it alone stops", against, MAIN), ("clips it costs", lost, SECOND)],
        )
        axes.set_xlabel("share")

    return svg("vetoes", draw, bars_height(len(rows) * 1.5))


def _forward(audit: Audit) -> str:
    steps = {k: v for k, v in (audit.get("panel", {}).get("forward") or {}).items() if v}
    if len(steps) < 2:
        return ""

    rows = list(steps.values())

    def draw(subplots: Sequence[Axes]) -> None:
        for axes, key, chance, label in (
            (subplots[0], "yield", "by_chance", "clips with a pair"),
            (subplots[1], "comparisons", "comparisons_by_chance", "unanimous comparisons"),
        ):
            plot_curves(axes, range(len(rows)), with_chance_level(rows, key, chance))
            axes.set(ylabel=label, ylim=(0, 1.05), xticks=range(len(rows)), xticklabels=[])
        names = [f"+ {name}" for name in steps]
        subplots[1].set_xticklabels(names, rotation=25, ha="right")
        add_legend(subplots[0])

    return panels("forward", draw, 4.2, 2)


def _hold_out(audit: Audit) -> str:
    rows = [row for row in audit.get("hold_out") or [] if row["rate"] is not None]
    if not rows:
        return ""

    def draw(axes: Axes) -> None:
        plot_intervals(axes, [row["score"] for row in rows], rows, "rate")
        axes.axvline(0.5, color=INK, linewidth=1, linestyle="--")
        axes.set(xlabel="share of pairs in which it prefers the chosen (.5 is chance)", xlim=(0, 1))

    return svg("holdout", draw, bars_height(len(rows)))


def _single(audit: Audit) -> str:
    rows = [row for row in audit.get("single_scores") or [] if row["pairs"]]
    if not rows:
        return ""
    names = list(rows[0]["gain"])
    gain = [[row["gain"][name] for name in names] for row in rows]
    largest = max([abs(v) for row in gain for v in row if v is not None] or [1.0])
    return heat_map("single", [row["by"] for row in rows], names, gain, largest)


def _sides(audit: Audit) -> str:
    rows = [r for r in audit.get("sides") or [] if r["pairs"] and r["cohens_d"] is not None]
    rows = [row for row in rows if row["difference"] or row["cliffs_delta"]]
    if not rows:
        return ""

    def draw(subplots: Sequence[Axes]) -> None:
        colours = [BAD if row["warns"] else MAIN for row in rows]
        names = [property_name(row["property"]) for row in rows]
        for axes, effects, label, small in (
            (subplots[0], [row["cohens_d"] or 0.0 for row in rows], "Cohen's d", SMALL_D),
            (
                subplots[1],
                [row["cliffs_delta"] or 0.0 for row in rows],
                "Cliff's delta",
                SMALL_DELTA,
            ),
        ):
            axes.barh(names, effects, color=colours)
            for edge in (-small, small):
                axes.axvline(edge, color=INK, linewidth=1, linestyle="--")
            axes.invert_yaxis()
            axes.set_xlabel(f"{label} (dashed: small effect)")

    return panels("sides", draw, 2 * bars_height(len(rows)), 2)


def _learnability(audit: Audit) -> str:
    rows = [row for row in audit.get("learnability") or [] if row["accuracy"] is not None]
    if not rows:
        return ""

    def draw(axes: Axes) -> None:
        for index, row in enumerate(rows):
            low, high = row["shuffled_low"] or 0.0, row["shuffled_high"] or 0.0
            axes.barh(index, high - low, left=low, color=FAINT, height=0.6)
        plot_intervals(axes, [row["generator"] for row in rows], rows, "accuracy")
        axes.set(xlabel="accuracy on unseen pairs (grey: with shuffled labels)", xlim=(0, 1))

    return svg("learnability", draw, bars_height(len(rows)))


def _margins(audit: Audit) -> str:
    margins = audit.get("margins") or {}
    rows = [(name, row["quantiles"]) for name, row in margins.items() if row and row["quantiles"]]
    if not rows:
        return ""

    def draw(subplots: Sequence[Axes]) -> None:
        for axes, (name, q) in zip(subplots, rows, strict=True):
            axes.plot([q[0], q[4]], [0, 0], color=MAIN, linewidth=1)
            axes.plot([q[1], q[3]], [0, 0], color=MAIN, linewidth=7, solid_capstyle="butt")
            axes.plot([q[2]], [0], "|", color=INK, markersize=12, markeredgewidth=2)
            axes.axvline(0, color=INK, linewidth=1, linestyle="--")
            axes.set(yticks=[0], yticklabels=[name], ylim=(-1, 1))
            axes.locator_params(axis="x", nbins=5)  # long numbers would overlap
            axes.grid(visible=False, axis="y")

    return panels("margins", draw, 0.62 * len(rows) + 0.1, len(rows))


def _preference(audit: Audit) -> str:
    vectors = audit.get("preference", {}).get("vectors") or {}
    if len(vectors) < 2:
        return ""
    names = list(next(iter(vectors.values()))["vector"])
    value = [[row["vector"][name] for name in names] for row in vectors.values()]
    largest = max([abs(v) for row in value for v in row if v is not None] or [1.0])
    return heat_map("preference", list(vectors), names, value, largest)


def _listening(audit: Audit) -> str:
    rows = (audit.get("listening") or {}).get("by_margin", {}).get("bins") or []
    if not rows:
        return ""

    def draw(axes: Axes) -> None:
        for row in rows:
            margin, rate, low, high = row["margin"], row["rate"], row["low"], row["high"]
            if rate is not None:
                axes.plot([margin], [rate], "o", color=MAIN)
            if low is not None and high is not None:
                axes.plot([margin] * 2, [low, high], color=MAIN, linewidth=1.5)
        axes.axhline(0.5, color=INK, linewidth=1, linestyle="--")
        axes.set(xlabel="smallest margin of the votes, in spreads", ylabel="prefer the chosen")
        axes.set_ylim(0, 1.05)

    return svg("listening", draw, 2.6)


_FIGURES: dict[str, Callable[[Audit], str]] = {
    "yield": _yield,
    "curves": _curves,
    "stops": _stops,
    "eigenvalues": _eigenvalues,
    "agreement": _agreement,
    "vetoes": _vetoes,
    "forward": _forward,
    "hold_out": _hold_out,
    "single_scores": _single,
    "sides": _sides,
    "learnability": _learnability,
    "margins": _margins,
    "preference": _preference,
    "listening": _listening,
}
