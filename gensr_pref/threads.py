"""One thread per process while sampling and scoring.

What comes out must not depend on how many cores a machine lends, and N processes of one thread do
more than one process of N threads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any


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
