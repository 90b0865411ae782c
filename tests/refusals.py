"""How a test expects an error: its class and its facts, whatever its message says."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gensr_pref.errors import GensrPrefError


@contextmanager
def raises(kind: type[GensrPrefError], **facts: Any) -> Iterator[pytest.ExceptionInfo[Any]]:
    """Expect an error of exactly this class, with these attributes.

    Args:
        kind: its class; one of a class below it is another error.
        facts: attributes of `GensrPrefError`. A `path` or `place` may be given by its end.
    """
    with pytest.raises(kind) as caught:
        yield caught
    error = caught.value
    assert type(error) is kind, repr(error)
    ends = {name: str(facts.pop(name)) for name in ("path", "place") if facts.get(name)}
    assert {name: getattr(error, name) for name in facts} == facts, str(error)
    for name, end in ends.items():
        full = str(getattr(error, name))
        assert full == end or full.endswith(f"/{end}"), f"{name} is {full!r}, not {end!r}"
