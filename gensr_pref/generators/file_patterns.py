"""Patterns of file names whose fields in braces are filled in from a clip and a candidate."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import PurePosixPath

from gensr_pref.generators.base import Origin

FIELDS = ("path", "parent", "stem", "clip_id", "system", "index")


def pattern_fields(pattern: str) -> list[str]:
    """Return the names of the fields in a pattern, in order."""
    return [field for _, field, _, _ in string.Formatter().parse(pattern) if field is not None]


def check_pattern(pattern: str, systems: Sequence[str]) -> None:
    """Refuse a pattern that gives two clips, or two candidates of a clip, the same file.

    Raises:
        ValueError: the pattern has an unknown field, no field of the recording, or `system` without
            a list of systems.
    """
    named = pattern_fields(pattern)
    for field in named:
        if field not in FIELDS:
            raise ValueError(f"files: no field {{{field}}}. Known: {', '.join(FIELDS)}")
    if not {"path", "parent", "stem", "clip_id"} & set(named):
        raise ValueError(f"files: {pattern!r} names the same file for every clip; use {{path}}")
    if ("system" in named) != bool(systems):
        raise ValueError("files: {system} in the pattern and a list of systems go together")


def fill_pattern(pattern: str, clip: Origin, index: int, system: str) -> str:
    """Return the name of a candidate's file, relative to the folder of the candidates."""
    path = PurePosixPath(clip.recording).with_suffix("")
    return pattern.format(
        path=path,
        parent=path.parent,
        stem=path.name,
        clip_id=clip.clip_id,
        index=index,
        system=system,
    )
