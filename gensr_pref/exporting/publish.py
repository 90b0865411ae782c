"""Export of a run directory to this disk and to the Hub."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from gensr_pref.errors import InputError, Problem, UnreachableError, parameter
from gensr_pref.exporting import hub
from gensr_pref.exporting.dataset import DEFAULT_OPTIONS, ExportOptions
from gensr_pref.exporting.export_run import (
    DEFAULT_PUBLISHING,
    Exported,
    PublishingOptions,
    export,
    require_consistent,
)


def publish(
    run: str | Path,
    out: str | Path,
    options: ExportOptions = DEFAULT_OPTIONS,
    publishing: PublishingOptions = DEFAULT_PUBLISHING,
    target: hub.HubTarget | None = None,
    dry_run: bool = False,
) -> Exported:
    """Export a run, and upload the export if a target is given.

        publish("runs/first", "dataset", target=HubTarget("org/name"))

    Nothing is uploaded that `export` refuses.

    Args:
        run, out, options, publishing: as for `export`; the card names the target's repository.
        target: repository on the Hub; None = export only.
        dry_run: list the changes instead of uploading.

    Returns:
        As `export`; also ``push`` (as `hub.push`) or ``would_push`` (as `hub.plan_push`), and
        ``notice`` if the Hub does not answer.

    Raises:
        InputError, PartsError, StorageError: as `export` and `hub.push`.
        PublishError: the Hub refuses, or the connection fails; the same call resumes.
    """
    require_consistent(options, publishing)
    if dry_run and target is None:
        raise InputError(
            f"is needed with {parameter('dry_run')}",
            field=parameter("target"),
            value=target,
            problem=Problem.MISSING,
        )
    if target is not None:
        hub.check_target(target)
        _require_loadable(options)
        if not dry_run:
            hub.require_token()
        publishing = replace(publishing, repository=target.repository)
    report = export(run, out, options, publishing)
    if target is None:
        return report
    if not dry_run:
        report["push"] = hub.push(Path(out), target)
        return report
    try:
        changes = hub.plan_push(Path(out), target)
        notice = None
    except UnreachableError as error:
        changes = hub.list_unknown_changes(Path(out))
        notice = f"It is unknown what the repository has already: {error}"
    report["would_push"] = [asdict(change) for change in changes]
    if notice is not None:
        report["notice"] = notice
    return report


def _require_loadable(options: ExportOptions) -> None:
    if options.form == "wav-jsonl":
        raise InputError(
            "wav-jsonl is for this disk: the Hub shows and loads Parquet",
            field=parameter("form"),
            value="wav-jsonl",
            problem=Problem.CONFLICT,
        )
