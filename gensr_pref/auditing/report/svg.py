"""Draws figures as inline SVG in the colours and the font of the page.

matplotlib draws in placeholder colours, which become CSS variables, so that one figure works in
light and dark mode.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT = "#010203", "#040506"
MAIN, SECOND, GOOD, BAD = "#0708a0", "#0a0ba1", "#0d0ea2", "#1011a3"
GREY = "#1314a4"
_VARIABLES = {
    GREY: "var(--grey)",
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    MAIN: "var(--main)",
    SECOND: "var(--second)",
    GOOD: "var(--good)",
    BAD: "var(--bad)",
}
_WIDTH = 5.2  # inches; on a phone its text is still 8 pixels high
_STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a name may contain two dollar signs
    "svg.fonttype": "none",  # text stays text: it scales and can be searched and read aloud
    "svg.hashsalt": "gensr_pref",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.4,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "axes.titlesize": 9.0,
}


def svg(name: str, draw: Callable[[Axes], None], height: float) -> str:
    """Return a figure with one panel as an SVG element; see `panels`."""
    return panels(name, lambda subplots: draw(subplots[0]), height, 1)


def panels(name: str, draw: Callable[[Sequence[Axes]], None], height: float, count: int) -> str:
    """Return a figure with several panels as an SVG element.

    Args:
        name: unique in the page; the ids in the figure begin with it.
        draw: function that draws the content of the panels.
        height: inches, at the size of the page's text.
        count: number of panels, one below the other.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(list(figure.subplots(count, squeeze=False)[:, 0]))
        return _inline(name, _render(figure))


def _render(figure: Figure) -> str:
    with io.StringIO() as file:
        empty = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=empty)
        return file.getvalue()


def _inline(name: str, text: str) -> str:
    """Remove prolog, namespaces and metadata; make ids unique; use the page's colours and font."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s(xmlns(:\w+)?|version)="[^"]*"', "", text, count=4)
    text = re.sub(r'(?<=<svg)([^>]*?)\s(?:height|width)="[^"]*pt"', r"\1", text)
    text = re.sub(r'(?<=<svg)([^>]*?)\s(?:height|width)="[^"]*pt"', r"\1", text)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    text = re.sub(r"font: (\S+) '[^;\"]*", r"font: \1 var(--font)", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    return text.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)
