"""The card's figure: agreement between the votes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from gensr_pref.auditing.agreement import PairAgreement
from gensr_pref.untrusted.text import escape_all

_SETTINGS: dict[Any, Any] = {"text.parse_math": False, "font.size": 9.0, "figure.titlesize": 10.0}
_CELL, _LEAST = 0.55, 4.4  # inches
_GOOD, _BAD, _INK = "#0b6e4f", "#b3261e", "#1a1a1a"


def agreement_figure(rows: Sequence[PairAgreement]) -> bytes | None:
    """Return Kendall's tau between every two votes as a PNG; None if there are fewer than two.

    Args:
        rows: ``agreement`` of ``audit.json``.
    """
    rows = escape_all(rows)
    names = list(dict.fromkeys(name for row in rows for name in row["scores"]))
    if not names:
        return None
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(_SETTINGS), io.BytesIO() as file:
        size = max(_CELL * len(names) + 1.8, _LEAST)
        figure = Figure(figsize=(size, size - 0.3), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        _draw(figure.subplots(), names, rows)
        figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
        return file.getvalue()


def _draw(axes: Any, names: list[str], rows: Sequence[PairAgreement]) -> None:
    from matplotlib.patches import Rectangle

    for row in rows:
        i, j = sorted(names.index(name) for name in row["scores"])
        tau = row["kendall_tau"]
        if tau is None:
            continue
        colour = _GOOD if tau >= 0 else _BAD
        corner = i - 0.5, j - 0.5
        axes.add_patch(Rectangle(corner, 1, 1, lw=0, color=colour, alpha=0.75 * min(abs(tau), 1)))
        axes.text(i, j, f"{tau:.2f}", ha="center", va="center", color=_INK)
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(-0.5, len(names) - 1.5), ylim=(len(names) - 0.5, 0.5))
    axes.figure.suptitle("Kendall's tau between votes, within clips")
    axes.set_facecolor("white")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
