"""A program run to its end, or ended: with a limit, and with all that it starts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_TAIL_BYTES, _TAIL_LINES = 4096, 5


def executed(
    arguments: Sequence[str], folder: Path, env: Mapping[str, str], limit: float, log: Path
) -> int | None:
    """Run a program to its end. Whatever happens, nothing that it started goes on running.

    Args:
        arguments: the program and its arguments; no shell reads them.
        folder: where it runs.
        env: all of its environment.
        limit: seconds.
        log: file that receives its standard error; its standard output is dropped.

    Returns:
        Its exit status; None where the limit was reached.

    Raises:
        OSError: it does not start.
    """
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*_leash(), *arguments],
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
            os.killpg(process.pid, signal.SIGKILL)  # what it started may outlive it
        process.wait()


def _leash() -> list[str]:
    """What to put before a program so that it is killed when we are, where util-linux has it."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "KILL", "--"] if program else []


def ending(status: int) -> str:
    """An exit status in words."""
    if status > 0:
        return f"exit status {status}"
    with suppress(ValueError):
        return f"ended by {signal.Signals(-status).name}"
    return f"ended by signal {-status}"


def tail(log: Path) -> str:
    """The last lines that a program wrote to its standard error, as one."""
    with log.open("rb") as errors:
        errors.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = errors.read().decode("utf-8", "replace").splitlines()
    return " / ".join([line.strip() for line in lines if line.strip()][-_TAIL_LINES:])
