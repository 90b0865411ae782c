"""The format wav-jsonl: WAV files, and one JSON object per pair that names them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from gensr_pref import audio
from gensr_pref.exporting.dataset_files import Split
from gensr_pref.identity import clean_id, noisy_id, split_candidate_id
from gensr_pref.schema import AUDIO
from gensr_pref.storage.base import storage_error

SOUNDS = "wav"  # folder of the audio files


def write_wav_jsonl(out: Path, tables: Iterator[pa.Table]) -> list[Split]:
    """Write ``SPLIT.jsonl`` and ``wav/CLIP/GENERATOR-INDEX.wav``; each sound is written once.

    Args:
        out: folder to write into.
        tables: rows with a column ``split``. Columns of audio become paths relative to `out`;
            latents are left out, as JSON has no bytes.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    files: dict[str, TextIO] = {}
    counts: dict[str, int] = {}
    try:
        with ExitStack() as stack:
            for table in tables:
                for row in table.to_pylist():
                    split = row.pop("split")
                    if split not in files:
                        path = out / f"{split}.jsonl"
                        files[split] = stack.enter_context(path.open("w", encoding="utf-8"))
                    line = json.dumps(
                        _json_row(out, row, table.schema), ensure_ascii=False, allow_nan=False
                    )
                    files[split].write(line + "\n")
                    counts[split] = counts.get(split, 0) + 1
    except OSError as error:
        raise storage_error(out, error) from error
    return [
        Split(name, (path := out / f"{name}.jsonl",), count, path.stat().st_size)
        for name, count in sorted(counts.items())
    ]


def _json_row(out: Path, row: dict[str, Any], schema: pa.Schema) -> dict[str, object]:
    """Return a row with paths for sounds, which are written, and without latents."""
    ids = {"prompt": noisy_id(row["clip_id"]), "clean": clean_id(row["clip_id"])}
    plain: dict[str, object] = {}
    for name, value in row.items():
        if schema.field(name).type == AUDIO:
            sound = ids.get(name) or row[f"{name}_id"]
            plain[name] = None if value is None else _write_wav(out, sound, value["bytes"])
        elif not name.endswith("_latent"):
            plain[name] = _finite(value)
    return plain


def _write_wav(out: Path, sound_id: str, flac: bytes) -> str:
    """Write the samples of FLAC bytes as a WAV file; return its path, relative to `out`."""
    clip, generator, index = split_candidate_id(sound_id)
    path = out / SOUNDS / clip / f"{generator}-{index}.wav"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        sound = audio.read(flac)
        path.write_bytes(audio.wav(sound.wave, sound.rate))
    return path.relative_to(out).as_posix()


def _finite(value: Any) -> Any:
    """Return a value with None for the numbers that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _finite(inside) for key, inside in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
