"""Export of a run directory to this disk and to the Hub."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from gensr_pref.errors import InputError, Problem, UnreachableError, parameter
from gensr_pref.exporting import hub
from gensr_pref.exporting.dataset import ExportOptions
from gensr_pref.exporting.export_run import Exported, Publishing, export


def publish(
    run: Path,
    out: Path,
    options: ExportOptions,
    publishing: Publishing,
    target: hub.Target | None = None,
    dry_run: bool = False,
) -> Exported:
    """Export, and upload if a target is given. Nothing is uploaded that `export` refuses.

    Args:
        dry_run: list the changes instead of uploading.

    Returns:
        As `export`; also ``push`` (as `hub.push`) or ``would_push`` (as `hub.plan_push`), and
        ``notice`` if the Hub does not answer.

    Raises:
        InputError, StorageError: as `export` and `hub.push`.
        PublishError: the Hub refuses, or the connection fails; the same call resumes.
    """
    if options.shard_bytes < 10**6:
        raise InputError(
            "must be at least 1 MB",
            field=parameter("shard_bytes"),
            value=options.shard_bytes,
            problem=Problem.INVALID,
        )
    if options.clean and options.form == "trl":
        raise InputError(
            f"goes with {parameter('form')} parquet or wav-jsonl",
            field=parameter("clean"),
            value=options.form,
            problem=Problem.CONFLICT,
        )
    if target is not None:
        hub.check_target(target)
        if options.form == "wav-jsonl":
            raise InputError(
                "wav-jsonl is for this disk: the Hub shows and loads Parquet",
                field=parameter("form"),
                value="wav-jsonl",
                problem=Problem.CONFLICT,
            )
        if not dry_run:
            hub.require_token()
    report = export(run, out, options, publishing)
    if target is None:
        return report
    if not dry_run:
        report["push"] = hub.push(out, target)
        return report
    try:
        report["would_push"] = [asdict(change) for change in hub.plan_push(out, target)]
    except UnreachableError as error:
        report["would_push"] = [asdict(change) for change in hub.list_unknown_changes(out)]
        report["notice"] = f"It is unknown what the repository has already: {error}"
    return report
