"""Patterns of file names: what is in braces comes from a clip and the number of its candidate."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import PurePosixPath

from gensr_pref.generators.base import Origin

FIELDS = ("path", "parent", "stem", "clip_id", "system", "index")


def fields(pattern: str) -> list[str]:
    """The names in braces."""
    return [field for _, field, _, _ in string.Formatter().parse(pattern) if field is not None]


def check_pattern(pattern: str, systems: Sequence[str]) -> None:
    """Refuse a pattern that cannot tell clips, or candidates of a clip, apart.

    Raises:
        ValueError: it has an unknown field, none of a recording, or `system` without systems.
    """
    named = fields(pattern)
    for field in named:
        if field not in FIELDS:
            raise ValueError(f"files: no field {{{field}}}. Known: {', '.join(FIELDS)}")
    if not {"path", "parent", "stem", "clip_id"} & set(named):
        raise ValueError(f"files: {pattern!r} names the same file for every clip; use {{path}}")
    if ("system" in named) != bool(systems):
        raise ValueError("files: {system} in the pattern and a list of systems go together")


def filled(pattern: str, clip: Origin, index: int, system: str) -> str:
    """The name of a candidate's file, relative to the folder of all."""
    path = PurePosixPath(clip.recording).with_suffix("")
    return pattern.format(
        path=path,
        parent=path.parent,
        stem=path.name,
        clip_id=clip.clip_id,
        index=index,
        system=system,
    )
