"""Signals, threads and numerical precision of this process.

One Ctrl-C or one SIGTERM ends a command, whatever it is doing at that moment. Python raises a
signal's exception wherever the main thread happens to be. Inside a ``__del__`` or a library's
callback, the exception is printed and dropped, and the work goes on. So each signal is recorded as
well, and long work checks the record at every step.

Sampling and scoring use one thread per process. The result must not depend on the number of cores,
and N processes with one thread each are faster than one process with N threads.

By default torch rounds the inputs of a GPU's convolutions and LSTMs to TF32, with 10 bits of
mantissa. Sampling and scoring use float32 throughout, so that devices differ by rounding only.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple, Self, TypeVar

T = TypeVar("T")
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


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute in float32 with deterministic kernels inside the block, whatever was set before.

    Torch has an older and a newer interface for its precision, and raises where the older one is
    read after the newer one was used. Both are set here, so that code in the block may read either,
    and both are restored. If torch is not loaded, there is nothing to set.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    cudnn = torch.backends.cudnn
    before = _Precision.read(torch)
    kernels = cudnn.benchmark, cudnn.deterministic
    try:
        exact = tuple(v if v in _FLOAT32 else "ieee" for v in before.backends)
        _Precision("highest", False, False, exact).apply(torch)
        cudnn.benchmark, cudnn.deterministic = False, True
        yield
    finally:
        before.apply(torch)
        cudnn.benchmark, cudnn.deterministic = kernels


_FLOAT32 = ("none", "ieee")  # "none" is read only where no setting above it says otherwise


class _Precision(NamedTuple):
    """Torch's settings; all but `backends` are the older interface, None where it raises."""

    matmul: str | None
    matmul_tf32: bool | None
    tf32: bool | None
    backends: tuple[str, ...]

    @classmethod
    def read(cls, torch: Any) -> Self:
        """Return the present settings."""
        return cls(
            _read_or_none(torch.get_float32_matmul_precision),
            _read_or_none(lambda: torch.backends.cuda.matmul.allow_tf32),
            _read_or_none(lambda: torch.backends.cudnn.allow_tf32),
            tuple(backend.fp32_precision for backend in _backends(torch)),
        )

    def apply(self, torch: Any) -> None:
        """Set torch to these settings; the older interface first, as it changes the newer one."""
        if self.matmul is not None:
            torch.set_float32_matmul_precision(self.matmul)
        if self.matmul_tf32 is not None:
            torch.backends.cuda.matmul.allow_tf32 = self.matmul_tf32
        if self.tf32 is not None:
            torch.backends.cudnn.allow_tf32 = self.tf32
        for backend, value in zip(_backends(torch), self.backends, strict=True):
            if backend.fp32_precision != value:
                backend.fp32_precision = value


def _backends(torch: Any) -> tuple[Any, ...]:
    cuda, cudnn, mkldnn = torch.backends.cuda, torch.backends.cudnn, torch.backends.mkldnn
    return cuda.matmul, cudnn.conv, cudnn.rnn, mkldnn.matmul, mkldnn.conv, mkldnn.rnn


def _read_or_none(setting: Callable[[], T]) -> T | None:
    try:
        return setting()
    except RuntimeError:
        return None
