"""Which clips each part file of a run directory holds, as ``shards.jsonl`` says."""

from __future__ import annotations

from pathlib import Path

from gensr_pref import shards

LAYOUT = "shards.jsonl"  # of a run directory


def clip_ids(out: Path) -> list[list[str]]:
    """The clips of every shard of a run directory; nothing where that is not known."""
    lines = shards.read_json_lines(out / LAYOUT)
    whole = all(line.get("shard") == place for place, line in enumerate(lines))
    return [line["clips"] for line in lines] if whole else []
