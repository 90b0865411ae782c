"""The command ``export``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from gensr_pref.cli.arguments import add_directory, flags, megabytes
from gensr_pref.cli.output import as_json, plugin_prints_on_stderr, show
from gensr_pref.cli.tables import table
from gensr_pref.errors import InputError, Message, parameter, quantity

HELP = "a Hugging Face dataset with a card; to the Hub"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, the folder to make, what goes into it, and where it is published."""
    add_directory(parser)
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="folder to make; an export is replaced"
    )
    _add_contents(parser)
    _add_hub(parser)


def _add_contents(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        dest="form",
        choices=["parquet", "wav-jsonl", "trl"],
        default="parquet",
        help="parquet; plain files; or token ids under TRL's column names",
    )
    parser.add_argument(
        "--candidates",
        choices=["none", "scores", "audio"],
        default="scores",
        help="what the config `candidates` has of all candidates; with parquet",
    )
    parser.add_argument("--clean", action="store_true", help="the clean clips too")
    parser.add_argument(
        "--shard-mb",
        dest="shard_bytes",
        type=megabytes,
        default="400",
        metavar="MB",
        help="about what a Parquet file holds",
    )
    parser.add_argument(
        "--anonymise",
        choices=["drop", "hash"],
        help="speakers and recordings: no names, or pseudonyms",
    )
    parser.add_argument(
        "--secret", type=Path, metavar="FILE", help="key of the pseudonyms; else DIR/anonymise.key"
    )
    parser.add_argument(
        "--allow",
        dest="allowed",
        action="append",
        default=[],
        metavar="TEXT",
        help="may be published, whatever it looks like; may be given again",
    )


def _add_hub(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--push-to-hub", dest="repository", metavar="ORG/NAME", help="and bring it to the Hub"
    )
    parser.add_argument("--public", action="store_true", help="a new repository is public")
    parser.add_argument("--revision", metavar="BRANCH", help="to push to; else main")
    parser.add_argument("--create-pr", action="store_true", help="push as a pull request")
    parser.add_argument(
        "--others",
        choices=["keep", "delete"],
        help="what becomes of files in the repository that no export wrote",
    )
    parser.add_argument("--dry-run", action="store_true", help="push nothing; list what would go")


def run(options: argparse.Namespace) -> None:
    """Export the run, push it where a repository is named, and print what was written."""
    from gensr_pref.exporting.dataset import Wanted
    from gensr_pref.exporting.export_run import Publishing
    from gensr_pref.exporting.hub import Target
    from gensr_pref.exporting.publish import publish

    wanted = Wanted(options.form, options.candidates, options.clean, options.shard_bytes)
    name, branch, pull_request = options.repository, options.revision, options.create_pr
    publishing = Publishing(options.anonymise, options.secret, options.allowed, name)
    target = Target(name, options.public, branch, pull_request, options.others) if name else None
    given = options.public, branch, pull_request, options.others, options.dry_run
    if target is None and any(given):
        raise InputError(
            "--public, --revision, --create-pr, --others and --dry-run go with --push-to-hub"
        )
    with plugin_prints_on_stderr():
        result = publish(options.dir, options.out, wanted, publishing, target, options.dry_run)
    show(as_json(result) if options.json else text(result).shown(flags(options)))


def text(result: dict[str, Any]) -> Message:
    """What was written, under which licences, and what went to the Hub."""
    rows = [{**row, "bytes": _size(row["bytes"])} for row in result["tables"]]
    parts = [f"Written to {result['out']}", table(rows), _licences(result)]
    if result.get("unfinished_shards"):
        parts.append(
            f"{result['unfinished_shards']} of {result['shards']} shards of the run are not "
            "finished and not in it. The same build makes them; then export again"
        )
    if "would_push" in result:
        parts.append(_planned(result["would_push"]))
    if "notice" in result:
        parts.append(result["notice"])
    if "push" in result:
        parts.append(_pushed(result["push"]))
    elif result["form"] == "parquet":
        parts.append(f"In Python: datasets.load_dataset({json.dumps(result['out'])})")
    return Message("\n\n".join(parts))


def _licences(result: dict[str, Any]) -> str:
    told = f"Licences: {', '.join(result['licences'])}"
    barred = result["non_commercial"]
    if barred:
        told += f"; NOT for commercial use, because of {', '.join(barred)}"
    if "unknown" in result["licences"]:
        told += ". Name the recordings under `credits` in the run file and build again"
    if result.get("unrecorded"):
        told += (
            f". Not recorded is the licence of {', '.join(result['unrecorded'])}, as the run was "
            "built by an earlier version: state it in the card, or build again into a new folder"
        )
    return told


def _planned(changes: list[dict[str, Any]]) -> str:
    moved = [change for change in changes if change["state"] in ("new", "changed", "unknown")]
    rows = [{**change, "bytes": _size(change["bytes"])} for change in changes]
    total = _size(sum(change["bytes"] for change in moved))
    at_most = "at most " if any(change["state"] == "unknown" for change in changes) else ""
    told = f"Nothing was pushed. {at_most}{quantity(len(moved), 'file')}, {total}, would travel."
    if any(change["state"] == "undecided" for change in changes):
        told += " The undecided were written by no export: say "
        told += f"{parameter('others')} keep, or {parameter('others')} delete."
    return f"{table(rows)}\n\n{told}"


def _pushed(push: dict[str, Any]) -> str:
    seen = "private" if push["private"] else "public"
    sent = quantity(push["sent"], "file")
    told = f"{push['url']} ({seen}): {sent} sent, {push['same']} there already."
    if push["pull_request"]:
        told += f" Pull request: {push['pull_request']}"
    if push["kept"]:
        told += f"\nLeft there, as no export wrote them: {', '.join(push['kept'])}."
    if push["gone"]:
        gone = push["gone"]
        deleted = quantity(len(gone), "file")
        told += f"\nDeleted, as this export does not contain them: {deleted}, such as {gone[0]}."
    if push["earlier_commits"]:
        told += f"\n{_HISTORY}"
    return told


_HISTORY = (
    "Earlier commits and other branches of the repository still hold what was there before. Where "
    "that must not be seen, push to a new repository and delete this one."
)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 10**5 else f"{count / 1e3:.1f} kB"
