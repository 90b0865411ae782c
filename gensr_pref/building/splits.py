"""Writes new train and validation labels into the clips of a run; nothing else of them changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gensr_pref.building.shard_assignment import Layout, of_shard
from gensr_pref.rundir import part_files
from gensr_pref.rundir.ledger import Stamps, name_of, note_parts
from gensr_pref.rundir.provenance import of_part, same_clips
from gensr_pref.schema import CLIPS


def relabel(out: Path, layout: Layout, run: dict[str, Any]) -> None:
    """Write the splits of a layout into the clips that are there; nothing else of them changes.

    A part that is not as it was written is left to the build, which makes it again.

    Args:
        run: what `facts.of_part` takes.
    """
    stamps = Stamps(out)
    for shard, specs in enumerate(layout):
        path, wanted = part_files.part(out, "clips", shard), of_part("clips", run, *of_shard(specs))
        known = stamps.of(path)
        if known is None or known.fingerprint == wanted["fingerprint"]:
            continue
        there = part_files.facts_if_any(path)
        if not there or not same_clips(there, wanted) or not stamps.is_intact(path):
            continue
        split = {spec.clip_id: spec.split for spec in specs}
        rows = [
            {**row, "split": split[row["clip_id"]]} for row in part_files.read(path).to_pylist()
        ]
        note_parts(out, {name_of(path): part_files.write(path, rows, CLIPS, wanted)})
