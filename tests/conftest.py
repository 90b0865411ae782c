"""What all tests share."""

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
