"""Whether a run's training and validation clips share a clip, a speaker or a recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref import shards
from gensr_pref.audit.leakage import leakage
from gensr_pref.errors import quantity
from gensr_pref.schema import column

_SOURCE = r'"source_id": "(?P<id>(?:[^"\\]|\\.)*)"'  # a JSON string, its escapes as they are


def leaks(clips: pa.Table) -> dict[str, Any]:
    """What clips of different splits have in common, as `audit.leakage.leakage`.

    Args:
        clips: with `clip_id`, `speaker`, `source` and `split`.
    """
    identities = {"clip": column(clips, "clip_id"), "speaker": column(clips, "speaker")}
    return leakage(column(clips, "split"), {**identities, "source": _sources(clips)})


def _sources(clips: pa.Table) -> list[str]:
    """The recording that each clip is of; to parse all its JSON takes six times as long."""
    escaped = pc.struct_field(pc.extract_regex(clips.column("source"), _SOURCE), "id")
    told: list[str] = escaped.to_pylist()
    return [json.loads(f'"{text}"') if "\\" in text else text for text in told]


def leak_notices(out: Path) -> list[str]:
    """One sentence per kind of thing that is on both sides; none where nothing is."""
    if not shards.parts(out, "clips"):
        return []
    found = leaks(shards.read_all(out, "clips", ["clip_id", "speaker", "source", "split"]))
    return [
        f"split: in several splits: {quantity(shared['shared'], kind)}, such as "
        f"{shared['examples'][0]}"
        for kind, shared in found.items()
        if kind != "clips" and shared["shared"]
    ]
