"""How a test expects an error: its class and its facts, whatever its message says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gensr_pref.cli.main import main
from gensr_pref.errors import GensrPrefError, InputError


@contextmanager
def raises(kind: type[GensrPrefError], **facts: Any) -> Iterator[pytest.ExceptionInfo[Any]]:
    """Expect an error of exactly this class, with these attributes.

    Args:
        kind: its class; one of a class below it is another error.
        facts: attributes of `GensrPrefError`. A `path` or `place` may be given by its end.
    """
    with pytest.raises(kind) as caught:
        yield caught
    require_facts(caught.value, kind, **facts)


def require_facts(error: GensrPrefError, kind: type[GensrPrefError], **facts: Any) -> None:
    """Fail unless an error is of exactly this class and has these attributes."""
    assert type(error) is kind, repr(error)
    ends = {name: str(facts.pop(name)) for name in ("path", "place") if facts.get(name)}
    assert {name: getattr(error, name) for name in facts} == facts, str(error)
    for name, end in ends.items():
        full = str(getattr(error, name))
        assert full == end or full.endswith(f"/{end}"), f"{name} is {full!r}, not {end!r}"


def refuses_option(make: Callable[..., object], option: str, **options: Any) -> None:
    """Expect a constructor to refuse options with a ValueError that names the wrong one."""
    with pytest.raises(ValueError, match=rf"\b{option}\b"):
        make(**options)


def refusal(*words: object) -> GensrPrefError:
    """Run a command that ends in an error, and return what it showed on standard error."""
    shown: list[GensrPrefError] = []
    real = GensrPrefError.render

    def show(error: GensrPrefError, words: dict[str, str]) -> str:
        shown.append(error)
        return real(error, words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GensrPrefError, "render", show)
        status = main([str(word) for word in words])
    [error] = shown
    assert status == (2 if isinstance(error, InputError) else 1)
    return error


def refuses(words: list[object] | list[str], kind: type[GensrPrefError], **facts: Any) -> None:
    """Expect a command to end in an error of this class, with these attributes."""
    require_facts(refusal(*words), kind, **facts)


def require_length(error: GensrPrefError, longest: int, shortest: int = 0) -> None:
    """Fail unless the message of an error has a length within bounds, in characters."""
    assert shortest < len(str(error)) < longest


def require_absent(error: GensrPrefError, *secrets: str) -> None:
    """Fail if an error, or an error that a traceback would show with it, holds any of these."""
    texts = [error.render({}), repr(vars(error)), *map(str, _shown_chain(error))]
    assert not [secret for secret in secrets if any(secret in text for text in texts)]


def _shown_chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, then its causes as far as Python prints them."""
    while error is not None:
        yield error
        hidden = error.__suppress_context__ and error.__cause__ is None
        error = None if hidden else error.__cause__ or error.__context__
