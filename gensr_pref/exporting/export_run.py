"""A run directory as a dataset: its tables with audio, its facts, and a card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from gensr_pref.auditing.run_audit import audit, table_digests
from gensr_pref.errors import InputError, Problem, StorageError, UnwrittenError, parameter
from gensr_pref.exporting import dataset, licences, redacted_facts, trl
from gensr_pref.exporting.atomic_folder import replacing, require_place
from gensr_pref.exporting.card import Facts, Table, card
from gensr_pref.exporting.card_sections import FIGURE
from gensr_pref.exporting.figure import agreement_figure
from gensr_pref.exporting.leak_scan import Found, Local, scan
from gensr_pref.exporting.pseudonyms import SECRET, How, Pseudonyms, opened
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
_SHOWN = 3  # finds of a column

PARQUET = dataset.Wanted()


@dataclass(frozen=True)
class Publishing:
    """What may be told, and where it will be.

    Attributes:
        anonymise: drop or hash speakers and recordings; None leaves them.
        secret: file with the key of the pseudonyms; None = in the run directory.
        allowed: texts that may go out although they look local or secret.
        repository: ``org/name`` on the Hub that the card names.
    """

    anonymise: How | None = None
    secret: Path | None = None
    allowed: Sequence[str] = ()
    repository: str | None = None


def export(
    run: str | Path,
    out: str | Path,
    wanted: dataset.Wanted = PARQUET,
    publishing: Publishing = Publishing(),
) -> dict[str, Any]:
    """Write the dataset folder of a run; an earlier export there is replaced.

        export("runs/first", "dataset")

    The whole audit is made where it is not there or older than the pairs or the listeners' answers.

    Returns:
        ``out``, ``form``, ``tables`` (config, split, rows, files, bytes), ``licences``,
        ``non_commercial``: what forbids commercial use, ``shards`` of the run and how many of them
        are not finished (``unfinished_shards``), and ``unrecorded``: the generators of whose
        licence ``run.yaml`` does not tell.

    Raises:
        PartsError: the run's parts do not belong together.
        InputError: not a run directory; nothing to export; `out` holds something else, cannot be
            replaced or is being written by another process; or what would be published tells of
            this machine or its user (every column is named).
        StorageError: something cannot be read or written. `out` is as it was.
    """
    run, out = parse_location(run), Path(out)
    contents = check(run)
    document = contents.document
    require_place(out)
    _require_ours(out)
    secret = publishing.secret or run / SECRET
    if publishing.anonymise is not None:
        require_local(secret, f"Say with {parameter('secret')} where its key is, on this machine")
    if wanted.form == "trl":
        trl.require_tokens(run)
    found = _whole_audit(contents)
    names = None if publishing.anonymise is None else opened(publishing.anonymise, secret)
    local = Local.here(out) if is_remote(run) else Local.here(run, out)
    try:
        with replacing(out) as unfinished:
            facts = _written(run, unfinished, wanted, publishing, (document, found, names))
            _require_harmless(
                unfinished,
                local,
                publishing,
            )
    except (OSError, UnwrittenError) as error:
        raise _unwritten(out, error) from error
    shards_of = {"shards": len(contents.shards), "unfinished_shards": len(contents.unfinished)}
    return {**_told(out, wanted, facts), **shards_of}


def _unwritten(out: Path, error: BaseException) -> StorageError:
    """Nothing is kept of an export that breaks off, other than of a build."""
    cause = error.__cause__ if isinstance(error, UnwrittenError) else error
    why = getattr(cause, "strerror", None) or cause
    return StorageError(
        f"cannot be written: {why}. Make room or choose another folder; it is as it was before",
        path=out,
        problem=Problem.UNWRITABLE,
    )


def _written(
    run: Path,
    out: Path,
    wanted: dataset.Wanted,
    publishing: Publishing,
    known: tuple[RunDocument, dict[str, Any], Pseudonyms | None],
) -> Facts:
    """Write everything into an empty folder."""
    document, found, names = known
    told = redacted_facts.run_document(document, names)
    panel = document.provenance.panel
    scores = [score.name for metric in panel for score in metric.scores]
    made = dataset.write(run, out, wanted, scores, redacted_facts.metadata(told), names)
    summary = redacted_facts.summary(
        _summary(run), document, _described(run, made.tables), names is not None
    )
    reported = redacted_facts.audit(found, names)
    figure = agreement_figure(reported.get("agreement") or [])
    facts = Facts(
        run=told,
        audit=reported,
        summary=summary,
        parts=licences.parts(document),
        tables=made.tables,
        languages=_languages(run),
        form=wanted.form,
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
    run_text = yaml.safe_dump(told.as_data(), sort_keys=False, allow_unicode=True, width=100)
    part_files.write_text(out / "run.yaml", run_text)
    part_files.write_text(out / CARD, card(facts))
    return facts


def _require_ours(out: Path) -> None:
    """Refuse to replace what no export wrote."""
    if not out.exists():
        return
    there = {path.name for path in out.iterdir()} if out.is_dir() else {""}
    if there and not (CARD in there and "summary.json" in there and there <= _OURS):
        strange = ", ".join(sorted(there - _OURS)[:3]) or "no export"
        raise InputError(
            f"holds something else ({strange}). Choose another {parameter('out')}",
            path=out,
            value=strange,
            problem=Problem.EXISTS,
        )


def _require_harmless(folder: Path, local: Local, publishing: Publishing) -> None:
    found = sorted(scan(folder, local, publishing.allowed), key=_by_column)
    if not found:
        return
    columns = groupby(found, key=_by_column)
    shown = [one for _, finds in columns for one in islice(finds, _SHOWN)]
    lines = [f"  {one}" for one in shown]
    if len(found) > len(shown):
        lines.append(f"  ... and {len(found) - len(shown)} more, {len(found)} in all")
    raise InputError(
        "\n".join(["what would be published tells of this machine or its user:", *lines])
        + f"\nNothing was written. Replace names of speakers and recordings with "
        f"{parameter('anonymise')} hash (or drop); name each text that may go out with "
        f"{parameter('allowed')}",
        value=tuple(lines),
        problem=Problem.UNSAFE,
    )


def _by_column(found: Found) -> str:
    return found.column


def _whole_audit(contents: Contents) -> dict[str, Any]:
    """The run's audit; made where there is none, a short one, or one of other parts or answers."""
    path = contents.out / "audit" / "audit.json"
    there = files.entry(path)
    if there is not None and there.time >= _last_change(contents.out):
        found = _object(path)
        if (
            found is not None
            and "panel" in found
            and found.get("contents") == table_digests(contents)
        ):
            return found
    return audit(contents.out)


