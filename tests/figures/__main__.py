"""Print the figures: ``python -m tests.figures``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from . import __doc__ as package_doc
from .measures import Figure, measure, rooms
from .tree import Tree


def _table(tree: Tree, figures: list[Figure]) -> Iterator[str]:
    titles = ("files", "lines", "share", "floors", "modules", "tested")
    yield f"{'room':<12}" + "".join(f"{title:>9}" for title in titles)
    for row in rooms(tree):
        values = (f"{row[title]:.1%}" if title == "share" else f"{row[title]}" for title in titles)
        yield f"{row['room']:<12}" + "".join(f"{value:>9}" for value in values)
    yield ""
    width = max(len(figure.label) for figure in figures)
    for figure in figures:
        share = ""
        if figure.whole:
            share = f"  of {figure.whole} ({float(figure.value) / figure.whole:.1%})"
        yield f"{figure.label:<{width}}  {figure.value:>5}{share}"


def _as_json(tree: Tree, figures: list[Figure]) -> str:
    values = {
        figure.key: {"label": figure.label, "value": figure.value}
        | ({} if figure.whole is None else {"of": figure.whole})
        for figure in figures
    }
    return json.dumps({"rooms": rooms(tree), "figures": values}, indent=2)


def main(arguments: list[str] | None = None) -> int:
    """Print the figures of a checkout and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.figures", description=(package_doc or "").partition("\n")[0]
    )
    here = Path(__file__).resolve().parents[2]
    parser.add_argument("--root", type=Path, default=here, help="root of the checkout to measure")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print JSON instead of a table")
    shape.add_argument(
        "--list", metavar="KEY", help="print what one figure counts; keys as in --json"
    )
    options = parser.parse_args(arguments)
    try:
        tree = Tree.read(options.root)
    except FileNotFoundError as error:
        parser.error(f"--root: {error}")
    figures = measure(tree)
    if options.list is None:
        print(_as_json(tree, figures) if options.json else "\n".join(_table(tree, figures)))
        return 0
    entries = {figure.key: figure.entries for figure in figures}
    if options.list not in entries:
        parser.error(f"--list: no figure {options.list!r}. Known: {', '.join(entries)}")
    print("\n".join(entries[options.list]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
