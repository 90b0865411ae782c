"""A progress bar on a terminal; elsewhere a plain line every 30 s."""

from __future__ import annotations

import sys
import time
from functools import partial
from types import TracebackType
from typing import Self

from gensr_pref.errors import quantity
from gensr_pref.untrusted.text import escape_invisible

LINE_SECONDS = 30.0  # time between two plain lines


class Bar:
    """A count of finished clips: a bar on a terminal, elsewhere a plain line every 30 s.

    Args:
        total: number of clips.
        done: number of clips that were finished before.
        title: text in front of the bar.
        position: row of the terminal, from 0, if there are several bars.
        lines: whether to write plain lines if there is no terminal.
    """

    def __init__(
        self, total: int, done: int, title: str = "", position: int = 0, lines: bool = True
    ) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=total,
            initial=done,
            desc=title or None,
            unit="clip",
            position=position,
            disable=None,
            dynamic_ncols=True,
        )
        self._print = partial(tqdm.write, file=sys.stderr)
        self.silent = bool(self._bar.disable)  # there is no terminal
        self._lines = lines and self.silent
        self._total, self._done, self._initial = total, done, done
        self._title = title
        self._began = self._last_line = time.monotonic()

    def write(self, text: str) -> None:
        """Write a line above the bars."""
        self._print(escape_invisible(text, lines=True))

    def update(self, count: int) -> None:
        """Add to the number of finished clips; a negative count subtracts."""
        self._done += count
        self._bar.update(count)
        now = time.monotonic()
        if self._lines and now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            rate = (self._done - self._initial) / (now - self._began)
            left = duration((self._total - self._done) / rate) if rate > 0 else "unknown"
            title = f"{self._title}: " if self._title else ""
            self.write(f"{title}{self._done} of {quantity(self._total, 'clip')}, {left} left")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()


def duration(seconds: float) -> str:
    """Return a time span as text, in its two largest units.

    >>> duration(93784)
    '1 d 2 h'
    """
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"
