"""Export of a run directory: tables with audio, the run's records, and a dataset card."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import yaml

from gensr_pref.auditing.document import Audit
from gensr_pref.errors import (
    InputError,
    Problem,
    StorageError,
    UnwrittenError,
    parameter,
)
from gensr_pref.exporting import trl
from gensr_pref.exporting.atomic_folder import replace_folder, require_replaceable
from gensr_pref.exporting.card import render_card
from gensr_pref.exporting.card_facts import CardFacts
from gensr_pref.exporting.card_sections import FIGURE
from gensr_pref.exporting.dataset import DEFAULT_OPTIONS, ExportOptions, write_dataset
from gensr_pref.exporting.figure import agreement_figure
from gensr_pref.exporting.hub import Pushed
from gensr_pref.exporting.leak_scan import Leak, LocalNames, scan_folder
from gensr_pref.exporting.licences import UNRECORDED, hub_licences, licensed_parts
from gensr_pref.exporting.pseudonyms import SECRET, Anonymisation, Pseudonyms, open_pseudonyms
from gensr_pref.exporting.redacted_facts import (
    file_metadata,
    redact_audit,
    redact_run,
    redact_summary,
)
from gensr_pref.exporting.run_facts import (
    clip_languages,
    full_audit,
    measure_dataset,
    read_summary,
)
from gensr_pref.pairing.no_pairs import require_pair_rule
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import RunDocument
from gensr_pref.rundir.integrity import check
from gensr_pref.storage.location import is_remote, parse_location, require_local

CARD = "README.md"
_EXPORTED = {CARD, FIGURE, "run.yaml", "audit.json", "summary.json", "data", "candidates", "wav",
         "train.jsonl", "validation.jsonl"}  # fmt: skip
_SHOWN = 3  # leaks of a column that the message names


@dataclass(frozen=True)
class PublishingOptions:
    """What an export may reveal.

    Attributes:
        anonymise: drop or hash the names of speakers and recordings; None = keep them.
        secret: file with the key of the pseudonyms, only with hash; None = in the run directory.
        allowed: texts that may be published although they look local or secret.
        repository: ``org/name`` on the Hub, for the card.
    """

    anonymise: Anonymisation | None = None
    secret: str | Path | None = None
    allowed: Sequence[str] = ()
    repository: str | None = None


DEFAULT_PUBLISHING = PublishingOptions()


class TableFiles(TypedDict):
    """The files of one split of one table."""

    config: str
    split: str
    rows: int
    files: int
    bytes: int


class Exported(TypedDict):
    """What an export wrote; see `export`. `publish` adds the last three."""

    out: str
    form: str
    tables: list[TableFiles]
    licences: list[str]
    non_commercial: list[str]
    unrecorded: list[str]
    shards: NotRequired[int]
    unfinished_shards: NotRequired[int]
    push: NotRequired[Pushed]
    would_push: NotRequired[list[dict[str, Any]]]
    notice: NotRequired[str]


def export(
    run: str | Path,
    out: str | Path,
    options: ExportOptions = DEFAULT_OPTIONS,
    publishing: PublishingOptions = DEFAULT_PUBLISHING,
) -> Exported:
    """Write the dataset folder of a run, replacing an earlier export.

        export("runs/first", "dataset")

    The full audit is made first if it is missing, or older than the pairs or the listeners'
    answers.

    Args:
        run: run directory, or its URL.
        out: folder of the export on this machine.
        options: what the export contains.
        publishing: what it may reveal.

    Returns:
        ``out``, ``form``, ``tables`` (config, split, rows, files, bytes), ``licences``,
        ``non_commercial``: works and models whose licence forbids commercial use, ``shards`` of the
        run and how many of them are unfinished (``unfinished_shards``), and ``unrecorded``: the
        generators for which ``run.yaml`` records no licence.

    Raises:
        PartsError: the run's parts do not belong together.
        InputError: an option is out of range or excludes another; `run` is not a run directory, or
            has no pairs; `out` contains something else, cannot be replaced, or is being written by
            another process; or the export would reveal something about this machine or its user
            (every column is named).
        StorageError: a file cannot be read or written. `out` is unchanged.
    """
    require_consistent(options, publishing)
    run, out = parse_location(run), Path(out)
    contents = check(run)
    document = contents.document
    require_pair_rule(run, document.pairing["rule"], "export")
    require_replaceable(out)
    _require_earlier_export(out)
    secret = run / SECRET if publishing.secret is None else Path(publishing.secret)
    if publishing.anonymise is not None:
        require_local(secret, f"Name a key file on this machine with {parameter('secret')}")
    if options.form == "trl":
        trl.require_tokens(run)
    full = full_audit(contents)
    names = None if publishing.anonymise is None else open_pseudonyms(publishing.anonymise, secret)
    source = _Source(run, document, full, names)
    local = LocalNames.from_machine(out) if is_remote(run) else LocalNames.from_machine(run, out)
    try:
        with replace_folder(out) as unfinished:
            facts = _write_export(source, unfinished, options, publishing)
            _require_harmless(unfinished, local, publishing)
    except (OSError, UnwrittenError) as error:
        raise _write_failure(out, error) from error
    report = _report(out, options, facts)
    report["shards"] = len(contents.shards)
    report["unfinished_shards"] = len(contents.unfinished)
    return report


def require_consistent(options: ExportOptions, publishing: PublishingOptions) -> None:
    """Refuse options that exclude each other or are out of range.

    Raises:
        InputError: the message names the option and its value.
    """
    if isinstance(options.shard_bytes, bool) or not 10**6 <= options.shard_bytes < math.inf:
        raise InputError(
            f"write at least 1 MB (10**6 bytes), not {options.shard_bytes!r} bytes",
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
    if publishing.secret is not None and publishing.anonymise != "hash":
        raise InputError(
            f"{str(publishing.secret)!r} is a key for pseudonyms: add {parameter('anonymise')} "
            "hash, or leave the key out",
            field=parameter("secret"),
            value=publishing.secret,
            problem=Problem.CONFLICT,
        )


@dataclass(frozen=True)
class _Source:
    """The run that is exported; `names` are None if speakers and recordings keep their names."""

    run: Path
    document: RunDocument
    audit: Audit
    names: Pseudonyms | None


def _write_failure(out: Path, error: BaseException) -> StorageError:
    """Return the error for a failed write; unlike a build, a failed export leaves nothing."""
    cause = error.__cause__ if isinstance(error, UnwrittenError) else error
    why = getattr(cause, "strerror", None) or cause
    return StorageError(
        f"cannot be written: {why}. Make room or choose another folder. It was not changed",
        path=out,
        problem=Problem.UNWRITABLE,
    )


def _write_export(
    source: _Source, out: Path, options: ExportOptions, publishing: PublishingOptions
) -> CardFacts:
    """Write all files of an export into an empty folder."""
    run, document, names = source.run, source.document, source.names
    published = redact_run(document, names)
    scores = [score.name for metric in document.provenance.panel for score in metric.scores]
    written = write_dataset(run, out, options, scores, file_metadata(published), names)
    size = measure_dataset(run, written.tables)
    summary = redact_summary(read_summary(run), document, size, names is not None)
    audit = redact_audit(source.audit, names)
    figure = agreement_figure(audit.get("agreement") or [])
    facts = CardFacts(
        run=published,
        audit=audit,
        summary=summary,
        parts=licensed_parts(document),
        tables=written.tables,
        languages=clip_languages(run),
        form=options.form,
        repository=publishing.repository,
        anonymised=publishing.anonymise,
        codes=written.codes,
        has_figure=figure is not None,
    )
    if figure is not None:
        (out / FIGURE).write_bytes(figure)
    part_files.write_text(out / "audit.json", json.dumps(audit, indent=2, allow_nan=False) + "\n")
    part_files.write_text(
        out / "summary.json",
        json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    )
    run_text = yaml.safe_dump(published.as_data(), sort_keys=False, allow_unicode=True, width=100)
    part_files.write_text(out / "run.yaml", run_text)
    part_files.write_text(out / CARD, render_card(facts))
    return facts


def _require_earlier_export(out: Path) -> None:
    """Refuse to replace a folder that no export wrote."""
    if not out.exists():
        return
    names = {path.name for path in out.iterdir()} if out.is_dir() else {""}
    if names and not (CARD in names and "summary.json" in names and names <= _EXPORTED):
        others = ", ".join(sorted(names - _EXPORTED)[:3]) or "no export"
        raise InputError(
            f"is neither empty nor an earlier export (it contains {others}). Choose another "
            f"{parameter('out')}",
            path=out,
            value=others,
            problem=Problem.EXISTS,
        )


def _require_harmless(folder: Path, local: LocalNames, publishing: PublishingOptions) -> None:
    """Refuse an export with private text, and name the first leaks of each column."""
    leaks = sorted(scan_folder(folder, local, publishing.allowed), key=_by_column)
    if not leaks:
        return
    columns = groupby(leaks, key=_by_column)
    lines = [f"  {leak}" for _, group in columns for leak in islice(group, _SHOWN)]
    if len(leaks) > len(lines):
        lines.append(f"  ... and {len(leaks) - len(lines)} more, {len(leaks)} in all")
    raise InputError(
        "\n".join(["the export would reveal something about this machine or its user:", *lines])
        + f"\nNothing was written. Replace the names of speakers and recordings with "
        f"{parameter('anonymise')} hash (or drop); accept a text with {parameter('allowed')}",
        value=tuple(lines),
        problem=Problem.UNSAFE,
    )


def _by_column(leak: Leak) -> str:
    return leak.column


def _report(out: Path, options: ExportOptions, facts: CardFacts) -> Exported:
    tables: list[TableFiles] = [
        {
            "config": table.name,
            "split": split.name,
            "rows": split.rows,
            "files": len(split.files),
            "bytes": sum((out / table.folder / file.name).stat().st_size for file in split.files),
        }
        for table in facts.tables
        for split in table.splits
    ]
    return {
        "out": str(out),
        "form": options.form,
        "tables": tables,
        "licences": hub_licences(facts.parts),
        "non_commercial": [part.name for part in facts.parts if part.is_non_commercial],
        "unrecorded": [part.name for part in facts.parts if part.licence == UNRECORDED],
    }
