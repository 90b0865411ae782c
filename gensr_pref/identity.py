"""Names and seeds that depend on content alone, never on place or time."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

NOISY = "noisy"  # no generator may have one of these two labels
CLEAN = "clean"
_UNSAFE = re.compile(r"[^\w.]+")


def digest(*parts: Any) -> str:
    """Return 32 hexadecimal digits: BLAKE2b-128 of the canonical JSON of the parts."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """Return 32 hexadecimal digits: BLAKE2b-128 of a file's content.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def bytes_digest(content: bytes) -> str:
    """Return the same 32 digits as `file_digest`, for content in memory."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def seed_for(run_seed: int, *identity: str | int) -> int:
    """Return a seed in [0, 2^63) for one random choice, from the run's seed and the choice's names.

    Example: ``seed_for(run.seed, clip_id, generator, index)``.
    """
    return int(digest(run_seed, *identity)[:16], 16) >> 1


def rng_for(run_seed: int, *identity: str | int) -> np.random.Generator:
    """Return a NumPy generator that is seeded with `seed_for` of the same arguments."""
    return np.random.default_rng(seed_for(run_seed, *identity))


def unit_for(run_seed: int, *identity: str | int) -> float:
    """Return a number in [0, 1) from `seed_for` of the same arguments: cheap, for splits."""
    return seed_for(run_seed, *identity) / 2**63


def clip_id(run_seed: int, source_id: str, start: int, frames: int, treatment: Any) -> str:
    """Return a readable, unique name for a clip: the source's stem and a digest of these values.

    Args:
        run_seed: the run's seed (the same source degraded by another seed is another clip).
        source_id: the recording's name within its corpus, such as a relative path.
        start: first frame of the segment, at the recording's rate.
        frames: length of the segment, at the recording's rate.
        treatment: rate and degradation settings, as data that JSON can hold.
    """
    stem = _UNSAFE.sub("_", PurePosixPath(source_id).stem).strip("_")[:48] or "clip"
    return f"{stem}-{digest(run_seed, source_id, start, frames, treatment)[:12]}"


def noisy_id(clip: str) -> str:
    """Return the id of a clip's noisy input, the baseline that is scored with the candidates."""
    return candidate_id(clip, NOISY, 0)


def is_noisy(name: str) -> bool:
    """Return whether a candidate id is that of a noisy input."""
    return name.endswith(noisy_id(""))


def clean_id(clip: str) -> str:
    """Return the id by which a pair names a clip's clean target (column `clean` of the clips).

    No table but the pairs holds this id: the clean target is not scored.
    """
    return candidate_id(clip, CLEAN, 0)


def is_clean(name: str) -> bool:
    """Return whether an id is that of a clean target."""
    return name.endswith(clean_id(""))


def candidate_id(clip: str, generator: str, index: int) -> str:
    """Return ``clip_id/generator/index``; `split_candidate_id` takes it apart."""
    return f"{clip}/{generator}/{index}"


def split_candidate_id(name: str) -> tuple[str, str, int]:
    """Split a candidate id into the clip's id, the generator's label and the index.

    Labels contain no slash (`config.LABEL_PATTERN`), so the last two slashes separate the parts,
    whatever the clip's id contains.

    Raises:
        ValueError: `name` is not a candidate id.

    >>> split_candidate_id("talk-1a2b/fm-tiny/3")
    ('talk-1a2b', 'fm-tiny', 3)
    """
    clip, *rest = name.rsplit("/", 2)
    if len(rest) != 2 or not rest[1].isdecimal():
        raise ValueError(f"{name!r} is not a candidate id; the form is clip_id/generator/index")
    return clip, rest[0], int(rest[1])
