"""Leakage between training and held-out clips, and the number of units that can be held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.corpus.leakage import leakage
from gensr_pref.errors import quantity
from gensr_pref.rundir import part_files
from gensr_pref.rundir.json_columns import parse_source, unescape
from gensr_pref.schema import column

_SOURCE = r'"source_id": "(?P<id>(?:[^"\\]|\\.)*)"'  # a JSON string, its escapes as they are


def split_leakage(clips: pa.Table) -> dict[str, Any]:
    """Return what clips of different splits have in common, as `corpus.leakage.leakage`.

    Args:
        clips: table with `clip_id`, `speaker`, `source` and `split`.
    """
    identities = {"clip": column(clips, "clip_id"), "speaker": column(clips, "speaker")}
    return leakage(column(clips, "split"), {**identities, "source": _sources(clips)})


def count_units(clips: pa.Table) -> dict[str, int]:
    """Return the number of speakers (recordings where unknown), of recordings and of clips.

    Args:
        clips: table with `clip_id`, `speaker` and `source`.
    """
    sources = _sources(clips)
    both = zip(column(clips, "speaker"), sources, strict=True)
    return {
        "speaker": len({speaker or source for speaker, source in both}),
        "source": len(set(sources)),
        "clip": len(clips),
    }


def _sources(clips: pa.Table) -> list[str]:
    """Return the recording of each clip; parsing all of its JSON would take six times as long."""
    escaped = pc.struct_field(pc.extract_regex(clips.column("source"), _SOURCE), "id")
    both = zip(escaped.to_pylist(), column(clips, "source"), strict=True)
    return [_source(match, text) for match, text in both]


def _source(match: str | None, text: str) -> str:
    """Return the name of a recording; parse the JSON where the pattern did not match."""
    if match is None:
        return str(parse_source(text)["source_id"])
    return unescape(match) if "\\" in match else match


def leak_notices(out: Path) -> list[str]:
    """Return one sentence per kind of value that several splits share."""
    if not part_files.parts(out, "clips"):
        return []
    found = split_leakage(
        part_files.read_all(out, "clips", ["clip_id", "speaker", "source", "split"])
    )
    return [
        f"split: in several splits: {quantity(shared['shared'], kind)}, such as "
        f"{shared['examples'][0]}"
        for kind, shared in found.items()
        if kind != "clips" and shared["shared"]
    ]
