"""Export of a run directory: tables with audio, facts of the run, and a dataset card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from gensr_pref.auditing.run_audit import audit, table_digests
from gensr_pref.errors import InputError, Problem, StorageError, UnwrittenError, parameter
from gensr_pref.exporting import licences, redacted_facts, trl
from gensr_pref.exporting.atomic_folder import replace_folder, require_replaceable
from gensr_pref.exporting.card import render_card
from gensr_pref.exporting.card_facts import CardFacts, DatasetConfig
from gensr_pref.exporting.card_sections import FIGURE
from gensr_pref.exporting.dataset import DEFAULT_OPTIONS, ExportOptions, write_dataset
from gensr_pref.exporting.figure import agreement_figure
from gensr_pref.exporting.hub import Pushed
from gensr_pref.exporting.leak_scan import Leak, LocalNames, scan_folder
from gensr_pref.exporting.pseudonyms import SECRET, Anonymisation, Pseudonyms, open_pseudonyms
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import RunDocument
from gensr_pref.rundir.integrity import Contents, check
from gensr_pref.storage import files
from gensr_pref.storage.location import is_remote, parse_location, require_local
from gensr_pref.tables.languages import language_code
from gensr_pref.untrusted import documents

CARD = "README.md"
_OURS = {CARD, FIGURE, "run.yaml", "audit.json", "summary.json", "data", "candidates", "wav",
         "train.jsonl", "validation.jsonl"}  # fmt: skip
_SHOWN = 3  # leaks per column


@dataclass(frozen=True)
class PublishingOptions:
    """What an export may reveal.

    Attributes:
        anonymise: drop or hash the names of speakers and recordings; None = keep them.
        secret: file with the key of the pseudonyms; None = in the run directory.
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
    """What an export wrote; see `export`. The last three are of a push (`publish`)."""

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

    The whole audit is made if there is none, or one older than the pairs or listeners' answers.

    Returns:
        ``out``, ``form``, ``tables`` (config, split, rows, files, bytes), ``licences``,
        ``non_commercial``: works and models whose licence forbids commercial use, ``shards`` of the
        run and how many of them are unfinished (``unfinished_shards``), and ``unrecorded``: the
        generators for which ``run.yaml`` records no licence.

    Raises:
        PartsError: the run's parts do not belong together.
        InputError: not a run directory; nothing to export; `out` holds something else, cannot be
            replaced or is being written by another process; or the export would reveal something
            about this machine or its user (every column is named).
        StorageError: something cannot be read or written. `out` is unchanged.
    """
    run, out = parse_location(run), Path(out)
    contents = check(run)
    document = contents.document
    require_replaceable(out)
    _require_earlier_export(out)
    secret = run / SECRET if publishing.secret is None else Path(publishing.secret)
    if publishing.anonymise is not None:
        require_local(secret, f"Say with {parameter('secret')} where its key is, on this machine")
    if options.form == "trl":
        trl.require_tokens(run)
    audited = _whole_audit(contents)
    names = None if publishing.anonymise is None else open_pseudonyms(publishing.anonymise, secret)
    local = LocalNames.of_machine(out) if is_remote(run) else LocalNames.of_machine(run, out)
    try:
        with replace_folder(out) as unfinished:
            facts = _write_export(run, unfinished, options, publishing, (document, audited, names))
            _require_harmless(unfinished, local, publishing)
    except (OSError, UnwrittenError) as error:
        raise _write_failure(out, error) from error
    result = _report(out, options, facts)
    result["shards"] = len(contents.shards)
    result["unfinished_shards"] = len(contents.unfinished)
    return result


def _write_failure(out: Path, error: BaseException) -> StorageError:
    """The message for a failed write; unlike a build, a failed export leaves nothing behind."""
    cause = error.__cause__ if isinstance(error, UnwrittenError) else error
    why = getattr(cause, "strerror", None) or cause
    return StorageError(
        f"cannot be written: {why}. Make room or choose another folder; it is as it was before",
        path=out,
        problem=Problem.UNWRITABLE,
    )


def _write_export(
    run: Path,
    out: Path,
    options: ExportOptions,
    publishing: PublishingOptions,
    known: tuple[RunDocument, dict[str, Any], Pseudonyms | None],
) -> CardFacts:
    """Write all files of an export into an empty folder."""
    document, audited, names = known
    published = redacted_facts.redact_run(document, names)
    panel = document.provenance.panel
    scores = [score.name for metric in panel for score in metric.scores]
    made = write_dataset(run, out, options, scores, redacted_facts.file_metadata(published), names)
    summary = redacted_facts.redact_summary(
        _summary(run), document, _describe(run, made.tables), names is not None
    )
    reported = redacted_facts.redact_audit(audited, names)
    figure = agreement_figure(reported.get("agreement") or [])
    facts = CardFacts(
        run=published,
        audit=reported,
        summary=summary,
        parts=licences.licensed_parts(document),
        tables=made.tables,
        languages=_languages(run),
        form=options.form,
        repository=publishing.repository,
        anonymised=publishing.anonymise,
        codes=made.codes,
        has_figure=figure is not None,
    )
    if figure is not None:
        (out / FIGURE).write_bytes(figure)
    part_files.write_text(
        out / "audit.json", json.dumps(reported, indent=2, allow_nan=False) + "\n"
    )
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
    if names and not (CARD in names and "summary.json" in names and names <= _OURS):
        strange = ", ".join(sorted(names - _OURS)[:3]) or "no export"
        raise InputError(
            f"holds something else ({strange}). Choose another {parameter('out')}",
            path=out,
            value=strange,
            problem=Problem.EXISTS,
        )


def _require_harmless(folder: Path, local: LocalNames, publishing: PublishingOptions) -> None:
    leaks = sorted(scan_folder(folder, local, publishing.allowed), key=_by_column)
    if not leaks:
        return
    columns = groupby(leaks, key=_by_column)
    shown = [one for _, finds in columns for one in islice(finds, _SHOWN)]
    lines = [f"  {one}" for one in shown]
    if len(leaks) > len(shown):
        lines.append(f"  ... and {len(leaks) - len(shown)} more, {len(leaks)} in all")
    raise InputError(
        "\n".join(["the export would reveal something about this machine or its user:", *lines])
        + f"\nNothing was written. Replace names of speakers and recordings with "
        f"{parameter('anonymise')} hash (or drop); name each text that may go out with "
        f"{parameter('allowed')}",
        value=tuple(lines),
        problem=Problem.UNSAFE,
    )


def _by_column(leak: Leak) -> str:
    return leak.column


def _whole_audit(contents: Contents) -> dict[str, Any]:
    """The run's audit; made if there is none, a short one, or one of other parts or answers."""
    path = contents.out / "audit" / "audit.json"
    entry = files.stat_file(path)
    if entry is not None and entry.time >= _last_change(contents.out):
        audited = _read_object(path)
        if (
            audited is not None
            and "panel" in audited
            and audited.get("contents") == table_digests(contents)
        ):
            return audited
    return {**audit(contents.out)}