def _last_change(run: Path) -> int:
    """When pairs or listeners' answers were written last, in ns since 1970."""
    heard = run / "listening"
    pieces = [heard, *(heard / name for name in part_files.json_files(heard) if is_remote(heard))]
    seen = [*part_files.listed(run, "pairs").values()]
    seen += [one for folder in pieces for one in files.listed(folder).values()]
    return max((one.time for one in seen), default=0)


def _summary(run: Path) -> dict[str, Any]:
    found = _object(run / "summary.json")
    if found is None:
        raise InputError(
            "its summary.json is missing or damaged. Run the same build again",
            path=run,
            problem=Problem.MISSING,
        )
    return found


def _object(path: Path) -> dict[str, Any] | None:
    """What a JSON file of the run holds; None where it is missing or damaged."""
    try:
        found = documents.parse_json(part_files.read_text(path))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _described(run: Path, tables: Sequence[Table]) -> dict[str, Any]:
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
    kept = clips.filter(pc.is_in(clips.column("clip_id"), value_set=pc.unique(paired)))
    length = kept.column("num_samples").cast(pa.float64())
    seconds = pc.divide(length, kept.column("sample_rate").cast(pa.float64()))
    table = pa.table({"split": kept.column("split"), "seconds": seconds})
    grouped = table.group_by("split").aggregate([("seconds", "sum")]).to_pylist()
    return {row["split"]: row["seconds_sum"] / 3600 for row in sorted(grouped, key=_by_split)}


def _by_split(row: dict[str, Any]) -> str:
    return str(row["split"])


def _languages(run: Path) -> list[str]:
    found = pc.unique(
        part_files.read_all(run, "clips", ["language"]).column("language")
    ).to_pylist()
    return sorted({code for one in found if one and (code := _code(one))})


def _code(written: str) -> str | None:
    """The code of a language; None for what is none, which runs of earlier versions may hold."""
    try:
        return language_code(written)
    except ValueError:
        return None


def _told(out: Path, wanted: dataset.Wanted, facts: Facts) -> dict[str, Any]:
    rows = [
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
        "form": wanted.form,
        "tables": rows,
        "licences": licences.hub_licences(facts.parts),
        "non_commercial": [one.name for one in facts.parts if one.is_non_commercial],
        "unrecorded": [one.name for one in facts.parts if one.licence == licences.UNRECORDED],
    }
