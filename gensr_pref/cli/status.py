"""The command ``status``."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from gensr_pref.cli.arguments import add_directory
from gensr_pref.cli.output import show
from gensr_pref.cli.tables import format_labelled, format_reasons
from gensr_pref.errors import quantity

if TYPE_CHECKING:
    from gensr_pref.building.status import Status

HELP = "show the progress of a running or ended build"
_SHOWN = 3  # number of missing files that are named


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run directory and how often to report."""
    add_directory(parser)
    parser.add_argument(
        "--watch",
        dest="seconds",
        type=float,
        metavar="SECONDS",
        help="seconds between reports, until the build ends; default: a single report",
    )


def run(options: argparse.Namespace) -> None:
    """Print how far the build is; with ``--watch`` until it ends."""
    from gensr_pref.building.status import status, watch_status

    reports = (
        [status(options.dir)]
        if options.seconds is None
        else watch_status(options.dir, options.seconds)
    )
    for report in reports:
        show(json.dumps(report) if options.json else describe_build(report), flush=True)


def describe_build(report: Status) -> str:
    """Return how far a build is, as labelled lines."""
    from gensr_pref.auditing.format import format_share
    from gensr_pref.building.progress_bar import duration
    from gensr_pref.pairing.no_pairs import NOTICE

    rows = [("state", _state(report))]
    for stage, progress in report["stages"].items():
        line = f"{progress['clips']} of {quantity(report['clips'], 'clip')}"
        line += f", {quantity(progress['workers'], 'process')} on {progress['device']}"
        if "utilisation" in progress:
            line += f", busy {progress['utilisation']:.0%} of the time"
            line += f", {progress['audio_hours_per_hour']:g} h of audio/h"
        rows.append((stage, line))
    if NOTICE not in report["notices"]:
        clips = quantity(report["pairs_of_clips"], "clip")
        rows.append(("pairs", f"{report['pairs']}, of {clips} scored since the last start"))
        rows.append(("yield", format_share(report["yield"])))
    if report["seconds_left"] is not None and report["state"] == "running":
        rows.append(("time left", duration(report["seconds_left"])))
    rows.append(("left out", format_reasons(report["failures"]) or "nothing"))
    rows.append(("shards", f"{report['restarted']} restarted, {report['lost']} given up"))
    if report["missing"]:
        names = ", ".join(report["missing"][:_SHOWN])
        files = quantity(len(report["missing"]), "file")
        rows.append(("missing", f"{files} of those written, such as {names}"))
    rows += [("note", notice) for notice in report["notices"]]
    return format_labelled(rows)


def _state(report: Status) -> str:
    from gensr_pref.building.progress_bar import duration

    age = f"{duration(report['age_seconds'])} ago"
    if report["state"] == "starting":
        return f"starting: a build has begun and has no report yet (the last report: {age})"
    stopped = report["state"] in ("interrupted", "incomplete")
    return f"{report['state']} ({age}){'; the same build continues it' if stopped else ''}"
