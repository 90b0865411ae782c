"""Ray, started here or joined, and which processes are to run on it."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

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
TRIES = 3  # at starting Ray: a node has 30 s to come up, which Ray 2.60 lets nobody change


@dataclass(frozen=True)
class Crew:
    """Processes that are alike.

    Attributes:
        stages: that they work at.
        count: how many there may be.
        gpus: of each.
        device: torch device of each.
    """

    stages: tuple[Stage, ...]
    count: int
    gpus: float
    device: str


def plan_crews(engine: Engine, cpus: int, gpus: float) -> tuple[Crew, ...]:
    """The processes to start: one crew for both stages, or one for each where devices differ.

    Args:
        cpus, gpus: of the cluster.
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
    """Refuse processes that can never be started on this machine; a cluster may grow.

    Raises:
        ConfigError: they need more GPUs than there are.
    """
    for crew in wanted:
        if not engine.address and crew.gpus > gpus:
            field = "generator_gpus" if "sample" in crew.stages else "scorer_gpus"
            raise ConfigError(
                f"a process is to have {quantity(crew.gpus, 'GPU')} and Ray "
                f"finds {gpus:g} "
                "here. Set 0 where Ray is not to count them, or another engine.device",
                field=f"engine.{field}",
                value=crew.gpus,
                problem=Problem.CONFLICT,
            )


def _share(gpus: float | None, device: str) -> float:
    if gpus is not None:
        return gpus
    return 1.0 if device == "cuda" else 0.0  # a certain one, such as cuda:1, is not Ray's to choose


def _count(asked: int | str, cpus: int, gpus: float, share: float) -> int:
    if isinstance(asked, int):
        return asked
    fitting = min(cpus, int(gpus / share + 1e-9)) if share else cpus
    return max(1, fitting)


@contextmanager
def running_ray(engine: Engine) -> Iterator[None]:
    """Ray, started here unless it runs already, and then ended here."""
    os.environ.update({key: os.environ.get(key, value) for key, value in _SETTINGS.items()})
    import ray

    ours = not ray.is_initialized()
    if ours:
        _start(engine)
    try:
        yield
    finally:
        if ours:
            with process.defer_interrupt():
                ray.shutdown()


def count_resources() -> tuple[int, float]:
    """CPUs and GPUs of all nodes that are alive."""
    import ray

    found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(found.get("CPU", 1)), float(found.get("GPU", 0))


def _start(engine: Engine) -> None:
    """Start Ray, which is slow where the machine is busy, or join the one that runs.

    What a failed try has started is ended by Ray when this process ends.

    Raises:
        ConfigError: the cluster at `engine.address` cannot be joined.
        RunIncompleteError: Ray does not start here.
    """
    import ray

    began = time.monotonic()
    for left in reversed(range(1 if engine.address else TRIES)):
        process.raise_if_interrupted()
        try:
            with _keep_signal_handlers():
                ray.init(**_settings(engine))
            return
        except Exception as error:  # Ray has no type of its own for this
            ray.shutdown()
            said = (str(error).splitlines() or [type(error).__name__])[0]
            if engine.address:
                raise ConfigError(
                    f"Ray at {engine.address!r} cannot be joined: {said}",
                    field="engine.address",
                    value=engine.address,
                    problem=Problem.OFFLINE,
                ) from error
            if not left:
                passed = f"{time.monotonic() - began:.0f} s"
                raise RunIncompleteError(
                    f"Ray did not start within {passed} ({TRIES} tries; the last: {said}). Run the "
                    "same command again when the machine is less busy, or ask for one process "
                    f"({parameter('workers')} 1, or engine.kind=serial in a run file)",
                    problem=Problem.FAILED,
                ) from error


@contextmanager
def _keep_signal_handlers() -> Iterator[None]:
    """What this process does on SIGTERM; Ray would end it at once with a trace of its C++."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _settings(engine: Engine) -> dict[str, Any]:
    common = {"log_to_driver": False, "logging_level": logging.ERROR}
    if engine.address:
        return {"address": engine.address, **common}
    available = len(os.sched_getaffinity(0))
    asked = [count for count in (engine.workers, engine.scorers) if isinstance(count, int)]
    ours = {"address": "local", "include_dashboard": False}  # not one that happens to run here
    return {"num_cpus": max(available, sum(asked)), **ours, **_temporary_folder(), **common}


def _temporary_folder() -> dict[str, str]:
    """Where Ray puts its sockets, if not where it would itself: a path that is not too long.

    Raises:
        ConfigError: RAY_TMPDIR is too long, or there is no folder that is not.
    """
    chosen = os.environ.get("RAY_TMPDIR")
    usual = chosen or os.environ.get("TMPDIR", _SHORT[0])
    if len(os.fsencode(usual)) <= _LONGEST_FOLDER:
        return {}
    short = [one for one in _SHORT if os.access(one, os.W_OK | os.X_OK)]
    if chosen or not short:
        raise ConfigError(
            f"{usual} is too long for the sockets that Ray "
            f"puts there. Set RAY_TMPDIR to a folder of at most {_LONGEST_FOLDER} bytes",
            field="RAY_TMPDIR" if chosen else "TMPDIR",
            value=usual,
            problem=Problem.INVALID,
        )
    return {"_temp_dir": f"{short[0]}/ray"}
