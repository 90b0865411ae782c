"""The command ``generators``."""

from __future__ import annotations

import argparse

from gensr_pref.cli.output import as_json, show
from gensr_pref.cli.tables import format_table_with_lines

HELP = "list the generators, with their sample rates, needs and licences"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Do nothing: the command has no arguments of its own."""


def run(options: argparse.Namespace) -> None:
    """Print a table of the generators."""
    from gensr_pref.apply import catalogue

    rows = catalogue.generators()
    text = format_table_with_lines(rows, "generator", "options", "revision", "missing")
    show(as_json(rows) if options.json else text)
