"""Draws the kinds of charts that the report's figures consist of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gensr_pref.auditing.report.svg import BAD, GOOD, GREY, MAIN, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Series = tuple[str, Sequence[Any], str]  # label, values, colour
_ROW = 0.3  # inches per bar
_FRAME = 0.75  # inches for an axis and its label


def plot_bars(axes: Axes, names: Sequence[str], series: Sequence[Series]) -> None:
    """Plot a group of horizontal bars per name, one bar per series; None gives no bar."""
    width = 0.8 / len(series)
    for index, (label, values, colour) in enumerate(series):
        at = [k + (index - (len(series) - 1) / 2) * width for k in range(len(names))]
        axes.barh(at, [v or 0 for v in values], height=width * 0.92, color=colour, label=label)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    if len(series) > 1:
        add_legend(axes)


def plot_intervals(
    axes: Axes, names: Sequence[str], rows: Sequence[Mapping[str, Any]], key: str
) -> None:
    """Plot a point per row at its `key`, on a line from its `low` to its `high`."""
    for index, row in enumerate(rows):
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [index, index], color=MAIN, linewidth=2)
        axes.plot([row[key]], [index], "o", color=MAIN)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)


def plot_curves(axes: Axes, at: Sequence[float], series: Sequence[Series]) -> None:
    """Plot lines through points; a series without values is left out."""
    for label, values, colour in series:
        if any(value is not None for value in values):
            known = [float("nan") if value is None else value for value in values]
            axes.plot(at, known, "-o", color=colour, markersize=4, label=label)


def use_whole_numbers(axes: Axes) -> None:
    """Put the ticks of the horizontal axis, which counts, at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))


def add_legend(axes: Axes) -> None:
    """Explain the colours of one panel above the whole figure."""
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=9)


def with_chance_level(rows: Sequence[Mapping[str, Any]], key: str, chance: str) -> list[Series]:
    """Return the series of a value and of its chance level."""
    return [
        ("shuffled scores", [row[chance] for row in rows], GREY),
        ("scores", [row[key] for row in rows], MAIN),
    ]


def heat_map(
    name: str,
    rows: Sequence[str],
    columns: Sequence[str],
    value: Sequence[Sequence[float | None]],
    largest: float,
) -> str:
    """Return squares whose colour shows the sign and whose opacity shows the size, as SVG."""

    def draw(axes: Axes) -> None:
        from matplotlib.patches import Rectangle

        for i, row in enumerate(value):
            for j, number in enumerate(row):
                if number is None:
                    continue
                strength = min(abs(number) / max(largest, 1e-9), 1.0) * 0.75
                colour = GOOD if number >= 0 else BAD
                axes.add_patch(
                    Rectangle((j - 0.5, i - 0.5), 1, 1, lw=0, color=colour, alpha=strength)
                )
                axes.text(j, i, f"{number:.2f}", ha="center", va="center", fontsize=8)
        axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right")
        axes.set_yticks(range(len(rows)), rows)
        axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        axes.grid(visible=False)

    return svg(name, draw, 0.34 * len(rows) + 1.1)


def bars_height(rows: float) -> float:
    """Return the height in inches of a figure with that many rows."""
    return _ROW * rows + _FRAME
