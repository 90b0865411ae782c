"""A run directory as a dataset on this disk, and on the Hub."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from gensr_pref.errors import InputError, Problem, UnreachableError, parameter
from gensr_pref.exporting import hub
from gensr_pref.exporting.dataset import ExportOptions
from gensr_pref.exporting.export_run import Publishing, export


def publish(
    run: Path,
    out: Path,
    wanted: ExportOptions,
    publishing: Publishing,
    target: hub.Target | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Export, then push where a target is given. Nothing is pushed that `export` refuses.

    Args:
        dry_run: list what would go instead of pushing.

    Returns:
        As `export`; with ``push`` (as `hub.push`) or ``would_push`` (as `hub.plan_push`), and
        ``notice`` where the Hub does not answer.

    Raises:
        InputError, StorageError: as `export` and `hub.push`.
        PublishError: the Hub refuses or breaks off; the same call goes on.
    """
    if wanted.shard_bytes < 10**6:
        raise InputError(
            "must be at least 1 MB",
            field=parameter("shard_bytes"),
            value=wanted.shard_bytes,
            problem=Problem.INVALID,
        )
    if wanted.clean and wanted.form == "trl":
        raise InputError(
            f"goes with {parameter('form')} parquet or wav-jsonl",
            field=parameter("clean"),
            value=wanted.form,
            problem=Problem.CONFLICT,
        )
    if target is not None:
        hub.check_target(target)
        if wanted.form == "wav-jsonl":
            raise InputError(
                "wav-jsonl is for this disk: the Hub shows and loads Parquet",
                field=parameter("form"),
                value="wav-jsonl",
                problem=Problem.CONFLICT,
            )
        if not dry_run:
            hub.require_token()
    told = export(run, out, wanted, publishing)
    if target is None:
        return told
    if dry_run:
        return {**told, **_plan(out, target)}
    return {**told, "push": hub.push(out, target)}


def _plan(out: Path, target: hub.Target) -> dict[str, Any]:
    try:
        return {"would_push": [asdict(change) for change in hub.plan_push(out, target)]}
    except UnreachableError as error:
        return {
            "would_push": [asdict(change) for change in hub.list_unknown_changes(out)],
            "notice": f"What is there already is not known: {error}",
        }
