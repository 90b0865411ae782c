"""The command ``fetch``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from gensr_pref.cli.output import as_json, show
from gensr_pref.cli.tables import format_table_with_lines
from gensr_pref.errors import InputError, Problem, parameter

HELP = "download and verify the weights of models; without a name, list them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the names of checkpoints and their verification."""
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="name of a checkpoint, such as utmos, or repository on the Hub as ORG/NAME[@REVISION]",
    )
    parser.add_argument(
        "--sha256",
        metavar="HEX",
        help="SHA-256 digest that the file must have; only with a single name",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="compare the files on this machine with their digests, without any download",
    )


def run(options: argparse.Namespace) -> None:
    """Download, verify or list checkpoints, and print which are on this machine."""
    from gensr_pref.weights import fetch

    try:
        rows: Sequence[Mapping[str, Any]]
        if options.verify and options.sha256 is not None:
            raise InputError(
                f"is for a download, and {parameter('verify')} makes none. Leave one out",
                field=parameter("sha256"),
                value=options.sha256,
                problem=Problem.CONFLICT,
            )
        if options.verify:
            rows = fetch.verify(options.names)
        elif options.names or options.sha256 is not None:
            rows = fetch.fetch(options.names, options.sha256)
        else:
            rows = fetch.list_checkpoints()
    except fetch.PartlyFetchedError as error:
        _show(error.rows, options)
        raise
    _show(rows, options)


def _show(rows: Sequence[Mapping[str, Any]], options: argparse.Namespace) -> None:
    show(as_json(rows) if options.json else format_table_with_lines(rows, "name", "notice"))
