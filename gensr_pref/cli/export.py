"""The command ``export``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gensr_pref.cli.arguments import add_directory, flags, megabytes
from gensr_pref.cli.output import as_json, plugin_prints_on_stderr, show
from gensr_pref.cli.tables import format_table
from gensr_pref.errors import InputError, Message, Problem, parameter, quantity

if TYPE_CHECKING:
    from gensr_pref.exporting.export_run import Exported
    from gensr_pref.exporting.hub import Pushed

HELP = "write a run as a Hugging Face dataset with a card, and push it to the Hub"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, the folder to write, its contents, and the repository on the Hub."""
    add_directory(parser)
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="folder to write; an earlier export in it is replaced"
    )
    _add_contents(parser)
    _add_hub(parser)


def _add_contents(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        dest="form",
        choices=["parquet", "wav-jsonl", "trl"],
        default="parquet",
        help="format of the dataset: Parquet files, WAV files with JSON lines, or token ids in "
        "columns named as TRL expects",
    )
    parser.add_argument(
        "--candidates",
        choices=["none", "scores", "audio"],
        default="scores",
        help="what to include of all candidates, as a second table (config `candidates`): nothing, "
        "their scores, or scores and audio; only with --format parquet",
    )
    parser.add_argument("--clean", action="store_true", help="include the clean clips")
    parser.add_argument(
        "--shard-mb",
        dest="shard_bytes",
        type=megabytes,
        default="400",
        metavar="MB",
        help="approximate size of a Parquet file, in megabytes",
    )
    parser.add_argument(
        "--anonymise",
        choices=["drop", "hash"],
        help="how to treat the names of speakers and recordings: drop them, or hash them into "
        "pseudonyms; default: keep them",
    )
    parser.add_argument(
        "--secret",
        type=Path,
        metavar="FILE",
        help="file with the key for --anonymise hash, created if missing; default: "
        "DIR/anonymise.key",
    )
    parser.add_argument(
        "--allow",
        dest="allowed",
        action="append",
        default=[],
        metavar="TEXT",
        help="text that the scan for private text must not refuse; may be repeated",
    )


def _add_hub(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--push-to-hub",
        dest="repository",
        metavar="ORG/NAME",
        help="repository on the Hub to push the export to",
    )
    parser.add_argument(
        "--public",
        action="store_true",
        help="make a new repository public; also required to push to a public one",
    )
    parser.add_argument("--revision", metavar="BRANCH", help="branch to push to; default: main")
    parser.add_argument("--create-pr", action="store_true", help="push as a pull request")
    parser.add_argument(
        "--others",
        choices=["keep", "delete"],
        help="what to do with files in the repository that no export wrote; default: refuse to "
        "push if there are any",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="list what would be pushed, but push nothing"
    )


def run(options: argparse.Namespace) -> None:
    """Export the run, push it if a repository is named, and print what was written."""
    from gensr_pref.exporting.dataset import ExportOptions
    from gensr_pref.exporting.export_run import PublishingOptions
    from gensr_pref.exporting.hub import HubTarget
    from gensr_pref.exporting.publish import publish

    contents = ExportOptions(options.form, options.candidates, options.clean, options.shard_bytes)
    name, branch, pull_request = options.repository, options.revision, options.create_pr
    publishing = PublishingOptions(options.anonymise, options.secret, options.allowed)
    target = HubTarget(name, options.public, branch, pull_request, options.others) if name else None
    given = options.public, branch, pull_request, options.others, options.dry_run
    if target is None and any(given):
        raise InputError(
            "is needed with --public, --revision, --create-pr, --others and --dry-run",
            field=parameter("repository"),
            problem=Problem.MISSING,
        )
    with plugin_prints_on_stderr():
        result = publish(options.dir, options.out, contents, publishing, target, options.dry_run)
    show(as_json(result) if options.json else describe_export(result).render(flags(options)))


def describe_export(result: Exported) -> Message:
    """Return what was written, under which licences, and what was pushed to the Hub."""
    rows = [{**row, "bytes": _size(row["bytes"])} for row in result["tables"]]
    parts = [f"Written to {result['out']}", format_table(rows), _licences(result)]
    if result.get("unfinished_shards"):
        parts.append(
            f"{result['unfinished_shards']} of {result['shards']} shards of the run are not "
            "finished, and the dataset does not include them. Run the same build, then export again"
        )
    if "would_push" in result:
        parts.append(_describe_dry_run(result["would_push"]))
    if "notice" in result:
        parts.append(result["notice"])
    if "push" in result:
        parts.append(_describe_push(result["push"]))
    elif result["form"] == "parquet":
        parts.append(f"In Python: datasets.load_dataset({json.dumps(result['out'])})")
    return Message("\n\n".join(parts))


def _licences(result: Exported) -> str:
    line = f"Licences: {', '.join(result['licences'])}"
    barred = result["non_commercial"]
    if barred:
        line += f"; NOT for commercial use, because of {', '.join(barred)}"
    if "unknown" in result["licences"]:
        line += ". Name the recordings under `credits` in the run file and build again"
    if result.get("unrecorded"):
        line += (
            f". The licence of {', '.join(result['unrecorded'])} is not recorded, because an "
            "earlier version built the run: state it in the card, or build again into a new folder"
        )
    return line


def _describe_dry_run(changes: list[dict[str, Any]]) -> str:
    moved = [change for change in changes if change["state"] in ("new", "changed", "unknown")]
    rows = [{**change, "bytes": _size(change["bytes"])} for change in changes]
    total = _size(sum(change["bytes"] for change in moved))
    at_most = "At most " if any(change["state"] == "unknown" for change in changes) else ""
    line = f"Nothing was pushed. {at_most}{quantity(len(moved), 'file')}, {total}, would be pushed."
    if any(change["state"] == "undecided" for change in changes):
        line += " No export wrote the undecided files: give "
        line += f"{parameter('others')} keep or {parameter('others')} delete."
    return f"{format_table(rows)}\n\n{line}"


def _describe_push(push: Pushed) -> str:
    visibility = "private" if push["private"] else "public"
    sent = quantity(push["sent"], "file")
    line = f"{push['url']} ({visibility}): {sent} sent, {push['same']} unchanged."
    if push["pull_request"]:
        line += f" Pull request: {push['pull_request']}"
    if push["kept"]:
        line += f"\nKept, because no export wrote them: {', '.join(push['kept'])}."
    if push["gone"]:
        gone = push["gone"]
        number = quantity(len(gone), "file")
        line += (
            f"\nDeleted, because this export does not contain them: {number}, such as {gone[0]}."
        )
    if push["earlier_commits"]:
        line += f"\n{_HISTORY}"
    return line


_HISTORY = (
    "Earlier commits and other branches of the repository still contain the deleted and replaced "
    "files. If nobody may see these, push to a new repository and delete this one."
)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 10**5 else f"{count / 1e3:.1f} kB"
