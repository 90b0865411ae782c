"""Arguments that several commands share, and their types."""

from __future__ import annotations

import argparse
from pathlib import Path

from gensr_pref.storage.location import parse_location

DIRECTORY = "run directory, or its URL"
OVERRIDE = "field of the run file to override, such as corpus.limit=8"
PANEL = "names of metrics, separated by commas, or a YAML file with a `panel` section"
SEED = "random seed"
DEVICE = "torch device, such as cuda"


def add_run_file(parser: argparse.ArgumentParser) -> None:
    """Add the run file that a command reads."""
    parser.add_argument("run", type=Path, metavar="RUN.yaml", help="run file")


def add_directory(parser: argparse.ArgumentParser) -> None:
    """Add the run directory that a command reads."""
    parser.add_argument("dir", type=parse_location, metavar="DIR", help=DIRECTORY)


def add_overrides(parser: argparse.ArgumentParser, text: str = OVERRIDE) -> None:
    """Add ``key=value`` settings, which `gensr_pref.cli.main.parse` also takes after options."""
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=text)


def describe_argument(action: argparse.Action) -> str:
    """Return the help of an argument with its default."""
    text = action.help or ""
    if not action.option_strings or action.nargs == 0 or action.default in (None, []):
        return text
    return f"{text}; default: {action.default}"


class HelpFormatter(argparse.HelpFormatter):
    """The layout of ``--help``: each option is shown with its default."""

    def _get_help_string(self, action: argparse.Action) -> str:
        return describe_argument(action)


def megabytes(text: str) -> int:
    """Return the bytes of a number of megabytes."""
    return int(text) * 10**6


def flags(options: argparse.Namespace) -> dict[str, str]:
    """Return the flag or metavar to show instead of each parameter name in an error.

    A parameter and its argument share their name (`dest`), so no other table is needed.
    """
    return {
        action.dest: action.option_strings[-1]
        if action.option_strings
        else str(action.metavar or action.dest)
        for action in options.parser._actions
    }
