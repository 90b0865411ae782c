"""Which clips are trained on and which are held out: new labels, and what both sides share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.corpus.leakage import leakage
from gensr_pref.errors import quantity
from gensr_pref.rundir import part_files
from gensr_pref.schema import column
from gensr_pref.untrusted.columns import parse_source, unescape

_SOURCE = r'"source_id": "(?P<id>(?:[^"\\]|\\.)*)"'  # a JSON string, its escapes as they are


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
        return str(parse_source(text)["source_id"])
    return unescape(found) if "\\" in found else found


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
