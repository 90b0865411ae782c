"""Holds one listening test: its questions and sounds, and the check of each answer."""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib import resources
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from gensr_pref.auditing.listening import answers
from gensr_pref.auditing.listening.trials import Trial, equalise_levels, order_for_listener


class RequestError(Exception):
    """A refused request: the reply is a status and a sentence."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Question(TypedDict):
    """The next question of a listener, as the page receives it.

    Keys:
        done, total: numbers of questions answered, and of all.
        trial: code of the trial; null if all are answered.
        buttons: the buttons that have a sound; absent if there is no question.
    """

    done: int
    total: int
    trial: str | None
    buttons: NotRequired[list[str]]


@dataclass
class Session:
    """The listening test of a run.

    Attributes:
        out: the run directory.
        trials: the trials, not yet in a listener's order.
        sounds: encoded sounds by id.
        listener: the listener's name; None lets the page ask.
        token: secret that an answer must contain; another page cannot read it.
    """

    out: Path
    trials: list[Trial]
    sounds: dict[str, bytes]
    listener: str | None = None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def page(self) -> bytes:
        """Return the page, with the token and the listener's name in it."""
        text = resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
        known = json.dumps({"token": self.token, "listener": self.listener})
        return text.replace("{{ session }}", known.replace("<", "\\u003c")).encode()

    def next_question(self, listener: str) -> Question:
        """Return the listener's first question without an answer, and the number of questions."""
        done = self._answered_trials(listener)
        left = [t for t in order_for_listener(self.trials, listener) if t.key not in done]
        total = len(self.trials)
        if not left:
            return {"done": total, "total": total, "trial": None}
        buttons = [button for button, name in left[0].buttons.items() if name in self.sounds]
        return {
            "done": total - len(left),
            "total": total,
            "trial": left[0].code,
            "buttons": buttons,
        }

    def sound(self, listener: str, code: str, button: str) -> bytes:
        """Return one sound of a question as WAV, as loud as the question's other sounds."""
        buttons = self._trial(listener, code).buttons
        encoded = {key: self.sounds[name] for key, name in buttons.items() if name in self.sounds}
        if button not in encoded:
            raise RequestError(HTTPStatus.NOT_FOUND, "no such sound")
        return equalise_levels(encoded)[button]

    def vote(self, answer: Mapping[str, Any]) -> Question:
        """Save an answer and return the next question."""
        listener = answers.listener_name(str(answer.get("listener", "")))
        trial = self._trial(listener, str(answer.get("trial", "")))
        if answer.get("choice") not in answers.CHOICES:
            raise RequestError(HTTPStatus.BAD_REQUEST, f"choice must be one of {answers.CHOICES}")
        record = self._record(listener, trial, answer)
        with self.lock:
            if trial.key in self._answered_trials(listener):
                raise RequestError(HTTPStatus.CONFLICT, "this question has been answered already")
            answers.save_answer(self.out, record)
        return self.next_question(listener)

    def _answered_trials(self, listener: str) -> set[str]:
        return {answer["trial"] for answer in answers.read_answers(self.out, listener)}

    def _record(
        self, listener: str, trial: Trial, answer: Mapping[str, Any]
    ) -> answers.StoredAnswer:
        return {
            "listener": listener,
            "trial": trial.key,
            "kind": trial.kind,
            "clip_id": trial.clip_id,
            "chosen_id": trial.sounds[0],
            "rejected_id": trial.sounds[1],
            "a": trial.buttons["a"],
            "choice": answer["choice"],
            "preferred": trial.preference(answer["choice"]),
            "seconds": _seconds(answer),
            "time": round(time.time(), 3),
        }

    def _trial(self, listener: str, code: str) -> Trial:
        for trial in order_for_listener(self.trials, listener):
            if trial.code == code:
                return trial
        raise RequestError(HTTPStatus.NOT_FOUND, "no such question")


def _seconds(answer: Mapping[str, Any]) -> float | None:
    """Return the response time of an answer; Python's JSON reader accepts NaN and infinity."""
    seconds = answer.get("seconds")
    if seconds is None:
        return None
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds <= sys.float_info.max:
        raise RequestError(
            HTTPStatus.BAD_REQUEST, "seconds must be a finite number that is not negative, or null"
        )
    return round(float(seconds), 1)
