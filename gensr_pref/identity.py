"""Names and seeds that depend on what a thing is, never on where or when it was made."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

NOISY = "noisy"  # labels that no generator may have
CLEAN = "clean"
_UNSAFE = re.compile(r"[^\w.]+")


def digest(*parts: Any) -> str:
    """32 hexadecimal digits (BLAKE2b-128) of the parts' canonical JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """32 hexadecimal digits (BLAKE2b-128) of a file's content.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def bytes_digest(content: bytes) -> str:
    """The same 32 digits of content that is not in a file."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def seed_for(run_seed: int, *identity: str | int) -> int:
    """A seed in [0, 2^63) for one random choice, from the run's seed and the choice's identity.

    Example: ``seed_for(run.seed, clip_id, generator, index)``.
    """
    return int(digest(run_seed, *identity)[:16], 16) >> 1


def rng_for(run_seed: int, *identity: str | int) -> np.random.Generator:
    """A NumPy generator on `seed_for` of the same arguments."""
    return np.random.default_rng(seed_for(run_seed, *identity))


def unit_for(run_seed: int, *identity: str | int) -> float:
    """A number in [0, 1) on `seed_for` of the same arguments: cheap, for splits and sampling."""
    return seed_for(run_seed, *identity) / 2**63


def clip_id(run_seed: int, source_id: str, start: int, frames: int, treatment: Any) -> str:
    """A readable and unique name of a clip: the source's stem and a digest of its identity.

    Args:
        run_seed: the run's seed (the same source degraded by another seed is another clip).
        source_id: the item's name within its corpus, such as a relative path.
        start: first frame of the segment, at the source's rate.
        frames: length of the segment, at the source's rate.
        treatment: what will be done to it, as JSON-able data (rate and degradation settings).
    """
    stem = _UNSAFE.sub("_", PurePosixPath(source_id).stem).strip("_")[:48] or "clip"
    return f"{stem}-{digest(run_seed, source_id, start, frames, treatment)[:12]}"


def noisy_id(clip: str) -> str:
    """The id under which a clip's noisy input is scored beside its candidates: the baseline."""
    return candidate_id(clip, NOISY, 0)


def is_noisy(name: str) -> bool:
    """Whether a candidate id is that of a noisy input."""
    return name.endswith(noisy_id(""))


def clean_id(clip: str) -> str:
    """The id by which a pair names a clip's clean target: the `clean` column of the clips table.

    It is in no other table: the clean target is not scored.
    """
    return candidate_id(clip, CLEAN, 0)


def is_clean(name: str) -> bool:
    """Whether an id is that of a clean target."""
    return name.endswith(clean_id(""))


def candidate_id(clip: str, generator: str, index: int) -> str:
    """Return ``clip_id/generator/index``; `split_candidate_id` takes it apart."""
    return f"{clip}/{generator}/{index}"


def split_candidate_id(name: str) -> tuple[str, str, int]:
    """Return the clip's id, the generator's label and the index that a candidate id is made of.

    Labels hold no slash (`config.LABEL_PATTERN`), so the last two slashes are the borders whatever
    the clip is called.

    Raises:
        ValueError: it is no candidate id.

    >>> split_candidate_id("talk-1a2b/fm-tiny/3")
    ('talk-1a2b', 'fm-tiny', 3)
    """
    clip, *rest = name.rsplit("/", 2)
    if len(rest) != 2 or not rest[1].isdecimal():
        raise ValueError(f"{name!r} is no candidate id: clip_id/generator/index")
    return clip, rest[0], int(rest[1])
