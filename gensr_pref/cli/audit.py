"""The command ``audit``; `gensr_pref.cli.audit_text` words its result."""

from __future__ import annotations

import argparse

from gensr_pref.cli.arguments import add_directory
from gensr_pref.cli.output import as_json, show
from gensr_pref.storage.location import parse_location, require_local

HELP = "measure what the pairs of a run are worth, and write report.html and audit.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run directory, one to compare with, and how much audio to analyse."""
    add_directory(parser)
    parser.add_argument(
        "other",
        type=parse_location,
        nargs="?",
        metavar="OTHER",
        help="second run directory, or its URL, to compare the first with",
    )
    parser.add_argument(
        "--heard",
        dest="audio_pairs",
        type=int,
        default=1000,
        metavar="N",
        help="largest number of pairs whose audio is analysed",
    )
    parser.add_argument("--open", action="store_true", help="open the report in the browser")


def run(options: argparse.Namespace) -> None:
    """Audit one run, or two to compare them, and print the results."""
    from gensr_pref.auditing.compare import compare_audits
    from gensr_pref.auditing.load import load_tables
    from gensr_pref.auditing.report.write import report_of
    from gensr_pref.auditing.run_audit import audit_of, require_audio_pairs
    from gensr_pref.cli import audit_text

    runs = [options.dir, *([options.other] if options.other else [])]
    for run in runs if options.open else ():
        require_local(
            run, "--open needs a local folder: copy audit/report.html to this machine and open it"
        )
    require_audio_pairs(options.audio_pairs)
    loaded = [load_tables(run) for run in runs]
    audits = [audit_of(run, options.audio_pairs) for run in loaded]
    pages = [report_of(run, audit) for run, audit in zip(loaded, audits, strict=True)]
    if options.other:
        both = compare_audits(*audits)
        show(as_json(both) if options.json else audit_text.comparison(both))
    elif options.json:
        show(as_json(audits[0]))
    else:
        written = f"Written to {pages[0]}; the figures to {pages[0].with_name('audit.json')}"
        described = audit_text.describe_audit(audits[0])
        show("\n\n".join([described, audit_text.means(audits[0]), written]))
    if options.open:
        import webbrowser

        for page in pages:
            webbrowser.open(page.resolve().as_uri())
