"""Draws the figure of an evaluation: every policy's difference from the base, score by score."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gensr_pref.untrusted.text import escape_all

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _FAINT, _POLICY, _CONTROL = "#1c1e21", "#d5d8dc", "#1f5fa8", "#8a9099"
_COLUMNS = 3
_WIDTH = 3.1  # inches of one panel
_STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a name may contain two dollar signs
    "svg.hashsalt": "gensr_pref",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "figure.facecolor": "white",
    "axes.titlesize": 9.5,
}


def forest_plot(results: Mapping[str, Any]) -> str:
    """Return a figure with one small panel per score, as an SVG document on white.

    A point is a policy's mean difference and a bar its interval, in the score's own unit. Better
    is to the right, so the axis of a score with lower values better is reversed. Controls are grey;
    small dots are the members of a policy with several seeds.

    Args:
        results: the contents of ``evaluation.json``.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    results = escape_all(results)
    names = [name for name, row in results["policies"].items() if row["role"] != "base"]
    scores = sorted(results["scores"], key=lambda score: not score["votes"])
    rows = math.ceil(len(scores) / _COLUMNS)
    height = rows * (0.95 + 0.27 * len(names)) + 0.45
    with rc_context(_STYLE), io.StringIO() as file:
        figure = Figure(figsize=(_WIDTH * _COLUMNS, height))
        FigureCanvasSVG(figure)
        figure.set_layout_engine("constrained", hspace=0.1, wspace=0.06)
        grid = figure.subplots(rows, _COLUMNS, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index >= len(scores):
                axes.set_visible(False)
                continue
            _panel(axes, results, scores[index], names)
            if index % _COLUMNS:
                axes.set_yticklabels([])
        title = f"Difference from {results['base']}, 95 % intervals; right is better"
        figure.suptitle(title, fontsize=10, x=0.01, ha="left")
        empty = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=empty)
        return file.getvalue()


def _panel(
    axes: Axes, results: Mapping[str, Any], score: dict[str, Any], names: Sequence[str]
) -> None:
    axes.axvline(0, color=_INK, linewidth=0.8)
    for row, name in enumerate(names):
        policy = results["policies"][name]
        measured = policy["scores"][score["score"]]
        colour = _POLICY if policy["role"] == "policy" else _CONTROL
        if not measured.get("difference"):
            continue
        value, low, high = measured["difference"]
        if low is not None:
            axes.plot([low, high], [row, row], color=colour, linewidth=2, solid_capstyle="round")
        axes.plot([value], [row], "o", color=colour, markersize=5.5)
        if len(measured["seeds"]) > 1:
            axes.plot(
                measured["seeds"],
                [row + 0.3] * len(measured["seeds"]),
                "o",
                color=colour,
                markersize=2,
            )
    arrow = "↑" if score["higher_is_better"] else "↓"
    axes.set_title(
        f"{score['score']} {arrow}{'' if score['votes'] else '  (hold-out)'}", loc="left"
    )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=_FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.locator_params(axis="x", nbins=4)
    if not score["higher_is_better"]:
        axes.invert_xaxis()
