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
        "dpo@1=fm-tiny:checkpoint=runs/dpo; or an evaluation file (.yaml), then key=value",
    )
    parser.set_defaults(overrides=[])
    parser.add_argument("--out", type=Path, required=True, help="folder to write the results to")
    parser.add_argument(
        "--clips",
        metavar="PATH",
        help="held-out clips: run file, manifest, folder with noisy/ and clean/, or the validation "
        "split of a run directory or exported dataset",
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
        help="label of a control: a generator that should not beat the base; may be repeated",
    )
    parser.add_argument("--panel", help=PANEL)
    parser.add_argument(
        "--hold-out",
        metavar="NAMES",
        help="metrics or scores that did not choose the pairs, separated by commas",
    )
    parser.add_argument(
        "--over",
        choices=["clip", "speaker"],
        help="cluster of the confidence intervals; default: clip",
    )
    parser.add_argument("--seed", type=int, help=SEED)
    parser.add_argument("--workers", help="number of processes; default: one per CPU")
    parser.add_argument("--device", help=f"{DEVICE}; default: cpu")


def run(options: argparse.Namespace) -> None:
    """Evaluate the policies and print how they compare with the base."""
    from gensr_pref.apply import evaluation_report
    from gensr_pref.apply.evaluate import evaluate
    from gensr_pref.apply.evaluation_file import parse_words
    from gensr_pref.config import plugins

    if not options.words[0].endswith((".yaml", ".yml")):
        plugins.search(Path.cwd())  # of what is named here
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
