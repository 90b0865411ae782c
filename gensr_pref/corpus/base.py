"""The protocol of a source: list its recordings without decoding them, and read any of them.

A new kind of source is a class with these two methods and a branch in `sources.open_source`.
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
    """One recording of a source; small, so that processes can exchange it.

    Attributes:
        source_id: name within the source: a relative path, or a row of a file or split.
        rate: Hz.
        frames: number of frames at `rate`.
        row: position for people: the line of a manifest (the header is line 1), the row of a table
            from 0, or the position in a folder from 1.
        path: path of the file, relative to the source's root; empty for bytes in a table.
        clean_path: path of the clean counterpart's file, in the same form.
        text, speaker, language: null where the source does not state them.
        files: paths of the recording and its clean counterpart, except those inside a table.
        contents: digests of the recording and its clean counterpart where they are in a table.
    """

    source_id: str
    rate: int
    frames: int
    row: int
    path: str = ""
    clean_path: str | None = None
    text: str | None = None
    speaker: str | None = None
    language: str | None = None
    files: tuple[str, ...] = field(default=(), compare=False)
    contents: tuple[str, ...] = field(default=(), compare=False)


class Source(Protocol):
    """Recordings, with their clean counterparts if there are any.

    Attributes:
        left_out: other content of its folders; complete once `items` has ended.
    """

    @property
    def left_out(self) -> Sequence[LeftOut]: ...  # noqa: D102

    def items(self) -> Iterator[Item | Failure]:
        """Yield every recording in a fixed order, or its failure; reads headers only.

        Raises:
            InputError: the source as a whole does not match the run file.
        """
        ...

    def read(self, item: Item, start: int, frames: int) -> tuple[Sound, Sound | None]:
        """Read a segment of a recording, and the same segment of its clean counterpart.

        Args:
            item: the recording.
            start: first frame, at ``item.rate``.
            frames: number of frames, at ``item.rate``.

        Raises:
            Unusable: the recording cannot be decoded.
        """
        ...
