"""Reads the status of a build from its run directory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from gensr_pref.building import open_run
from gensr_pref.building.progress import SNAPSHOTS, Snapshot
from gensr_pref.config.bounds import require_positive_number
from gensr_pref.errors import Problem, RunMismatchError
from gensr_pref.pairing.no_pairs import NOTICE, asks_for_pairs
from gensr_pref.rundir import ledger, part_files
from gensr_pref.rundir.integrity import list_missing
from gensr_pref.rundir.machine import mixture_notices

_WORKING = ("starting", "running")  # states of a build that has not ended


class Status(Snapshot):
    """The last snapshot of a build, with the facts that ``gensr-pref status`` adds.

    ``state`` is the present one: ``starting``, ``running``, ``interrupted``, ``finished`` or
    ``incomplete``. A finished build with missing files is ``incomplete``.

    Keys:
        out: the run directory.
        name: name of the run.
        age_seconds: time since the snapshot was taken.
        notices: that no pairs were asked for, and stages whose parts were computed on several kinds
            of machine.
        missing: names of files that were written but are missing or have another size; empty
            while a build is running.
    """

    out: str
    name: str
    age_seconds: float
    notices: list[str]
    missing: list[str]


def status(out: Path) -> Status:
    """Return the status of a build, without reading the content of its parts.

    Raises:
        RunMismatchError: not a run directory, no build has begun to work on it, or its last
            snapshot is damaged.
    """
    document = open_run.read_document(out)
    last = part_files.last_json_line(out / SNAPSHOTS)
    if last is None:
        raise RunMismatchError("no build has begun to work on it", path=out, problem=Problem.EMPTY)
    if not isinstance(last.get("state"), str) or not isinstance(last.get("time"), int | float):
        raise RunMismatchError(
            f"the last line of its {SNAPSHOTS} is damaged. Remove that line, or the file: "
            "the same build writes it again",
            path=out,
            problem=Problem.DAMAGED,
        )
    snapshot = cast(Snapshot, last)
    locked = part_files.is_locked(out / ".lock")
    if locked and snapshot["state"] != "running":
        snapshot["state"] = "starting"  # the snapshot is from the previous build
    elif snapshot["state"] == "running" and not locked:
        snapshot["state"] = "interrupted"
    missing = [] if snapshot["state"] in _WORKING else list_missing(out)
    if missing and snapshot["state"] == "finished":
        snapshot["state"] = "incomplete"
    return {
        "out": str(out),
        "name": document.name,
        **snapshot,
        "age_seconds": max(0.0, round(time.time() - snapshot["time"], 1)),
        "notices": [
            *([] if asks_for_pairs(document.pairing["rule"]) else [NOTICE]),
            *mixture_notices(ledger.machines(out)),
        ],
        "missing": missing,
    }


def watch_status(out: Path, seconds: float) -> Iterator[Status]:
    """Return the status every `seconds`, until the build is not running any more.

    Raises:
        InputError: `seconds` is not above 0; the iterator raises as `status` does.
    """
    require_positive_number(seconds, "seconds")
    return _watch_status(out, seconds)


def _watch_status(out: Path, seconds: float) -> Iterator[Status]:
    while True:
        current = status(out)
        yield current
        if current["state"] not in _WORKING:
            return
        time.sleep(seconds)
