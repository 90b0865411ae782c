"""The program: parses, runs one command, and turns its errors into an exit status.

Exit status: 0 done, 1 incomplete (the message says what is missing), 2 bad input (the message names
the field).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from gensr_pref import __version__, process
from gensr_pref.cli import (
    audit,
    build,
    demo,
    evaluate,
    export,
    fetch,
    generators,
    listen,
    metrics,
    output,
    pair,
    plan,
    restore,
    score,
    status,
    train,
)
from gensr_pref.cli.arguments import HelpFormatter, flags
from gensr_pref.errors import GensrPrefError, InputError
from gensr_pref.storage.location import home


class Command(Protocol):
    """A module of this package that is a command.

    Attributes:
        HELP: one line about what the command does.
    """

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's own arguments; imports nothing heavy."""

    def run(self, options: argparse.Namespace) -> None:
        """Do the work and print its result."""


COMMANDS: dict[str, Command] = {
    "demo": demo,
    "build": build,
    "status": status,
    "plan": plan,
    "pair": pair,
    "audit": audit,
    "listen": listen,
    "export": export,
    "score": score,
    "evaluate": evaluate,
    "restore": restore,
    "fetch": fetch,
    "metrics": metrics,
    "generators": generators,
    "train": train,
}
_READING: tuple[Command, ...] = (
    status,
    pair,
    audit,
    listen,
    export,
    evaluate,
    train,
)  # they read files that someone else may have made
_RESUMABLE: tuple[Command, ...] = (demo, build, plan, score, evaluate, restore, fetch, train)
_TRACEBACK = "GENSR_PREF_TRACEBACK"  # environment variable: raise unexpected errors


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    command: Command | None = None
    words: dict[str, str] = {}
    try:
        with process.handle_signals():
            options = parse(arguments)
            command, words = options.command, flags(options)
            home()  # some libraries fail without a home folder
            options.command.run(options)
            sys.stdout.flush()  # here, where a closed pipe is no error
    except GensrPrefError as error:
        output.show(f"gensr-pref: {error.render(words)}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except BrokenPipeError:  # the reader of the output, such as `head`, has ended
        output.close()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # ignore a second Ctrl-C
        resume = " Finished work is kept; the same command continues it."
        output.show(
            f"gensr-pref: interrupted.{resume if command in _RESUMABLE else ''}", file=sys.stderr
        )
        return 1
    except Exception as error:
        if command not in _READING or os.environ.get(_TRACEBACK):
            raise
        output.show(f"gensr-pref: {_describe_unexpected(error)}", file=sys.stderr)
        return 1
    return 0


def _describe_unexpected(error: Exception) -> str:
    """Return a sentence about an error that no code expected in the files that were read."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected error: {type(error).__name__}: {error} ({Path(last.filename).name}, line "
        f"{last.lineno}). If a build wrote these files, run the same build again: it checks and "
        f"repairs them. Set {_TRACEBACK}=1 for the traceback"
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments, with ``key=value`` allowed before and after options."""
    whole = parser()
    options, rest = whole.parse_known_args(arguments)
    unknown = [word for word in rest if "=" not in word or word.startswith("-")]
    if unknown or (rest and not hasattr(options, "overrides")):
        options.parser.error(f"unrecognized arguments: {' '.join(unknown or rest)}")
    if rest:
        options.overrides = [*options.overrides, *rest]
    return options


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="gensr-pref",
        description="Build preference datasets for generative speech restoration, and align models "
        "with them.",
    )
    top.add_argument("--version", action="version", version=f"gensr-pref {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        added = commands.add_parser(
            name, help=command.HELP, description=command.HELP, formatter_class=HelpFormatter
        )
        added.add_argument("--json", action="store_true", help="print the result as JSON")
        added.set_defaults(command=command, parser=added)
        command.add_arguments(added)
    return top
