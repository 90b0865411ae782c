"""The command ``evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path

from gensr_pref.cli.arguments import DEVICE, PANEL, SEED
from gensr_pref.cli.output import as_json, plugin_prints_on_stderr, show
from gensr_pref.errors import RunIncompleteError

HELP = "compare generators, such as before and after training, on held-out clips"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the generators or an evaluation file, the clips, and how they are compared."""
    parser.add_argument(
        "words",
        nargs="+",
        metavar="GENERATOR",
        help="generator as [label=]name[:option=value,...], the base first, such as base=fm-tiny "
        "dpo@1=fm-tiny:checkpoint=runs/dpo; or instead an evaluation file (.yaml), and key=value "
        "to override its fields",
    )
    parser.set_defaults(overrides=[])
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="run directory of the evaluation"
    )
    parser.add_argument(
        "--clips",
        metavar="PATH",
        help="held-out clips: a run file, a manifest, a folder with noisy/ and clean/, or a run "
        "directory or exported dataset, whose validation split is used",
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="largest number of clips; default: all"
    )
    parser.add_argument(
        "--samples", type=int, metavar="N", help="number of samples per clip; default: 4"
    )
    parser.add_argument(
        "--base",
        metavar="LABEL",
        help="label of the generator that the others are compared with; default: the first",
    )
    parser.add_argument(
        "--control",
        action="append",
        metavar="LABEL",
        help="label of a control, that is, a generator that should not beat the base; may be "
        "repeated",
    )
    parser.add_argument(
        "--panel",
        metavar="METRICS",
        help=f"{PANEL}; default: the panel of the run that the clips are from, or that of `score`",
    )
    parser.add_argument(
        "--hold-out",
        metavar="NAMES",
        help="metrics or scores that did not choose the training pairs, separated by commas; "
        "default: those without a vote",
    )
    parser.add_argument(
        "--over",
        choices=["clip", "speaker"],
        help="unit that the confidence intervals are computed over; default: clip",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help=f"{SEED}; default: that of the run that the clips are from, or 0",
    )
    parser.add_argument("--workers", metavar="N", help="number of processes; default: one per CPU")
    parser.add_argument("--device", help=f"{DEVICE}; default: cpu")


def run(options: argparse.Namespace) -> None:
    """Evaluate the policies and print how they compare with the base."""
    from gensr_pref.apply import evaluation_report
    from gensr_pref.apply.evaluate import evaluate
    from gensr_pref.apply.evaluation_file import parse_words
    from gensr_pref.config import plugins

    if not options.words[0].endswith((".yaml", ".yml")):
        plugins.search(Path.cwd())  # for generators of the user's own
    wanted, home = parse_words([*options.words, *options.overrides], vars(options))
    with plugin_prints_on_stderr():
        summary, evaluation = evaluate(wanted, options.out, base=home)
    if options.json:
        show(as_json(evaluation))
    elif evaluation:
        written = f"Written to {options.out}: evaluation.json, evaluation.md, evaluation.svg"
        show(f"{evaluation_report.terminal_text(evaluation)}\n\n{written}")
    if not summary["complete"] or not evaluation:
        from gensr_pref.cli.summary_text import incomplete

        raise RunIncompleteError(incomplete(summary))
