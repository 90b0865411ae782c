"""What all tests share."""

import signal
from collections.abc import Iterator

import pytest
import torch

from gensr_pref.threads import one_thread


@pytest.fixture(autouse=True, scope="session")
def single_thread() -> Iterator[None]:
    """As in a build: small models are fastest so, most of all where other tests run beside."""
    torch.set_num_threads(1)
    with one_thread():
        yield


@pytest.fixture(autouse=True, scope="session")
def heeds_interrupts() -> Iterator[None]:
    """The background jobs of a shell ignore Ctrl-C from birth, and so would what tests start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
