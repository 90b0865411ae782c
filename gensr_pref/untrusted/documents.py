"""The one reader of YAML and of JSON: what a document can cost is bounded before it is built.

A YAML document of a few hundred bytes may stand for billions of values, by aliases of aliases; so
its values are counted as they would be if each alias were written out.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import yaml

LARGEST_YAML = 2**20  # bytes; a run file of a hundred metrics has 30 kB
MOST_VALUES = 30_000  # aliases written out; a run file of a hundred metrics has 2000
LONGEST_NUMBER = 300  # digits; what has more is no float any more
DEEPEST = 64  # values within values


def yaml_of(text: str) -> Any:
    """What a YAML document holds: plain values only, no key twice in a mapping.

    Raises:
        ValueError: it is not YAML, or beyond `LARGEST_YAML`, `MOST_VALUES` or `DEEPEST`.
    """
    if len(text) > LARGEST_YAML:
        raise ValueError(f"holds {len(text)} characters; {LARGEST_YAML} are the most")
    try:
        return yaml.load(text, _Bounded)  # a SafeLoader: it makes no objects
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except (RecursionError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def json_of(text: str | bytes) -> Any:
    """What a JSON document holds; numbers are finite.

    Raises:
        ValueError: it is not JSON, or nested beyond what Python can follow.
    """
    try:
        return _JSON.decode(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("values lie within values too deeply") from error


def _number(digits: str) -> float:
    """A number; Python would take 1e999 for infinity."""
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


def _whole(digits: str) -> int:
    """A whole number; one that is beyond what a float holds is in no file of a build."""
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits)} digits; {LONGEST_NUMBER} are the most")
    return int(digits)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_JSON = json.JSONDecoder(parse_constant=_refuse, parse_float=_number, parse_int=_whole)


class _Bounded(yaml.SafeLoader):
    """YAML in which no key is there twice, and whose size is bounded as it is read."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = self._depth = 0
        self._size: dict[int, int] = {}  # by id of the node: the values in it

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """A node, counted; one that an alias names is counted again with all that is in it."""
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._size:
                raise yaml.YAMLError(f"a value holds itself{mark}")
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
            raise yaml.YAMLError(f"stands for more than {MOST_VALUES} values{mark}")
        if self._depth > DEEPEST:
            raise yaml.YAMLError(f"has more than {DEEPEST} values within each other{mark}")

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping of a node."""
        keys = Counter(key.value for key, _ in node.value if isinstance(key.value, str))
        twice = sorted(key for key, count in keys.items() if count > 1)
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"{twice[0]!r} is there twice", node.start_mark
            )
        return super().construct_mapping(node, deep)
