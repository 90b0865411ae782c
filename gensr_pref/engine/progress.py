"""What a person sees while a build runs: one bar per stage, in clips."""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial
from types import TracebackType
from typing import Self

from gensr_pref.engine.work import Event, Lost, Notice, Restarted, Stage, Tick

_TITLES: dict[Stage, str] = {"sample": "sampling", "score": "scoring "}


class Progress:
    """Two bars on a terminal; silent where there is none."""

    def __init__(self, clips: int, done: dict[Stage, int]) -> None:
        from tqdm import tqdm

        self._write = partial(tqdm.write, file=sys.stderr)
        self._since_start: Counter[tuple[Stage, int]] = Counter()
        self._bars = {
            stage: tqdm(
                total=clips,
                initial=done[stage],
                desc=title,
                unit="clip",
                position=place,
                disable=None,
                dynamic_ncols=True,
            )
            for place, (stage, title) in enumerate(_TITLES.items())
        }

    def show(self, event: Event) -> None:
        """Move the bars, or say what went wrong."""
        key = (event.stage, event.shard)
        if isinstance(event, Tick):
            self._since_start[key] += 1
            self._bars[event.stage].update(1)
        elif isinstance(event, Notice):
            self._write(f"note: {event.text}")
        elif isinstance(event, Restarted | Lost):
            self._bars[event.stage].update(-self._since_start.pop(key, 0))
            verdict = "begins anew" if isinstance(event, Restarted) else "is given up"
            self._write(f"shard {event.shard} ({event.stage}) {verdict}: {event.why}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for bar in self._bars.values():
            bar.close()
