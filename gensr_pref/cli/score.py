"""The command ``score``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gensr_pref.cli.arguments import DEVICE, PANEL, flags
from gensr_pref.cli.output import as_json, plugin_prints_on_stderr, show
from gensr_pref.cli.tables import format_number, format_table
from gensr_pref.errors import Problem, RunIncompleteError

if TYPE_CHECKING:
    from gensr_pref.apply.score_table import ScoreReport

HELP = "score folders of audio files with a panel of metrics"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folders, the clips to compare with, the panel and the engine."""
    parser.add_argument(
        "systems",
        nargs="+",
        metavar="DIR",
        help="folder with the audio files of one system, or a single file; METRIC.OPTION=VALUE "
        "sets an option of a metric",
    )
    parser.set_defaults(overrides=[])
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="TABLE",
        help="table to write: .parquet, .csv or .jsonl",
    )
    parser.add_argument(
        "--reference", type=Path, metavar="DIR", help="folder with the clean versions of the clips"
    )
    parser.add_argument(
        "--noisy", type=Path, metavar="DIR", help="folder with the clips before restoration"
    )
    parser.add_argument(
        "--texts",
        type=Path,
        metavar="TABLE",
        help="table with what is said in the clips, in the columns audio, text and (optionally) "
        "language",
    )
    parser.add_argument(
        "--language",
        metavar="CODE",
        help="language of clips for which the table of texts gives none; ISO 639 code, such as en",
    )
    parser.add_argument(
        "--panel",
        metavar="METRICS",
        help=f"{PANEL}; default: dnsmos, and what the inputs and weights allow of "
        "speaker_similarity, pesq, stoi, si_sdr, wer and utmos",
    )
    parser.add_argument(
        "--align",
        action="store_true",
        help="correct the delay and polarity of each file before scoring",
    )
    parser.add_argument(
        "--workers",
        default="auto",
        metavar="N",
        help="number of processes; auto: one per CPU, or a single one for few clips",
    )
    parser.add_argument("--device", default="cpu", help=DEVICE)


def run(options: argparse.Namespace) -> None:
    """Score every file and print the mean of each score of each system."""
    from gensr_pref.apply.default_panel import choose_panel
    from gensr_pref.apply.score import engine_for, score
    from gensr_pref.config import plugins

    settings = [word for word in options.systems if "=" in word and not Path(word).exists()]
    systems = [Path(word) for word in options.systems if word not in settings]
    settings += options.overrides
    given = (options.reference is not None, options.align, options.texts is not None,
             options.noisy is not None)  # fmt: skip
    plugins.search(Path.cwd())  # for a metric of the user's own
    uses = choose_panel(options.panel, settings, *given)
    engine = engine_for(options.workers, options.device)
    with plugin_prints_on_stderr():
        words = flags(options)
        result = score(
            systems,
            options.out,
            uses,
            reference=options.reference,
            noisy=options.noisy,
            texts=options.texts,
            language=options.language,
            engine=engine,
            report=lambda line: show(line.render(words)),
        )
    show(as_json(result) if options.json else describe_scores(result))
    if result["lost"]:
        raise RunIncompleteError(_list_lost(result))
    if not _has_any_score(result):
        raise RunIncompleteError(
            "no file has any score; the table gives the reasons",
            path=result["out"],
            problem=Problem.EMPTY,
        )


def describe_scores(result: ScoreReport) -> str:
    """Return the mean of every score of every system, and why some are null."""
    systems = result["systems"]
    means = [
        {
            "score": score,
            **{
                system: format_number(own["scores"][score]["mean"])
                for system, own in systems.items()
            },
        }
        for score in next(iter(systems.values()))["scores"]
    ]
    nulls = [
        {"null": score, "system": system, "files": count, "reason": reason}
        for system, own in systems.items()
        for score, statistics in own["scores"].items()
        for reason, count in statistics["null"].items()
    ]
    files = ", ".join(f"{own['files']} of {system}" for system, own in systems.items())
    parts = [f"Files: {files}. Means over the files that have the score:", format_table(means)]
    parts += [format_table(nulls)] if nulls else []
    return "\n\n".join([*parts, f"Written to {result['out']}"])


def _list_lost(result: ScoreReport) -> str:
    """Return which scores are null because their process ended, and what ended it."""
    lines = [
        f"  {row['file']} of {row['system']}, {row.get('metric', 'all metrics')}: {row['why']}"
        for row in result["lost"]
    ]
    return "\n".join(["some scores could not be computed and are null:", *lines])


def _has_any_score(result: ScoreReport) -> bool:
    scores = [score for own in result["systems"].values() for score in own["scores"].values()]
    return any(score["count"] for score in scores)
