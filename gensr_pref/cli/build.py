"""The command ``build``."""

from __future__ import annotations

import argparse

from gensr_pref.cli.arguments import DIRECTORY, add_overrides, add_run_file
from gensr_pref.cli.output import plugin_prints_on_stderr
from gensr_pref.storage.location import parse_location

HELP = "build preference pairs from a corpus, or continue an interrupted build"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run file, the run directory and overrides."""
    add_run_file(parser)
    parser.add_argument("--out", type=parse_location, required=True, metavar="DIR", help=DIRECTORY)
    add_overrides(parser)


def run(options: argparse.Namespace) -> None:
    """Build the run file and print what was made."""
    from gensr_pref.config import run_file

    run = run_file.load(
        options.run, options.overrides
    )  # before the slow import, so that errors come at once
    from gensr_pref.building.build import build

    with plugin_prints_on_stderr():
        summary = build(run, options.out, base=options.run.resolve().parent)
    from gensr_pref.cli.summary_text import show_made

    show_made(summary, options.out, options.json, rule=run.pairing.rule)
