"""What `gensr-pref export` tells a person."""

from __future__ import annotations

import json
from typing import Any

from gensr_pref.cli.text import table
from gensr_pref.errors import Message, parameter, quantity


def exported(found: dict[str, Any]) -> Message:
    """What was written, under which licences, and what went to the Hub."""
    rows = [{**row, "bytes": _size(row["bytes"])} for row in found["tables"]]
    parts = [f"Written to {found['out']}", table(rows), _licences(found)]
    if found.get("unfinished_shards"):
        parts.append(
            f"{found['unfinished_shards']} of {found['shards']} shards of the run are not finished "
            "and not in it. The same build makes them; then export again"
        )
    if "would_push" in found:
        parts.append(_planned(found["would_push"]))
    if "notice" in found:
        parts.append(found["notice"])
    if "push" in found:
        parts.append(_pushed(found["push"]))
    elif found["form"] == "parquet":
        parts.append(f"In Python: datasets.load_dataset({json.dumps(found['out'])})")
    return Message("\n\n".join(parts))


def _licences(found: dict[str, Any]) -> str:
    told = f"Licences: {', '.join(found['licences'])}"
    barred = found["non_commercial"]
    if barred:
        told += f"; NOT for commercial use, because of {', '.join(barred)}"
    if "unknown" in found["licences"]:
        told += ". Name the recordings under `credits` in the run file and build again"
    if found.get("unrecorded"):
        told += (
            f". Not recorded is the licence of {', '.join(found['unrecorded'])}, as the run was "
            "built by an earlier version: state it in the card, or build again into a new folder"
        )
    return told


def _planned(changes: list[dict[str, Any]]) -> str:
    moved = [change for change in changes if change["state"] in ("new", "changed", "unknown")]
    rows = [{**change, "bytes": _size(change["bytes"])} for change in changes]
    total = _size(sum(change["bytes"] for change in moved))
    at_most = "at most " if any(change["state"] == "unknown" for change in changes) else ""
    told = f"Nothing was pushed. {at_most}{quantity(len(moved), 'file')}, {total}, would travel."
    if any(change["state"] == "undecided" for change in changes):
        told += " The undecided were written by no export: say "
        told += f"{parameter('others')} keep, or {parameter('others')} delete."
    return f"{table(rows)}\n\n{told}"


def _pushed(push: dict[str, Any]) -> str:
    seen = "private" if push["private"] else "public"
    sent = quantity(push["sent"], "file")
    told = f"{push['url']} ({seen}): {sent} sent, {push['same']} there already."
    if push["pull_request"]:
        told += f" Pull request: {push['pull_request']}"
    if push["kept"]:
        told += f"\nLeft there, as no export wrote them: {', '.join(push['kept'])}."
    if push["gone"]:
        gone = push["gone"]
        deleted = quantity(len(gone), "file")
        told += f"\nDeleted, as this export does not contain them: {deleted}, such as {gone[0]}."
    if push["earlier_commits"]:
        told += f"\n{_HISTORY}"
    return told


_HISTORY = (
    "Earlier commits and other branches of the repository still hold what was there before. Where "
    "that must not be seen, push to a new repository and delete this one."
)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 10**5 else f"{count / 1e3:.1f} kB"
