"""Signals and threads of this process.

One Ctrl-C or one SIGTERM ends a command, whatever it is doing at that moment. Python raises a
signal's exception wherever the main thread happens to be. Inside a ``__del__`` or a library's
callback, the exception is printed and dropped, and the work goes on. So each signal is recorded as
well, and long work checks the record at every step.

Sampling and scoring use one thread per process. The result must not depend on the number of cores,
and N processes with one thread each are faster than one process with N threads.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

_pending: list[int] = []  # signals received during a command; a list, as handlers take no locks
_active_blocks: list[bool] = []  # one entry per active `handle_signals` block


@contextmanager
def handle_signals() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C stop the command in this block.

    Ctrl-C stays ignored if it was ignored before, as in a shell's background jobs. The handlers
    stay installed after the block.
    """
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop)
    _active_blocks.append(True)
    try:
        yield
    finally:
        _active_blocks.pop()
        _pending.clear()


def raise_if_interrupted() -> None:
    """Stop here if a signal was received; call this at every step of long work.

    Raises:
        KeyboardInterrupt: a signal was received during the current `handle_signals` block.
    """
    if _pending:
        raise KeyboardInterrupt


@contextmanager
def defer_interrupt() -> Iterator[None]:
    """Let this block finish when Ctrl-C is pressed, and interrupt after it.

    Raises:
        KeyboardInterrupt: at the end of the block, if Ctrl-C was pressed inside it.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if received:
        raise KeyboardInterrupt


def _stop(number: int, frame: object) -> None:
    if _active_blocks:  # a signal after the command must not stop the next one
        _pending.append(number)
    raise KeyboardInterrupt


@lru_cache(maxsize=1)
def _thread_pools(number_of_modules: int) -> Any:
    """Return the loaded libraries that use threads; search again when modules were imported.

    A search takes 5 ms, which for a short clip would be a third of the whole time.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit BLAS, OpenMP and torch to one thread inside the block; restore them after it."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    with _thread_pools(len(sys.modules)).limit(limits=1):
        if torch:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)
