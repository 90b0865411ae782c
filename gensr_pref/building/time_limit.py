"""A limit to how long a generator may take over one clip."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SHORTEST = 1e-3  # seconds: a timer of 0 would never ring
AGAIN = 5.0  # seconds: Python drops what is raised in a finaliser, so one ring might go unheard


class OutOfTime(BaseException):
    """The limit has passed. No `Exception`, so that nobody's ``except Exception`` swallows it."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise `OutOfTime` in the block when it takes longer than `seconds`; None = no limit.

    It works by an alarm signal: in the main thread only (elsewhere there is no limit), and only
    once the block is back in Python, so that native code which never returns is not interrupted.
    On Ray the driver ends such a worker; see `actors`. A timer that someone else had set goes on
    afterwards.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, _ring)
    before, interval = signal.setitimer(signal.ITIMER_REAL, max(seconds, SHORTEST), AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if before:
            left = before - (time.monotonic() - began)
            signal.setitimer(signal.ITIMER_REAL, max(left, SHORTEST), interval)


def _ring(number: int, frame: object) -> None:
    raise OutOfTime
