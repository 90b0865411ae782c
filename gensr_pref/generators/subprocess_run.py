"""Runs a program with a time limit; no process that it started outlives the call."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_TAIL_BYTES, _TAIL_LINES = 4096, 5


def run_program(
    arguments: Sequence[str], folder: Path, env: Mapping[str, str], limit: float, log: Path
) -> int | None:
    """Run a program until it ends or the limit is reached, then kill all that it started.

    Args:
        arguments: the program and its arguments; no shell interprets them.
        folder: working directory.
        env: the complete environment.
        limit: in seconds.
        log: file that receives standard error; standard output is discarded.

    Returns:
        Exit status; None if the limit was reached.

    Raises:
        OSError: the program cannot be started.
    """
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*_parent_death_prefix(), *arguments],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its child processes may outlive it
        process.wait()


def _parent_death_prefix() -> list[str]:
    """Return a command prefix that kills the program when this process dies.

    Empty if util-linux's ``setpriv`` is not installed.
    """
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "KILL", "--"] if program else []


def describe_status(status: int) -> str:
    """Describe an exit status in words; a negative one is a signal."""
    if status > 0:
        return f"exit status {status}"
    with suppress(ValueError):
        return f"ended by {signal.Signals(-status).name}"
    return f"ended by signal {-status}"


def last_lines(log: Path) -> str:
    """Return the last lines of a program's standard error, joined by `` / ``."""
    with log.open("rb") as errors:
        errors.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = errors.read().decode("utf-8", "replace").splitlines()
    return " / ".join([line.strip() for line in lines if line.strip()][-_TAIL_LINES:])
