"""Fixtures and settings of all tests."""

import gc
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from gensr_pref.process import one_thread
from gensr_pref.storage.location import parse_location
from tests.commands import console  # noqa: F401  fixture
from tests.s3_server import BUCKET, S3Server
from tests.small_run import base, one_ray, run  # noqa: F401  fixtures


def pytest_collection_finish() -> None:
    """Spare the garbage collector what has been imported, which it would search at every turn."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def single_thread() -> Iterator[None]:
    """As in a build: small models are fastest so, most of all where other tests run beside."""
    import torch  # here, as the process that only distributes the tests needs none of it

    torch.set_num_threads(1)
    with one_thread():
        yield


@pytest.fixture(autouse=True, scope="session")
def equal_priority() -> Iterator[None]:
    """Ray runs its workers at a low priority by default; beside other tests they would starve."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        yield


@pytest.fixture(autouse=True)
def heeds_interrupts() -> Iterator[None]:
    """The background jobs of a shell ignore Ctrl-C from birth, and so would what tests start.

    And a command leaves its handlers in place, also one that a fixture of a module ran before; the
    next test must not meet them.
    """
    how = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    for number, handler in how.items():
        signal.signal(number, handler)
    yield
    for number, handler in how.items():
        signal.signal(number, handler)


@pytest.fixture
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to import from; another test's module of the same name is not this one's."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(f"{tmp_path}/"):
            del sys.modules[name]


@pytest.fixture
def unrendered_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the figures of audits and cards but do not render them, which takes most of the time.

    For tests of something else that happen to write them.
    """
    from matplotlib.figure import Figure

    def save(figure: Figure, file: IO[Any], format: str, **_: Any) -> None:
        file.write("<svg></svg>" if format == "svg" else b"png")

    monkeypatch.setattr(Figure, "savefig", save)


class DroppedSignal:
    """Whose end is where a signal comes: what is raised there, Python prints and drops."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)

    @classmethod
    def sent(cls, number: int) -> None:
        """Let a signal come whose exception is dropped."""
        cls(number)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server on this machine, with an empty bucket."""
    import fsspec

    with S3Server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3", use_listings_cache=False).mkdir(BUCKET)
        yield server


@pytest.fixture
def s3(s3_server, monkeypatch) -> Iterator[S3Server]:
    """The same, found by this process and those it starts, with nothing counted yet."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    s3_server.forget()
    yield s3_server
    s3_server.on = None


@pytest.fixture
def bucket(s3) -> Path:
    """A place on it that no other test uses."""
    return parse_location(f"s3://{BUCKET}/{uuid.uuid4().hex}")
