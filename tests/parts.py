"""Rewrites parts of a run directory as a build would, with a line in the ledger."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa

from gensr_pref.rundir import part_files
from gensr_pref.rundir.ledger import LEDGER, part_name, record_parts


def write_part(
    path: Path,
    rows: list[dict[str, Any]] | pa.Table,
    form: pa.Schema | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    """Write a part and its ledger line, with the columns and facts of before unless told."""
    facts = part_files.read_facts(path) if facts is None else facts
    if isinstance(rows, pa.Table):
        table = rows
    else:
        form = part_files.read(path).schema.remove_metadata() if form is None else form
        table = pa.Table.from_pylist(rows, schema=form)
    record_parts(path.parents[1], {part_name(path): part_files.write_table(path, table, facts)})


def unmade(out: Path, *names: str) -> None:
    """Remove parts (``scores/part-00000.parquet``) or tables as if they were never made."""
    for name in names:
        path = out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    lines = [json.loads(line) for line in (out / LEDGER).read_text().splitlines()]
    for line in lines:
        known = line.get("parts", {})
        line["parts"] = {k: v for k, v in known.items() if not k.startswith(names)}
    (out / LEDGER).write_text("".join(json.dumps(line) + "\n" for line in lines))
