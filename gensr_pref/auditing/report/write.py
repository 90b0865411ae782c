"""Writes the report of a run directory: its audit, and the audio of some pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from gensr_pref import audio
from gensr_pref.auditing.document import Audit
from gensr_pref.auditing.exhibits import select_pairs
from gensr_pref.auditing.load import RunTables, load_tables
from gensr_pref.auditing.report.page import AudioTrack, Exhibit, render_page
from gensr_pref.auditing.report.spectrogram import powers, spectrogram
from gensr_pref.errors import InputError, Problem, command_line, quantity
from gensr_pref.rundir import part_files
from gensr_pref.rundir.json_columns import parse_sampling
from gensr_pref.rundir.rows import Row, rows_by_id
from gensr_pref.schema import PAIR_ROLES

PAIRS_PER_KIND = 3
MAX_BYTES = 6 * 2**20  # of audio; base64 makes it a third larger in the page
_CANDIDATE_COLUMNS = ["candidate_id", "generator", "index", "sampling", "audio"]
_CLIP_COLUMNS = ["clip_id", "text", "noisy", "clean"]


@dataclass(frozen=True)
class _Sound:
    """An encoded audio file, and a description of it."""

    encoded: bytes
    about: str = ""


def report(out: Path, audit: Audit) -> Path:
    """Write ``audit/report.html``.

    Args:
        out: the run directory.
        audit: its complete audit.

    Returns:
        The path of the page.

    Raises:
        InputError: the audit is a short one, as after `pair`.
        StorageError: the run directory cannot be read or written.
    """
    return report_of(load_tables(out), audit)


def report_of(run: RunTables, audit: Audit) -> Path:
    """Write ``audit/report.html`` from tables that have been read already; see `report`."""
    out = run.out
    if "panel" not in audit:
        raise InputError(
            f"has only the short audit. Run: {command_line('gensr-pref', 'audit', out)}",
            path=out,
            problem=Problem.EMPTY,
        )
    exhibits, left_out = _exhibits(run)
    notes = []
    if left_out:
        notes.append(f"Left out, to limit the size of the page: {quantity(left_out, 'more pair')}.")
    path = out / "audit" / "report.html"
    part_files.write_text(path, render_page(audit, exhibits, notes))
    return path


def _exhibits(run: RunTables) -> tuple[list[Exhibit], int]:
    """Return the selected pairs that fit into the page, and the number of those that do not."""
    selected = select_pairs(run.judged, run.pairs, PAIRS_PER_KIND)
    table = run.pairs_table.take(pa.array([index for _, index in selected], pa.int64()))
    rows = table.to_pylist()
    ids = {row[f"{role}_id"] for row in rows for role in PAIR_ROLES}
    candidates = rows_by_id(part_files.parts(run.out, "candidates"), ids, _CANDIDATE_COLUMNS)
    names = {row["clip_id"] for row in rows}
    clips = rows_by_id(part_files.parts(run.out, "clips"), names, _CLIP_COLUMNS)
    exhibits: list[Exhibit] = []
    size = 0
    for (kind, index), row in zip(selected, rows, strict=True):
        sounds = _sounds(row, candidates, clips)
        size += sum(len(sound.encoded) for sound in sounds.values())
        if size > MAX_BYTES and exhibits:
            continue
        margins = run.pairs.margins[index]
        known = {
            name: float(value) if value == value else None
            for name, value in zip(run.judged.names, margins, strict=True)
        }
        text = clips[row["clip_id"]]["text"] if row["clip_id"] in clips else None
        exhibits.append(Exhibit(kind, row["clip_id"], text, known, _tracks(sounds)))
    return exhibits, len(selected) - len(exhibits)


def _sounds(row: Row, candidates: Mapping[str, Row], clips: Mapping[str, Row]) -> dict[str, _Sound]:
    """Return the sounds of a pair that exist, by role."""
    clip = clips.get(row["clip_id"], {})
    sounds: dict[str, _Sound] = {}
    for role in PAIR_ROLES:
        candidate = candidates.get(row[f"{role}_id"])
        if candidate:
            sounds[role] = _Sound(candidate["audio"]["bytes"], _describe_candidate(candidate))
        elif clip.get("clean"):  # of the rule `golden`
            sounds[role] = _Sound(clip["clean"]["bytes"], "the clean target")
    sounds |= {role: _Sound(clip[role]["bytes"]) for role in ("noisy", "clean") if clip.get(role)}
    return sounds


def _describe_candidate(candidate: Row) -> str:
    settings = [
        f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in parse_sampling(candidate["sampling"]).items()
        if isinstance(value, int | float | str)
    ]
    return ", ".join([f"{candidate['generator']}, candidate {candidate['index']}", *settings])


def _tracks(sounds: Mapping[str, _Sound]) -> list[AudioTrack]:
    decoded = {role: audio.read(sound.encoded) for role, sound in sounds.items()}
    loudest = [float(powers(sound.wave, sound.rate).max()) for sound in decoded.values()]
    top = max(loudest, default=None)
    pictures = {role: spectrogram(sound.wave, sound.rate, top) for role, sound in decoded.items()}
    return [
        AudioTrack(role, sound.encoded, pictures[role], sound.about)
        for role, sound in sounds.items()
    ]
