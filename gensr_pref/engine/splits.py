"""Whether a run's training and validation clips share a clip, a speaker or a recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from gensr_pref import shards
from gensr_pref.audit.leakage import leakage
from gensr_pref.schema import column


def leaks(clips: pa.Table) -> dict[str, Any]:
    """What clips of different splits have in common, as `audit.leakage.leakage`.

    Args:
        clips: with `clip_id`, `speaker`, `source` and `split`.
    """
    sources = [json.loads(text)["source_id"] for text in column(clips, "source")]
    identities = {"clip": column(clips, "clip_id"), "speaker": column(clips, "speaker")}
    return leakage(column(clips, "split"), {**identities, "source": sources})


def leak_notices(out: Path) -> list[str]:
    """One sentence per kind of thing that is on both sides; none where nothing is."""
    if not shards.parts(out, "clips"):
        return []
    found = leaks(shards.read_all(out, "clips", ["clip_id", "speaker", "source", "split"]))
    told = "split: {shared} {kind}(s) are in several splits, such as {examples[0]}"
    return [
        told.format(kind=kind, **shared)
        for kind, shared in found.items()
        if kind != "clips" and shared["shared"]
    ]
