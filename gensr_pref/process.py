"""Signals and threads of this process.

One Ctrl-C or one SIGTERM ends a command, whatever it is doing at that moment. Python raises a
signal's exception wherever the main thread happens to be. Where that is a ``__del__`` or a callback
of a library, the exception is printed and dropped, and the work goes on. So a signal is noted as
well, and long work looks at the note at every step.

Sampling and scoring use one thread per process. What comes out must not depend on how many cores a
machine has, and N processes of one thread do more than one process of N threads.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

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


@lru_cache(maxsize=1)
def _libraries(modules: int) -> Any:
    """The libraries with threads that are loaded; looked for again where modules have come.

    To look takes 5 ms, which for a short clip would be a third of all that the engine does.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS, OpenMP and torch to one thread inside the block, and restore them after it."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    with _libraries(len(sys.modules)).limit(limits=1):
        if torch:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)
