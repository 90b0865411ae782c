"""The protocol of a source: list its recordings without decoding them, then read any one of them.

A source of its own kind is a class with these two methods and a branch in `sources.opened`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gensr_pref.audio import Sound
from gensr_pref.corpus.listing import LeftOut
from gensr_pref.schema import Failure

STAGE = "corpus"


@dataclass(frozen=True)
class Item:
    """One recording of a source; small, so that it travels between processes.

    Attributes:
        source_id: its name within the source: a relative path, or a file's or split's row.
        rate: Hz.
        frames: at `rate`.
        row: where it stands, as a person would look for it: the line of a manifest (the header
            is line 1), the row of a table from 0, or the position in a folder from 1.
        place: file that holds it, relative to the source's root; empty in a table of bytes.
        clean_place: likewise for its clean counterpart.
        text, speaker, language: null where the source does not say.
        files: those that hold it and its clean counterpart, but for what lies in a table.
        contents: digests of those of the two that lie in a table.
    """

    source_id: str
    rate: int
    frames: int
    row: int
    place: str = ""
    clean_place: str | None = None
    text: str | None = None
    speaker: str | None = None
    language: str | None = None
    files: tuple[str, ...] = field(default=(), compare=False)
    contents: tuple[str, ...] = field(default=(), compare=False)


class Source(Protocol):
    """Recordings, and clean counterparts where there are any.

    Attributes:
        left_out: what its folders hold besides; known once `items` has ended.
    """

    @property
    def left_out(self) -> Sequence[LeftOut]: ...  # noqa: D102

    def items(self) -> Iterator[Item | Failure]:
        """Every recording in a fixed order, or why it cannot be used; reads headers only.

        Raises:
            InputError: the source as a whole is not what the run file says.
        """
        ...

    def read(self, item: Item, start: int, frames: int) -> tuple[Sound, Sound | None]:
        """A stretch of a recording, and the same stretch of its clean counterpart.

        Args:
            start, frames: at ``item.rate``.

        Raises:
            Unusable: it cannot be decoded.
        """
        ...
