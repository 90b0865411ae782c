"""Exports the trials for webMUSHRA, for a test with many listeners."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import yaml

from gensr_pref.auditing.listening.trials import (
    equalise_levels,
    load_trials,
    order_for_listener,
    read_sounds,
)
from gensr_pref.errors import InputError, Problem, StorageError
from gensr_pref.rundir import part_files


class WebmushraTest(TypedDict):
    """The paths of ``webmushra.yaml`` and ``key.json``, and the number of trials."""

    config: str
    key: str
    trials: int


class Page(TypedDict):
    """One page of webMUSHRA's configuration, as its documentation names the fields."""

    type: str
    id: str
    name: str
    content: str


class FinishPage(TypedDict):
    """The last page, on which the results are sent."""

    type: str
    name: str
    content: str
    writeResults: bool


class RatingPage(Page):
    """A page on which the sounds of a trial are rated from 1 to 5."""

    mustRate: bool
    mustPlayback: str
    stimuli: dict[str, str]
    response: list[dict[str, str]]


class Configuration(TypedDict):
    """The contents of ``webmushra.yaml``, as webMUSHRA's documentation names the fields."""

    testname: str
    testId: str
    bufferSize: int
    stopOnErrors: bool
    showButtonPreviousPage: bool
    remoteService: str
    pages: list[Page | list[str | RatingPage] | FinishPage]


def export_webmushra(out: Path, folder: Path, pairs: int) -> WebmushraTest:
    """Write WAV files, ``webmushra.yaml`` and ``key.json``.

    The WAV files go into webMUSHRA's ``configs/resources/gensr_pref``. A and B are the same for
    every listener; webMUSHRA draws the order of the trials. ``key.json`` identifies A and B and
    must not be published.

    Args:
        folder: a new or empty folder.

    Raises:
        InputError: the folder is not empty, `pairs` is below 1, or there is no pair.
        StorageError: the run cannot be read, or the folder cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            "is not an empty folder. Name a new one", path=folder, problem=Problem.EXISTS
        )
    trials = order_for_listener(load_trials(out, pairs), "export")
    sounds = read_sounds(out, trials)
    key = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for trial in trials:
            buttons = trial.buttons
            encoded = {button: sounds[name] for button, name in buttons.items() if name in sounds}
            for button, sound in equalise_levels(encoded).items():
                (folder / f"{trial.code}-{button}.wav").write_bytes(sound)
            key[trial.code] = {"kind": trial.kind, "trial": trial.key, **buttons}
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
        "trials": len(trials),
    }


def _config(codes: list[str]) -> Configuration:
    """Return webMUSHRA's configuration: one page per trial, in random order."""
    return {
        "testname": "Which is better?",
        "testId": "gensr_pref",
        "bufferSize": 2048,
        "stopOnErrors": True,
        "showButtonPreviousPage": False,
        "remoteService": "service/write.php",
        "pages": [
            {"type": "generic", "id": "welcome", "name": "Which is better?", "content": _WELCOME},
            ["random", *map(_rating_page, codes)],
            {"type": "finish", "name": "Thank you", "content": "Thank you.", "writeResults": True},
        ],
    }


_WELCOME = (
    "You will hear two restorations of the same noisy speech. Which would you rather listen to?"
)


def _rating_page(code: str) -> RatingPage:
    path = f"configs/resources/gensr_pref/{code}"
    return {
        "type": "likert_multi_stimulus",
        "id": code,
        "name": "Which is better?",
        "content": "Play both sounds and rate each: higher if you would rather listen to it.",
        "mustRate": True,
        "mustPlayback": "processUpdate",
        "stimuli": {button: f"{path}-{button}.wav" for button in ("a", "b")},
        "response": [{"value": str(n), "label": str(n)} for n in range(1, 6)],
    }
