"""Starts or joins Ray, and plans which processes run on it."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypedDict

from gensr_pref import process
from gensr_pref.building.tasks import Stage
from gensr_pref.config.run_file import Engine
from gensr_pref.errors import ConfigError, Problem, RunIncompleteError, parameter, quantity

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_gcs_server_port_wait_time_s": "150",  # 30 by default, too few where CPUs are busy
}
# A socket's path holds 107 bytes (`sun_path` of unix(7)), of which Ray 2.60 takes 68 for
# /ray/session_2026-12-01_00-00-00_000000_4194304/sockets/plasma_store
_LONGEST_FOLDER = 107 - 68
_SHORT = ("/tmp", "/var/tmp", "/dev/shm")
TRIES = 3  # attempts to start Ray; Ray 2.60 gives a node a fixed 30 s to start


@dataclass(frozen=True)
class Crew:
    """A group of processes that do the same work.

    Attributes:
        stages: the stages that they work at.
        count: largest number of processes.
        gpus: GPUs of each process; may be a fraction.
        device: torch device of each process.
    """

    stages: tuple[Stage, ...]
    count: int
    gpus: float
    device: str


def plan_crews(engine: Engine, cpus: int, gpus: float) -> tuple[Crew, ...]:
    """Plan the processes: one crew for both stages, or one for each if their devices differ.

    Args:
        cpus, gpus: number of CPUs and GPUs of the cluster.
    """
    sampling = _share(engine.generator_gpus, engine.device)
    scoring = _share(engine.scorer_gpus, engine.scoring_device)
    if engine.device == engine.scoring_device and sampling == scoring:
        count = _count(engine.workers, cpus, gpus, sampling)
        return (Crew(("sample", "score"), count, sampling, engine.device),)
    left = cpus if sampling else max(1, cpus - 1)
    generators = _count(engine.workers, left, gpus, sampling)
    scorers = _count(engine.scorers, cpus - generators, gpus - generators * sampling, scoring)
    return (
        Crew(("sample",), generators, sampling, engine.device),
        Crew(("score",), scorers, scoring, engine.scoring_device),
    )


def require_gpus(engine: Engine, wanted: Sequence[Crew], gpus: float) -> None:
    """Refuse crews that can never be started on this machine; a cluster may grow.

    Raises:
        ConfigError: a process needs more GPUs than the machine has.
    """
    for crew in wanted:
        if not engine.address and crew.gpus > gpus:
            field = "generator_gpus" if "sample" in crew.stages else "scorer_gpus"
            raise ConfigError(
                f"a process needs {quantity(crew.gpus, 'GPU')}, but Ray finds {gpus:g} on this "
                "machine. Set it to 0 if Ray shall not count GPUs, or choose another engine.device",
                field=f"engine.{field}",
                value=crew.gpus,
                problem=Problem.CONFLICT,
            )


def _share(gpus: float | None, device: str) -> float:
    if gpus is not None:
        return gpus
    return 1.0 if device == "cuda" else 0.0  # Ray does not choose a numbered device, cuda:1


def _count(setting: int | str, cpus: int, gpus: float, share: float) -> int:
    if isinstance(setting, int):
        return setting
    fitting = min(cpus, int(gpus / share + 1e-9)) if share else cpus
    return max(1, fitting)


@contextmanager
def running_ray(engine: Engine) -> Iterator[None]:
    """Start Ray unless this process already uses it, and stop it at the end of the block."""
    os.environ.update({key: os.environ.get(key, value) for key, value in _SETTINGS.items()})
    import ray

    started_here = not ray.is_initialized()
    if started_here:
        _start(engine)
    try:
        yield
    finally:
        if started_here:
            with process.defer_interrupt():
                ray.shutdown()


def count_resources() -> tuple[int, float]:
    """Return the number of CPUs and GPUs of all live nodes."""
    import ray

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(resources.get("CPU", 1)), float(resources.get("GPU", 0))


def _start(engine: Engine) -> None:
    """Start Ray, which is slow on a busy machine, or join a running cluster.

    Ray itself ends what a failed attempt has started, when this process ends.

    Raises:
        ConfigError: the cluster at `engine.address` cannot be joined.
        RunIncompleteError: Ray does not start on this machine.
    """
    import ray

    began = time.monotonic()
    for left in reversed(range(1 if engine.address else TRIES)):
        process.raise_if_interrupted()
        try:
            with _keep_signal_handlers():
                ray.init(**_init_arguments(engine))
            return
        except Exception as error:  # Ray has no exception class for this
            ray.shutdown()
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            if engine.address:
                raise ConfigError(
                    f"Ray at {engine.address!r} cannot be joined: {reason}",
                    field="engine.address",
                    value=engine.address,
                    problem=Problem.OFFLINE,
                ) from error
            if not left:
                passed = f"{time.monotonic() - began:.0f} s"
                raise RunIncompleteError(
                    f"Ray did not start within {passed} ({TRIES} attempts; the last: {reason}). "
                    "Run the same command again when the machine is less busy, or use one process "
                    f"({parameter('workers')} 1, or engine.kind=serial in a run file)",
                    problem=Problem.FAILED,
                ) from error


@contextmanager
def _keep_signal_handlers() -> Iterator[None]:
    """Restore the SIGTERM handler after the block; Ray's would end the process with a C++ trace."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _InitArguments(TypedDict, total=False):
    """Keyword arguments of ``ray.init``."""

    address: str
    num_cpus: int
    include_dashboard: bool
    _temp_dir: str
    log_to_driver: bool
    logging_level: int


def _init_arguments(engine: Engine) -> _InitArguments:
    common: _InitArguments = {"log_to_driver": False, "logging_level": logging.ERROR}
    if engine.address:
        return {"address": engine.address, **common}
    available = len(os.sched_getaffinity(0))
    counts = [count for count in (engine.workers, engine.scorers) if isinstance(count, int)]
    arguments: _InitArguments = {
        "num_cpus": max(available, sum(counts)),
        "address": "local",  # never a cluster that happens to run on this machine
        "include_dashboard": False,
        **common,
    }
    if folder := _socket_folder():
        arguments["_temp_dir"] = folder
    return arguments


def _socket_folder() -> str | None:
    """Return a folder for Ray's sockets if the path of its usual folder is too long.

    Raises:
        ConfigError: RAY_TMPDIR is too long, or no writable folder has a short enough path.
    """
    chosen = os.environ.get("RAY_TMPDIR")
    usual = chosen or os.environ.get("TMPDIR", _SHORT[0])
    if len(os.fsencode(usual)) <= _LONGEST_FOLDER:
        return None
    short = [folder for folder in _SHORT if os.access(folder, os.W_OK | os.X_OK)]
    if chosen or not short:
        raise ConfigError(
            f"the path {usual} is too long for Ray's sockets. "
            f"Set RAY_TMPDIR to a folder of at most {_LONGEST_FOLDER} bytes",
            field="RAY_TMPDIR" if chosen else "TMPDIR",
            value=usual,
            problem=Problem.INVALID,
        )
    return f"{short[0]}/ray"
