"""How far a build is, seen from outside: from its run directory alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gensr_pref.building import open_run
from gensr_pref.building.progress import SNAPSHOTS
from gensr_pref.errors import Problem, RunMismatchError
from gensr_pref.rundir import ledger, part_files
from gensr_pref.rundir.integrity import list_missing
from gensr_pref.rundir.machine import mixture_notices


def status(out: Path) -> dict[str, Any]:
    """The last snapshot of a build.

    Returns:
        The snapshot's fields, with ``state`` (``starting``, ``running``, ``interrupted``,
        ``finished`` or ``incomplete``) as it is now, ``age_seconds`` since it was taken, and
        ``notices``: where parts of one stage were computed on several kinds of machine; and
        ``missing``: names of files that were written and are not there, or have another size. A
        finished build that lacks any is ``incomplete``. What parts hold is not looked at.

    Raises:
        RunMismatchError: not a run directory, or no build has begun to work on it.
    """
    name = open_run.read_document(out).name
    found = part_files.last_json_line(out / SNAPSHOTS)
    if found is None:
        raise RunMismatchError("no build has begun to work on it", path=out, problem=Problem.EMPTY)
    if not isinstance(found.get("state"), str) or not isinstance(found.get("time"), int | float):
        raise RunMismatchError(
            f"the last line of its {SNAPSHOTS} is damaged. Remove that line, or the file: "
            "the same build writes it again",
            path=out,
            problem=Problem.DAMAGED,
        )
    held = part_files.is_locked(out / ".lock")
    if held and found["state"] != "running":
        found["state"] = "starting"  # the snapshot is the build's before
    elif found["state"] == "running" and not held:
        found["state"] = "interrupted"
    working = found["state"] in ("starting", "running")
    missing = [] if working else list_missing(out)
    if missing and found["state"] == "finished":
        found["state"] = "incomplete"
    age = max(0.0, round(time.time() - found["time"], 1))
    notices = mixture_notices(ledger.machines(out))
    told = {"age_seconds": age, "notices": notices, "missing": missing}
    return {"out": str(out), "name": name, **found, **told}


def watch_status(out: Path, seconds: float) -> Iterator[dict[str, Any]]:
    """The same every so many seconds, until the build does not run any more."""
    while True:
        found = status(out)
        yield found
        if found["state"] not in ("starting", "running"):
            return
        time.sleep(seconds)
