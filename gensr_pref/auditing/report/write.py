"""The report of a run directory: its audit, and the sound of picked pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from gensr_pref import audio
from gensr_pref.auditing.exhibits import select_pairs
from gensr_pref.auditing.load import Evidence, evidence
from gensr_pref.auditing.report.page import AudioTrack, Exhibit, render_page
from gensr_pref.auditing.report.spectrogram import powers, spectrogram
from gensr_pref.errors import InputError, Problem, typed
from gensr_pref.rundir import part_files
from gensr_pref.rundir.rows import rows_by_id
from gensr_pref.untrusted.columns import parse_sampling

PAIRS_PER_KIND = 3  # of every kind of pick
MAX_BYTES = 6 * 2**20  # of sound in the page, which base64 makes a third larger
_CANDIDATE_COLUMNS = ["candidate_id", "generator", "index", "sampling", "audio"]
_CLIP_COLUMNS = ["clip_id", "text", "noisy", "clean"]


def report(out: Path, found: dict[str, Any]) -> Path:
    """Write ``audit/report.html``.

    Args:
        out: the run directory.
        found: its audit, the whole of it.

    Returns:
        The page's path.

    Raises:
        InputError: the audit is a short one, as after `pair`.
        StorageError: the run directory cannot be read or written.
    """
    return report_of(evidence(out), found)


def report_of(seen: Evidence, found: dict[str, Any]) -> Path:
    """As `report`, of tables that are read already."""
    out = seen.out
    if "panel" not in found:
        raise InputError(
            f"only a short audit is there. Run: {typed('gensr-pref', 'audit', out)}",
            path=out,
            problem=Problem.EMPTY,
        )
    exhibits, left_out = _exhibits(seen)
    notes = []
    if left_out:
        notes.append(f"{left_out} more picked pairs would make the page too large.")
    path = out / "audit" / "report.html"
    part_files.write_text(path, render_page(found, exhibits, notes))
    return path


def _exhibits(found: Evidence) -> tuple[list[Exhibit], int]:
    """The picked pairs that fit, and how many do not."""
    picked = select_pairs(found.judged, found.pairs, PAIRS_PER_KIND)
    table = found.pairs_table.take(pa.array([place for _, place in picked], pa.int64()))
    rows = table.to_pylist()
    ids = {row[f"{side}_id"] for row in rows for side in ("chosen", "rejected")}
    candidates = rows_by_id(part_files.parts(found.out, "candidates"), ids, _CANDIDATE_COLUMNS)
    names = {row["clip_id"] for row in rows}
    clips = rows_by_id(part_files.parts(found.out, "clips"), names, _CLIP_COLUMNS)
    exhibits: list[Exhibit] = []
    size = 0
    for (kind, place), row in zip(picked, rows, strict=True):
        sounds = _sounds(row, candidates, clips)
        size += sum(len(value["bytes"]) for value, _ in sounds.values())
        if size > MAX_BYTES and exhibits:
            continue
        margins = found.pairs.margins[place]
        known = {
            name: float(value) if value == value else None
            for name, value in zip(found.judged.names, margins, strict=True)
        }
        text = clips[row["clip_id"]]["text"] if row["clip_id"] in clips else None
        exhibits.append(Exhibit(kind, row["clip_id"], text, known, _tracks(sounds)))
    return exhibits, len(picked) - len(exhibits)


def _sounds(
    row: dict[str, Any], candidates: dict[str, Any], clips: dict[str, Any]
) -> dict[str, tuple[dict[str, Any], str]]:
    """The sounds there are, by role, each with what is known of it."""
    clip = clips.get(row["clip_id"], {})
    sounds = {}
    for side in ("chosen", "rejected"):
        one = candidates.get(row[f"{side}_id"])
        if one:
            sounds[side] = (one["audio"], _describe_candidate(one))
        elif clip.get("clean"):  # of the rule `golden`
            sounds[side] = (clip["clean"], "the clean target")
    sounds |= {role: (clip[role], "") for role in ("noisy", "clean") if clip.get(role)}
    return sounds


def _describe_candidate(candidate: dict[str, Any]) -> str:
    drawn = [
        f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in parse_sampling(candidate["sampling"]).items()
        if isinstance(value, int | float | str)
    ]
    return ", ".join([f"{candidate['generator']}, no. {candidate['index']}", *drawn])


def _tracks(sounds: dict[str, tuple[dict[str, Any], str]]) -> list[AudioTrack]:
    read = {role: audio.read(value["bytes"]) for role, (value, _) in sounds.items()}
    top = max((float(powers(one.wave, one.rate).max()) for one in read.values()), default=None)
    return [
        AudioTrack(role, value["bytes"], spectrogram(read[role].wave, read[role].rate, top), about)
        for role, (value, about) in sounds.items()
    ]
