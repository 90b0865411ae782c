"""The command ``plan``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gensr_pref.cli.arguments import add_overrides, add_run_file
from gensr_pref.cli.output import as_json, plugin_prints_on_stderr, show
from gensr_pref.cli.tables import format_labelled
from gensr_pref.errors import quantity
from gensr_pref.storage.location import parse_location

if TYPE_CHECKING:
    from gensr_pref.apply.pilot import Plan

HELP = "build a small pilot run, and estimate the time and disk space that N pairs need"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run file, the number of pairs, and the pilot's size and place."""
    add_run_file(parser)
    parser.add_argument(
        "--pairs", type=int, default=80_000, metavar="N", help="number of pairs to plan for"
    )
    parser.add_argument(
        "--clips",
        dest="pilot",
        type=int,
        default=24,
        metavar="N",
        help="number of clips in the pilot run",
    )
    parser.add_argument(
        "--out",
        type=parse_location,
        metavar="DIR",
        help="run directory of the pilot run, which a build with the same --out continues; "
        "default: a temporary one",
    )
    add_overrides(parser)


def run(options: argparse.Namespace) -> None:
    """Build the pilot run and print the estimate."""
    import tempfile

    from gensr_pref.config import run_file

    run = run_file.load(
        options.run, options.overrides
    )  # before the slow import, so that errors come at once
    from gensr_pref.apply.pilot import plan

    with tempfile.TemporaryDirectory() as folder, plugin_prints_on_stderr():
        out = options.out or Path(folder) / "pilot"
        needs = plan(run, options.run.resolve().parent, out, options.pilot, options.pairs)
    show(as_json(needs) if options.json else describe_plan(needs))


def describe_plan(needs: Plan) -> str:
    """Return what a number of pairs needs, as labelled lines."""
    value, low, high = needs["yield"]
    clips, fewest, most = needs["clips"]
    pilot = needs["pilot"]
    rows = [
        ("pilot", f"{quantity(pilot['pairs'], 'pair')} of {quantity(pilot['clips'], 'clip')}"),
        ("yield", f"{value:.1%} of the clips have a pair (95 %: {low:.1%} to {high:.1%})"),
        ("aim", quantity(needs["pairs"], "pair")),
        (
            "clips",
            f"{_clip_count(clips)} (95 %: {_clip_count(fewest)} to {_clip_count(most)})",
        ),
        ("corpus", quantity(needs["clips_in_corpus"], "clip")),
    ]
    for crew in needs["crews"]:
        stages = " and ".join(crew["stages"])
        processes = f"{quantity(crew['processes'], 'process')} on {crew['device']}"
        rows.append(("hours", f"{crew['hours']:.2f} h to {stages} with {processes}"))
    rows.append(("slowest", f"{needs['bottleneck']}: {_work(needs)}"))
    rows.append(("disk", f"{needs['disk_gb']:.2f} GB"))
    return format_labelled(rows)


def _work(needs: Plan) -> str:
    return ", ".join(f"{stage} {hours:.2f} h" for stage, hours in needs["work_hours"].items())


def _clip_count(count: int | None) -> str:
    return "no number is enough" if count is None else str(count)
