"""Writes new train and validation labels into the clips of a run; nothing else of them changes."""

from __future__ import annotations

from pathlib import Path

from gensr_pref.building.shard_assignment import Layout, shard_columns
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import RunDocument
from gensr_pref.rundir.ledger import Stamps, note_parts, part_name
from gensr_pref.rundir.provenance import part_record, read_part_record, same_clips
from gensr_pref.schema import CLIPS


def relabel(out: Path, layout: Layout, run: RunDocument) -> None:
    """Write the splits of a layout into the clips that are there; nothing else of them changes.

    A part that is not as it was written is left to the build, which makes it again.
    """
    stamps = Stamps(out)
    for shard, specs in enumerate(layout):
        path, wanted = (
            part_files.part(out, "clips", shard),
            part_record("clips", run, *shard_columns(specs)),
        )
        known = stamps.get(path)
        if known is None or known.fingerprint == wanted.fingerprint:
            continue
        there = read_part_record(path)
        if not there.is_known or not same_clips(there, wanted) or not stamps.is_intact(path):
            continue
        split = {spec.clip_id: spec.split for spec in specs}
        rows = [
            {**row, "split": split[row["clip_id"]]} for row in part_files.read(path).to_pylist()
        ]
        note_parts(out, {part_name(path): part_files.write(path, rows, CLIPS, wanted.as_data())})
