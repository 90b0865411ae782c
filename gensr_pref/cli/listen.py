"""The command ``listen``."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path

from gensr_pref.cli.arguments import add_directory
from gensr_pref.cli.output import show
from gensr_pref.errors import InputError, Problem, parameter, quantity

HELP = "judge pairs of a run by ear, in a blind listening test in the browser"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run directory, the number of pairs, the listener and the page."""
    add_directory(parser)
    parser.add_argument(
        "--pairs", type=int, default=40, metavar="N", help="number of pairs to judge"
    )
    parser.add_argument(
        "--listener", metavar="NAME", help="name of the listener; default: the page asks for it"
    )
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="port on 127.0.0.1; 0: any free port"
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address without opening a browser"
    )
    parser.add_argument(
        "--export",
        type=Path,
        metavar="FOLDER",
        help="folder to write a webMUSHRA test to, instead of serving the page",
    )


def run(options: argparse.Namespace) -> None:
    """Serve the listening page until Ctrl-C, or write a webMUSHRA test."""
    from gensr_pref.auditing.listening import server, webmushra

    if options.export:
        _require_no_page(options)
        test = webmushra.export_webmushra(options.dir, options.export, options.pairs)
        line = f"{test['config']}: {quantity(test['trials'], 'trial')}"
        show(json.dumps(test) if options.json else line)
        return
    address = server.open_server(options.dir, options.pairs, options.listener, options.port)
    with address as (url, serve):
        show(json.dumps({"url": url}) if options.json else f"Listening page: {url}", flush=True)
        if not options.no_browser:
            import webbrowser

            webbrowser.open(url)
        with contextlib.suppress(KeyboardInterrupt):  # the way to end it
            serve()


def _require_no_page(options: argparse.Namespace) -> None:
    """Refuse options of the page with an export, which serves none."""
    for name in ("listener", "port", "no_browser"):
        value = getattr(options, name)
        if value:
            raise InputError(
                f"is for the page, which {parameter('export')} does not serve. Leave one out",
                field=parameter(name),
                value=value,
                problem=Problem.CONFLICT,
            )
