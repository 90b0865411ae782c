"""The command ``pair``."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from gensr_pref.cli.arguments import add_directory, add_overrides
from gensr_pref.cli.output import show

HELP = "make the pairs of a run again from its scores, with another rule or settings"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run directory and the settings of the pairing section."""
    add_directory(parser)
    add_overrides(parser, "field of the pairing section to set, such as margin.dnsmos_ovrl=0.1")


def run(options: argparse.Namespace) -> None:
    """Make the pairs again and print what was made."""
    from gensr_pref.building.pair import names_rule, pair
    from gensr_pref.cli.summary_text import show_made
    from gensr_pref.config import plugins

    plugins.search(Path.cwd())  # for a rule of the user's own
    report = partial(show, file=sys.stderr, flush=True)
    summary = pair(options.dir, options.overrides, report)
    rule = summary["pairing"]["rule"] if names_rule(options.overrides) else None
    show_made(summary, options.dir, options.json, rule=rule, settings=options.overrides)
