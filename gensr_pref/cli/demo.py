"""The command ``demo``."""

from __future__ import annotations

import argparse
from pathlib import Path

from gensr_pref.cli import build
from gensr_pref.cli.arguments import DIRECTORY, add_overrides
from gensr_pref.storage.location import parse_location

HELP = "build a small dataset from the bundled sample"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run directory and overrides."""
    parser.add_argument(
        "--out", type=parse_location, default=Path("demo-run"), metavar="DIR", help=DIRECTORY
    )
    add_overrides(parser)


def run(options: argparse.Namespace) -> None:
    """Build the bundled run file and print what was made."""
    from gensr_pref import sample

    options.run = sample.DEMO
    build.run(options)
