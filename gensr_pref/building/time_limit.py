"""Limits the time of a generator, a panel or a metric for one clip."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

SHORTEST = 1e-3  # seconds; a timer of 0 would never fire
AGAIN = 5.0  # seconds until it fires again, because Python ignores exceptions in finalisers


class OutOfTime(BaseException):
    """The limit has passed; not an `Exception`, so that no ``except Exception`` catches it."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise `OutOfTime` in the block when it takes longer than `seconds`; None = no limit.

    The limit uses an alarm signal, so it works only in the main thread (elsewhere there is no
    limit), and native code is interrupted only when it returns to Python. On Ray the driver ends a
    worker whose code never returns; see `ray_pool`. An alarm that was set before continues after
    the block.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, _raise_out_of_time)
    before, interval = signal.setitimer(signal.ITIMER_REAL, max(seconds, SHORTEST), AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if before:
            left = before - (time.monotonic() - began)
            signal.setitimer(signal.ITIMER_REAL, max(left, SHORTEST), interval)


def timeout_failure(seconds: float | None) -> Unusable:
    """Return the failure of a generator, panel or metric that took longer than its limit."""
    return Unusable(Reason.TIMED_OUT, f"no answer within {seconds or 0:g} s")


def _raise_out_of_time(number: int, frame: object) -> None:
    raise OutOfTime
