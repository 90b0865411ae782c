"""The one reader of YAML and JSON: bounds the cost of a document before it builds the values.

A YAML document of a few hundred bytes may expand to billions of values, through aliases of aliases.
So its values are counted as if each alias were written out.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import yaml

LARGEST_YAML = 2**20  # bytes; a run file of a hundred metrics has 30 kB
MOST_VALUES = 30_000  # with aliases expanded; a run file of a hundred metrics has 2000
LONGEST_NUMBER = 300  # digits; a longer number exceeds a float
DEEPEST = 64  # levels of nesting


def parse_yaml(text: str) -> Any:
    """Parse a YAML document: plain values only, no duplicate key in a mapping.

    Raises:
        ValueError: the text is not YAML, or exceeds `LARGEST_YAML`, `MOST_VALUES` or `DEEPEST`.
    """
    if len(text) > LARGEST_YAML:
        raise ValueError(f"holds {len(text)} characters; at most {LARGEST_YAML} are allowed")
    try:
        return yaml.load(text, _Bounded)  # a SafeLoader: it creates no objects
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except (RecursionError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def parse_json(text: str | bytes) -> Any:
    """Parse a JSON document; its numbers must be finite.

    Raises:
        ValueError: the text is not JSON, or nested too deeply for Python.
    """
    try:
        return _JSON.decode(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("values are nested too deeply") from error


def _number(digits: str) -> float:
    """Parse a number; refuse 1e999, which Python would read as infinity."""
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


def _integer(digits: str) -> int:
    """Parse an integer; refuse one beyond the range of a float, which no build writes."""
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"a number has {len(digits)} digits; at most {LONGEST_NUMBER} are allowed")
    return int(digits)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_JSON = json.JSONDecoder(parse_constant=_refuse, parse_float=_number, parse_int=_integer)


class _Bounded(yaml.SafeLoader):
    """A loader that refuses duplicate keys and bounds the size of the document while it reads."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = self._depth = 0
        self._size: dict[int, int] = {}  # by id of the node: the number of values in it

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node and count it; count the node of an alias again, with everything in it."""
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._size:
                raise yaml.YAMLError(f"a value contains itself{mark}")
            self._count(self._size[id(node)], mark)
            return node
        before = self._values
        self._depth += 1
        self._count(1, mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._size[id(node)] = self._values - before
        return node

    def _count(self, values: int, mark: yaml.Mark) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            raise yaml.YAMLError(f"expands to more than {MOST_VALUES} values{mark}")
        if self._depth > DEEPEST:
            raise yaml.YAMLError(f"has more than {DEEPEST} levels of nesting{mark}")

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of a node; refuse a duplicate key."""
        keys = Counter(key.value for key, _ in node.value if isinstance(key.value, str))
        twice = sorted(key for key, count in keys.items() if count > 1)
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {twice[0]!r} appears twice", node.start_mark
            )
        return super().construct_mapping(node, deep)