def _last_change(run: Path) -> int:
    """Time when pairs or listeners' answers were last written, in ns since 1970."""
    listening = run / "listening"
    folders = [listening, *(listening / name for name in part_files.list_json_files(listening))]
    entries = [*part_files.stat_parts(run, "pairs").values()]
    entries += [one for folder in folders for one in files.list_files(folder).values()]
    return max((one.time for one in entries), default=0)


def _summary(run: Path) -> dict[str, Any]:
    summary = _read_object(run / "summary.json")
    if summary is None:
        raise InputError(
            "its summary.json is missing or damaged. Run the same build again",
            path=run,
            problem=Problem.MISSING,
        )
    return summary


def _read_object(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file of the run; None if it is missing or damaged."""
    try:
        content = documents.parse_json(part_files.read_text(path))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _describe(run: Path, tables: Sequence[DatasetConfig]) -> dict[str, Any]:
    """Rows and bytes of the dataset, and hours of the clips that have pairs."""
    return {
        "configs": {
            table.name: {
                "splits": {
                    split.name: {
                        "rows": split.rows,
                        "files": len(split.files),
                        "num_bytes": split.num_bytes,
                    }
                    for split in table.splits
                },
                "download_size": table.download_size,
                "dataset_size": table.dataset_size,
            }
            for table in tables
        },
        "hours": _hours(run),
    }


def _hours(run: Path) -> dict[str, float]:
    clips = part_files.read_all(run, "clips", ["clip_id", "split", "sample_rate", "num_samples"])
    paired = part_files.read_all(run, "pairs", ["clip_id"]).column("clip_id")
    paired_clips = clips.filter(pc.is_in(clips.column("clip_id"), value_set=pc.unique(paired)))
    length = paired_clips.column("num_samples").cast(pa.float64())
    seconds = pc.divide(length, paired_clips.column("sample_rate").cast(pa.float64()))
    table = pa.table({"split": paired_clips.column("split"), "seconds": seconds})
    grouped = table.group_by("split").aggregate([("seconds", "sum")]).to_pylist()
    return {row["split"]: row["seconds_sum"] / 3600 for row in sorted(grouped, key=_by_split)}


def _by_split(row: dict[str, Any]) -> str:
    return str(row["split"])


def _languages(run: Path) -> list[str]:
    languages = pc.unique(
        part_files.read_all(run, "clips", ["language"]).column("language")
    ).to_pylist()
    return sorted({code for one in languages if one and (code := _language_code_or_none(one))})


def _language_code_or_none(written: str) -> str | None:
    """The code of a language; None for other text, which runs of earlier versions may hold."""
    try:
        return language_code(written)
    except ValueError:
        return None


def _report(out: Path, options: ExportOptions, facts: CardFacts) -> Exported:
    rows: list[TableFiles] = [
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
        "tables": rows,
        "licences": licences.hub_licences(facts.parts),
        "non_commercial": [one.name for one in facts.parts if one.is_non_commercial],
        "unrecorded": [one.name for one in facts.parts if one.licence == licences.UNRECORDED],
    }
