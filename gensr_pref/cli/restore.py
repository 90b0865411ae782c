"""The command ``restore``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gensr_pref.cli.arguments import DEVICE, SEED
from gensr_pref.cli.output import as_json, plugin_prints_on_stderr, show
from gensr_pref.errors import RunIncompleteError, parameter, quantity

if TYPE_CHECKING:
    from gensr_pref.apply.restore import RestoreReport

HELP = "restore a noisy audio file, or a folder of them, with a generator"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the files, the generator, and the choice among its candidates."""
    parser.add_argument(
        "source", type=Path, metavar="IN", help="noisy audio file, or folder of such files"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="file or folder to write")
    parser.add_argument(
        "--generator",
        required=True,
        metavar="NAME",
        help="name of a generator (see `gensr-pref generators`), or module:Class",
    )
    parser.add_argument(
        "--option",
        dest="generator.options",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="option of the generator, as in a run file; may be repeated",
    )
    parser.add_argument(
        "--best-of",
        dest="candidates",
        type=int,
        default=1,
        metavar="N",
        help="number of candidates to draw, of which the best is used",
    )
    parser.add_argument(
        "--by",
        metavar="SCORE",
        help="score that chooses the best candidate; default with --best-of: dnsmos_ovrl",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=SEED)
    parser.add_argument("--device", default="cpu", help=DEVICE)


def run(options: argparse.Namespace) -> None:
    """Restore the files and print which were made."""
    from gensr_pref.apply.restore import restore
    from gensr_pref.config import plugins, run_file

    plugins.search(Path.cwd())  # for a generator of the user's own
    assignments = vars(options)["generator.options"]
    field = f"{parameter('generator')}.options"
    use = {
        "use": options.generator,
        "candidates": options.candidates,
        "options": run_file.override({}, assignments, field),
    }
    with plugin_prints_on_stderr():
        result = restore(
            options.source,
            options.out,
            use,
            by=options.by,
            seed=options.seed,
            device=options.device,
        )
    show(as_json(result) if options.json else describe_restored(result))
    if result["failed"]:
        raise RunIncompleteError(_list_failed(result))


def describe_restored(result: RestoreReport) -> str:
    """Return how many files were made, and where."""
    from gensr_pref.corpus.listing import LeftOut, describe_left_out

    counts = f"{result['restored']} restored, {result['skipped']} skipped because they exist"
    lines = [f"{counts}: {result['out']}"]
    if result["unjudged"]:
        lines.append(
            f"{quantity(result['unjudged'], 'piece')} could not be scored: the first candidate "
            "was used"
        )
    lines += [
        f"{file['file']}: beyond full scale, scaled by {file['gain']:.3f}"
        for file in result["scaled"]
    ]
    lines += describe_left_out([LeftOut(**part) for part in result["left_out"]])
    return "\n".join([*lines, *(f"note: {notice}" for notice in result["notices"])])


def _list_failed(result: RestoreReport) -> str:
    lines = [f"  {file['file']}: {file['reason']} ({file['detail']})" for file in result["failed"]]
    return "\n".join(["some files could not be restored:", *lines])
