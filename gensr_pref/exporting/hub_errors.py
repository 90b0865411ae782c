"""Messages for errors of the Hub and its client.

Their own messages are never shown, because they may contain signed addresses.
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
    """Replace the client's exceptions inside the block, and hide its notes on retries.

    Raises:
        PublishError: the client raised any exception.
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
    status, answer = find_answer(error)
    problem = Problem.OFFLINE if status is None else Problem.REFUSED
    if _lacks_room(status, answer):
        problem = Problem.UNWRITABLE
    return PublishError(_why(name, error, status, answer), path=name, value=status, problem=problem)


def _lacks_room(status: int | None, answer: str) -> bool:
    return status in (402, 413, 507) or (status == 403 and any(word in answer for word in _QUOTA))


def _why(name: str, error: BaseException, status: int | None, answer: str) -> str:
    if lacking := missing_package(error):
        return f"the Hub cannot be asked: {lacking}"
    organisation = name.partition("/")[0]
    again = "The same command resumes"
    if _lacks_room(status, answer):
        return (
            f"{organisation} has no room left on the Hub, or none for private repositories. "
            f"Make room, or push with {parameter('public')}. {again}"
        )
    if status == 401:
        return (
            "the Hub does not accept your token. Log in again with `hf auth login`, or set "
            "HF_TOKEN to a token with write access"
        )
    if status == 403:
        return (
            "your token has no write access: the name belongs to somebody else, or the token is "
            "read-only. Push to a name of your own, or log in with a token that may write to "
            f"{organisation}"
        )
    if status == 404:
        return f"the Hub has no {organisation}, or you have no write access to it"
    if status in (409, 412):
        return f"somebody else is changing the repository at the moment. {again}"
    if status == 400:
        return (
            f"the Hub refuses the request (status 400). Check the name and {parameter('revision')}"
        )
    cause = f"status {status}" if status else type(error).__name__
    return f"the Hub cannot be reached, or the connection failed ({cause}). {again}"


def find_answer(error: BaseException | None) -> tuple[int | None, str]:
    """Return the status and the text (in lower case) of the Hub's answer behind an exception."""
    from huggingface_hub.errors import RepositoryNotFoundError

    visited: set[int] = set()
    while error is not None and id(error) not in visited:
        visited.add(id(error))
        response = getattr(error, "response", None)
        if response is not None:
            # Without a token, the Hub answers 401 for a repository that does not exist.
            missing = isinstance(error, RepositoryNotFoundError)
            status = 404 if missing else int(response.status_code)
            return status, f"{error} {_body(response)}".lower()
        error = error.__cause__ or error.__context__
    return None, ""


def _body(response: Any) -> str:
    try:
        return str(response.text)
    except RuntimeError:  # the body was streamed and not read
        return ""
