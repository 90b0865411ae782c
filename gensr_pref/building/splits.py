"""Writes changed train and validation labels into the clips of a run."""

from __future__ import annotations

from pathlib import Path

from gensr_pref.building.shard_assignment import Layout, shard_columns
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import RunDocument
from gensr_pref.rundir.ledger import Stamps, part_name, record_parts
from gensr_pref.rundir.provenance import part_record, read_part_record, same_clips
from gensr_pref.schema import CLIPS


def rewrite_splits(out: Path, layout: Layout, run: RunDocument) -> None:
    """Rewrite existing parts of clips with the splits of a layout; nothing else changes in them.

    Damaged parts are skipped; the build makes them again.
    """
    stamps = Stamps(out)
    for shard, specs in enumerate(layout):
        path = part_files.part(out, "clips", shard)
        wanted = part_record("clips", run, *shard_columns(specs))
        known = stamps.get(path)
        if known is None or known.fingerprint == wanted.fingerprint:
            continue
        existing = read_part_record(path)
        if not existing.is_known or not same_clips(existing, wanted) or not stamps.is_intact(path):
            continue
        split = {spec.clip_id: spec.split for spec in specs}
        rows = [
            {**row, "split": split[row["clip_id"]]} for row in part_files.read(path).to_pylist()
        ]
        record_parts(out, {part_name(path): part_files.write(path, rows, CLIPS, wanted.as_data())})
