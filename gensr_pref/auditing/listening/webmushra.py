"""The same questions for webMUSHRA, to be put before a crowd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from gensr_pref.auditing.listening.trials import (
    draw_trials,
    equalise_levels,
    order_for_listener,
    read_sounds,
)
from gensr_pref.auditing.load import evidence
from gensr_pref.errors import InputError, Problem, StorageError
from gensr_pref.rundir import part_files


def export_webmushra(out: Path, folder: Path, pairs: int) -> dict[str, Any]:
    """Write WAV files, ``webmushra.yaml`` and ``key.json``.

    The folder goes into webMUSHRA's ``configs/resources/gensr_pref``. Every listener gets the same
    sides in an order that webMUSHRA draws. ``key.json`` says what A and B are, and stays at home.

    Args:
        folder: a new or empty folder.

    Returns:
        ``config`` and ``key`` (paths) and the number of ``trials``.

    Raises:
        InputError: the folder holds something, or there is no pair.
        StorageError: something cannot be read or written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            "holds something already. Give a new folder", path=folder, problem=Problem.EXISTS
        )
    asked = order_for_listener(draw_trials(evidence(out), pairs), "export")
    if not asked:
        raise InputError(
            "no pair to listen to. See its audit for why", path=out, problem=Problem.EMPTY
        )
    kept = read_sounds(out, asked)
    key = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one in asked:
            there = {button: kept[name] for button, name in one.heard.items() if name in kept}
            for button, sound in equalise_levels(there).items():
                (folder / f"{one.code}-{button}.wav").write_bytes(sound)
            key[one.code] = {"kind": one.kind, "trial": one.key, **one.heard}
    except OSError as error:
        raise StorageError(
            f"cannot be written: {error.strerror}", path=folder, problem=Problem.UNWRITABLE
        ) from error
    config = yaml.safe_dump(_config(list(key)), sort_keys=False, allow_unicode=True)
    part_files.write_text(folder / "webmushra.yaml", config)
    part_files.write_text(folder / "key.json", json.dumps(key, indent=2, allow_nan=False) + "\n")
    return {
        "config": str(folder / "webmushra.yaml"),
        "key": str(folder / "key.json"),
        "trials": len(asked),
    }


def _config(codes: list[str]) -> dict[str, Any]:
    """webMUSHRA's document: one page per trial, in random order."""
    return {
        "testname": "Which is better?",
        "testId": "gensr_pref",
        "bufferSize": 2048,
        "stopOnErrors": True,
        "showButtonPreviousPage": False,
        "remoteService": "service/write.php",
        "pages": [
            {"type": "generic", "id": "welcome", "name": "Which is better?", "content": _WELCOME},
            ["random", *map(_page, codes)],
            {"type": "finish", "name": "Thank you", "content": "Thank you.", "writeResults": True},
        ],
    }


_WELCOME = (
    "You will hear two restorations of the same noisy speech. Say which you would rather listen to."
)


def _page(code: str) -> dict[str, Any]:
    place = f"configs/resources/gensr_pref/{code}"
    return {
        "type": "likert_multi_stimulus",
        "id": code,
        "name": "Which is better?",
        "content": "Play both. Rate each sound: the higher, the rather you would listen to it.",
        "mustRate": True,
        "mustPlayback": "processUpdate",
        "stimuli": {button: f"{place}-{button}.wav" for button in ("a", "b")},
        "response": [{"value": str(n), "label": str(n)} for n in range(1, 6)],
    }
