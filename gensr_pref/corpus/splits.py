"""Which clips are trained on and which are held out: new labels, and what both sides share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.build.shard_assignment import Layout, of_shard
from gensr_pref.corpus.leakage import leakage
from gensr_pref.errors import quantity
from gensr_pref.rundir import part_files
from gensr_pref.rundir.ledger import Stamps, name_of, note_parts
from gensr_pref.rundir.provenance import of_part, same_clips
from gensr_pref.schema import CLIPS, column
from gensr_pref.untrusted.columns import source_of, unescaped

_SOURCE = r'"source_id": "(?P<id>(?:[^"\\]|\\.)*)"'  # a JSON string, its escapes as they are


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


def leaks(clips: pa.Table) -> dict[str, Any]:
    """What clips of different splits have in common, as `audit.leakage.leakage`.

    Args:
        clips: with `clip_id`, `speaker`, `source` and `split`.
    """
    identities = {"clip": column(clips, "clip_id"), "speaker": column(clips, "speaker")}
    return leakage(column(clips, "split"), {**identities, "source": _sources(clips)})


def units(clips: pa.Table) -> dict[str, int]:
    """How many speakers (where unknown, recordings), recordings and clips may be held out.

    Args:
        clips: with `clip_id`, `speaker` and `source`.
    """
    sources = _sources(clips)
    both = zip(column(clips, "speaker"), sources, strict=True)
    return {
        "speaker": len({speaker or source for speaker, source in both}),
        "source": len(set(sources)),
        "clip": len(clips),
    }


def _sources(clips: pa.Table) -> list[str]:
    """The recording that each clip is of; to parse all its JSON takes six times as long."""
    escaped = pc.struct_field(pc.extract_regex(clips.column("source"), _SOURCE), "id")
    told = zip(escaped.to_pylist(), column(clips, "source"), strict=True)
    return [_source(found, text) for found, text in told]


def _source(found: str | None, text: str) -> str:
    """The name of a recording; of what no build writes, as far as it is a source at all."""
    if found is None:
        return str(source_of(text)["source_id"])
    return unescaped(found) if "\\" in found else found


def leak_notices(out: Path) -> list[str]:
    """One sentence per kind of thing that is on both sides; none where nothing is."""
    if not part_files.parts(out, "clips"):
        return []
    found = leaks(part_files.read_all(out, "clips", ["clip_id", "speaker", "source", "split"]))
    return [
        f"split: in several splits: {quantity(shared['shared'], kind)}, such as "
        f"{shared['examples'][0]}"
        for kind, shared in found.items()
        if kind != "clips" and shared["shared"]
    ]
