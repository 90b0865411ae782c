"""The figures of the report, each from the part of the audit that it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gensr_pref.audit.bias import SMALL_D, SMALL_DELTA
from gensr_pref.audit.report.drawing import BAD, FAINT, GOOD, INK, MAIN, SECOND, panels, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Audit = dict[str, Any]
_ROW = 0.3  # inches per bar
_FRAME = 0.75  # inches for an axis and its label


def figures(found: Audit) -> dict[str, str]:
    """Every figure that the audit has something for, by name, as SVG."""
    drawn = {name: make(found) for name, make in _FIGURES.items()}
    return {name: text for name, text in drawn.items() if text}


def _yield(found: Audit) -> str:
    told = found["yield"]
    names = [f"{score} alone" for score in told["alone"]] + ["the rule"]
    values = [*told["alone"].values(), told["joint"]]
    luck = [*told.get("alone_by_chance", {}).values(), told["by_chance"]]
    if len(luck) != len(values):
        return ""

    def draw(axes: Axes) -> None:
        _bars(axes, names, [("clips with a pair", values, MAIN), ("shuffled", luck, FAINT)])
        axes.set(xlabel="share of clips", xlim=(0, 1))

    return svg("yield", draw, _tall(len(names) * 1.5))


def _curves(found: Audit) -> str:
    by_count, by_margin = found.get("yield_by_candidates"), found.get("yield_by_margin")
    if not by_count or not by_margin:
        return ""

    def draw(every: Sequence[Axes]) -> None:
        _curve(every[0], by_count, "n", "candidates per clip and generator")
        _curve(every[1], by_margin, "spreads", "every margin raised by … spreads")

    return panels("curves", draw, 4.6, 2)


def _curve(axes: Axes, rows: Sequence[dict[str, Any]], key: str, label: str) -> None:
    at = [row[key] for row in rows]
    axes.plot(at, [row["yield"] for row in rows], "-o", color=MAIN, markersize=4)
    axes.set(xlabel=label, ylabel="clips with a pair", ylim=(0, 1.05))


def _stops(found: Audit) -> str:
    reasons = sorted(found["without_pair"].items(), key=lambda item: -item[1])
    if not reasons:
        return ""

    def draw(axes: Axes) -> None:
        _bars(axes, [name for name, _ in reasons], [("", [n for _, n in reasons], MAIN)])
        axes.set_xlabel("clips")

    return svg("stops", draw, _tall(len(reasons)))


def _eigenvalues(found: Audit) -> str:
    values = found.get("panel", {}).get("effective_votes", {}).get("eigenvalues") or []
    if len(values) < 2:
        return ""

    def draw(axes: Axes) -> None:
        axes.bar(range(1, len(values) + 1), values, color=MAIN, width=0.6)
        axes.axhline(1, color=INK, linewidth=1, linestyle="--")
        axes.set(xlabel="direction", ylabel="eigenvalue", xticks=range(1, len(values) + 1))
        axes.grid(visible=False, axis="x")

    return svg("eigenvalues", draw, 2.2)


def _agreement(found: Audit) -> str:
    rows = found.get("agreement") or []
    names = list(dict.fromkeys(name for row in rows for name in row["scores"]))
    if not names:
        return ""
    tau: list[list[float | None]] = [[None] * len(names) for _ in names]
    for row in rows:
        i, j = (names.index(name) for name in row["scores"])
        tau[i][j] = tau[j][i] = row["kendall_tau"]
    return _heat("agreement", names, names, tau, 1.0)


def _vetoes(found: Audit) -> str:
    rows = found.get("panel", {}).get("vetoes") or []
    if len(rows) < 2:
        return ""
    against = [row["alone_against"] or 0.0 for row in rows]
    lost = [row["yield_lost"] or 0.0 for row in rows]

    def draw(axes: Axes) -> None:
        names = [row["score"] for row in rows]
        _bars(
            axes,
            names,
            [("alone against", against, MAIN), ("yield lost by its vote", lost, SECOND)],
        )
        axes.set_xlabel("share of comparisons; share of clips")

    return svg("vetoes", draw, _tall(len(rows) * 1.5))


def _forward(found: Audit) -> str:
    steps = {k: v for k, v in (found.get("panel", {}).get("forward") or {}).items() if v}
    if len(steps) < 2:
        return ""

    def draw(axes: Axes) -> None:
        at = range(len(steps))
        for key, label, colour in (("yield", "yield", MAIN), ("by_chance", "shuffled", SECOND)):
            axes.plot(at, [v[key] for v in steps.values()], "-o", color=colour, label=label)
        axes.set(ylabel="clips with a pair", ylim=(0, 1.05), xticks=at)
        axes.set_xticklabels([f"+ {name}" for name in steps], rotation=25, ha="right")
        axes.legend()

    return svg("forward", draw, 2.8)


def _hold_out(found: Audit) -> str:
    rows = [row for row in found.get("hold_out") or [] if row["rate"] is not None]
    if not rows:
        return ""

    def draw(axes: Axes) -> None:
        _intervals(axes, [row["score"] for row in rows], rows, "rate")
        axes.axvline(0.5, color=INK, linewidth=1, linestyle="--")
        axes.set(xlabel="share of pairs whose chosen it prefers (.5 is chance)", xlim=(0, 1))

    return svg("holdout", draw, _tall(len(rows)))


def _single(found: Audit) -> str:
    rows = [row for row in found.get("single_scores") or [] if row["pairs"]]
    if not rows:
        return ""
    names = list(rows[0]["gain"])
    gain = [[row["gain"][name] for name in names] for row in rows]
    largest = max([abs(v) for row in gain for v in row if v is not None] or [1.0])
    return _heat("single", [row["by"] for row in rows], names, gain, largest)


def _sides(found: Audit) -> str:
    rows = [r for r in found.get("sides") or [] if r["pairs"] and r["cohens_d"] is not None]
    rows = [row for row in rows if row["difference"] or row["cliffs_delta"]]
    if not rows:
        return ""

    def draw(every: Sequence[Axes]) -> None:
        for axes, key, small in (
            (every[0], "cohens_d", SMALL_D),
            (every[1], "cliffs_delta", SMALL_DELTA),
        ):
            colours = [BAD if row["warns"] else MAIN for row in rows]
            axes.barh([row["property"] for row in rows], [r[key] for r in rows], color=colours)
            for edge in (-small, small):
                axes.axvline(edge, color=INK, linewidth=1, linestyle="--")
            axes.invert_yaxis()
            axes.set_xlabel(f"{key.replace('_', ' ')} (dashed: a small effect begins)")

    return panels("sides", draw, 2 * _tall(len(rows)), 2)


def _learnability(found: Audit) -> str:
    rows = [row for row in found.get("learnability") or [] if row["accuracy"] is not None]
    if not rows:
        return ""

    def draw(axes: Axes) -> None:
        for place, row in enumerate(rows):
            low, high = row["shuffled_low"], row["shuffled_high"]
            axes.barh(place, high - low, left=low, color=FAINT, height=0.6)
        _intervals(axes, [row["generator"] for row in rows], rows, "accuracy")
        axes.set(
            xlabel="named the chosen of unseen pairs (grey: with labels shuffled)", xlim=(0, 1)
        )

    return svg("learnability", draw, _tall(len(rows)))


def _margins(found: Audit) -> str:
    margins = found.get("margins") or {}
    rows = [(name, of["quantiles"]) for name, of in margins.items() if of and of["quantiles"]]
    if not rows:
        return ""

    def draw(every: Sequence[Axes]) -> None:
        for axes, (name, q) in zip(every, rows, strict=True):
            axes.plot([q[0], q[4]], [0, 0], color=MAIN, linewidth=1)
            axes.plot([q[1], q[3]], [0, 0], color=MAIN, linewidth=7, solid_capstyle="butt")
            axes.plot([q[2]], [0], "|", color=INK, markersize=12, markeredgewidth=2)
            axes.axvline(0, color=INK, linewidth=1, linestyle="--")
            axes.set(yticks=[0], yticklabels=[name], ylim=(-1, 1))
            axes.grid(visible=False, axis="y")

    return panels("margins", draw, 0.62 * len(rows) + 0.1, len(rows))


def _preference(found: Audit) -> str:
    vectors = found.get("preference", {}).get("vectors") or {}
    if len(vectors) < 2:
        return ""
    names = list(next(iter(vectors.values()))["vector"])
    value = [[one["vector"][name] for name in names] for one in vectors.values()]
    largest = max([abs(v) for row in value for v in row if v is not None] or [1.0])
    return _heat("preference", list(vectors), names, value, largest)


def _heard(found: Audit) -> str:
    rows = (found.get("listening") or {}).get("by_margin", {}).get("bins") or []
    if not rows:
        return ""

    def draw(axes: Axes) -> None:
        at = [row["margin"] for row in rows]
        rate = [row["rate"] for row in rows]
        reach = [[r["rate"] - r["low"] for r in rows], [r["high"] - r["rate"] for r in rows]]
        axes.errorbar(at, rate, reach, fmt="o", color=MAIN, capsize=3)
        axes.axhline(0.5, color=INK, linewidth=1, linestyle="--")
        axes.set(xlabel="smallest margin of the votes, in spreads", ylabel="prefer chosen")
        axes.set_ylim(0, 1.05)

    return svg("heard", draw, 2.6)


def _bars(
    axes: Axes, names: Sequence[str], series: Sequence[tuple[str, Sequence[Any], str]]
) -> None:
    width = 0.8 / len(series)
    for place, (label, values, colour) in enumerate(series):
        at = [k + (place - (len(series) - 1) / 2) * width for k in range(len(names))]
        axes.barh(at, [v or 0 for v in values], height=width * 0.92, color=colour, label=label)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    if len(series) > 1:
        axes.figure.legend(loc="outside upper right", ncols=len(series))


def _intervals(axes: Axes, names: Sequence[str], rows: Sequence[dict[str, Any]], key: str) -> None:
    for place, row in enumerate(rows):
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [place, place], color=MAIN, linewidth=2)
        axes.plot([row[key]], [place], "o", color=MAIN)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)


def _heat(
    name: str,
    rows: Sequence[str],
    columns: Sequence[str],
    value: Sequence[Sequence[float | None]],
    largest: float,
) -> str:
    """Squares whose colour says the sign and whose strength says the size."""

    def draw(axes: Axes) -> None:
        from matplotlib.patches import Rectangle

        for i, row in enumerate(value):
            for j, one in enumerate(row):
                if one is None:
                    continue
                strength = min(abs(one) / max(largest, 1e-9), 1.0) * 0.75
                colour = GOOD if one >= 0 else BAD
                axes.add_patch(
                    Rectangle((j - 0.5, i - 0.5), 1, 1, lw=0, color=colour, alpha=strength)
                )
                axes.text(j, i, f"{one:.2f}", ha="center", va="center", fontsize=8)
        axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right")
        axes.set_yticks(range(len(rows)), rows)
        axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        axes.grid(visible=False)

    return svg(name, draw, 0.34 * len(rows) + 1.1)


def _tall(rows: float) -> float:
    return _ROW * rows + _FRAME


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
    "listening": _heard,
}
