"""Messages for errors of the Hub and its client.

Their own messages are never shown: they may hold signed addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR
from typing import Any

from gensr_pref.errors import Problem, PublishError, parameter
from gensr_pref.weights.hub import missing_package

_QUOTA = ("storage", "quota", "exceed", "payment", "billing", "too large")


@contextmanager
def explain_errors(repository: str) -> Iterator[None]:
    """Raise errors of the Hub with messages of ours, and hide the client's notes on its retries.

    Raises:
        PublishError: in place of any exception of the client inside the block.
    """
    from huggingface_hub.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity(ERROR)
    try:
        yield
    except KeyboardInterrupt:
        raise
    except Exception as error:  # any exception of the HTTP library that the client uses
        raise _failure(repository, error) from None
    finally:
        logging.set_verbosity(level)


def _failure(name: str, error: BaseException) -> PublishError:
    status, words = find_answer(error)
    problem = Problem.OFFLINE if status is None else Problem.REFUSED
    if _lacks_room(status, words):
        problem = Problem.UNWRITABLE
    return PublishError(_why(name, error, status, words), path=name, value=status, problem=problem)


def _lacks_room(status: int | None, words: str) -> bool:
    return status in (402, 413, 507) or (status == 403 and any(word in words for word in _QUOTA))


def _why(name: str, error: BaseException, status: int | None, words: str) -> str:
    if lacking := missing_package(error):
        return f"the Hub cannot be asked: {lacking}"
    organisation = name.partition("/")[0]
    again = "The same command resumes"
    if _lacks_room(status, words):
        return (
            f"{organisation} has no room left on the Hub for this, or not for private "
            f"repositories. Make room, or push it with {parameter('public')}. {again}"
        )
    if status == 401:
        return (
            "the Hub does not take your token. Log in again with `hf auth login`, or set "
            "HF_TOKEN to a token with write access"
        )
    if status == 403:
        return (
            "your token may not write there: the name is another's, or the token is for "
            "reading only. Push to a name of your own, or log in with a token that may write to "
            f"{organisation}"
        )
    if status == 404:
        return f"there is no {organisation} on the Hub, or nothing there that you may write"
    if status in (409, 412):
        return f"somebody else is changing it at this moment. {again}"
    if status == 400:
        return (
            f"the Hub refuses what was sent (status 400); is the name or "
            f"{parameter('revision')} right?"
        )
    what = f"status {status}" if status else type(error).__name__
    return f"the Hub cannot be reached, or the connection failed ({what}). {again}"


def find_answer(error: BaseException | None) -> tuple[int | None, str]:
    """Return the status and the text (in lower case) of the Hub's answer behind an exception."""
    from huggingface_hub.errors import RepositoryNotFoundError

    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        response = getattr(error, "response", None)
        if response is not None:
            # The Hub answers 401 to those without a token.
            hidden = isinstance(error, RepositoryNotFoundError)
            status = 404 if hidden else int(response.status_code)
            return status, f"{error} {_words(response)}".lower()
        error = error.__cause__ or error.__context__
    return None, ""


def _words(response: Any) -> str:
    try:
        return str(response.text)
    except RuntimeError:  # a body that was streamed and not read
        return ""
