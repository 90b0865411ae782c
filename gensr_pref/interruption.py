"""Being stopped: one Ctrl-C or one SIGTERM ends a command, whatever it is at just then.

Python raises a signal's exception wherever the main thread happens to be. Where that is a
``__del__`` or a callback of a library, the exception is printed and dropped, and the work goes on.
So a signal is noted as well, and whatever takes long looks at the note at every step.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_came: list[int] = []  # signals that came during a command; a list, as handlers take no locks
_running: list[bool] = []  # one entry for each `heeded` block that runs


@contextmanager
def heeded() -> Iterator[None]:
    """A command, which SIGTERM and Ctrl-C stop; the latter not where it is ignored.

    A shell lets what it starts in the background ignore Ctrl-C. The handlers stay when it is over.
    """
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop)
    _running.append(True)
    try:
        yield
    finally:
        _running.pop()
        _came.clear()


def check() -> None:
    """Stop here, if a signal has come; to be called at every step of long work.

    Raises:
        KeyboardInterrupt: one has.
    """
    if _came:
        raise KeyboardInterrupt


@contextmanager
def deferred() -> Iterator[None]:
    """A block that Ctrl-C does not cut short; it stops what comes after.

    Raises:
        KeyboardInterrupt: at the end, if Ctrl-C was pressed meanwhile.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    meanwhile: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: meanwhile.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if meanwhile:
        raise KeyboardInterrupt


def _stop(number: int, frame: object) -> None:
    if _running:  # a signal that comes later must not stop the next command
        _came.append(number)
    raise KeyboardInterrupt
