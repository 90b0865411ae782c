"""Tests of options that are checked against the annotations of a constructor."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import numpy as np
import pytest

from gensr_pref.config import plugins
from gensr_pref.config.plugin_options import parameters, require_types
from gensr_pref.errors import ConfigError
from tests.refusals import raises

if TYPE_CHECKING:
    from nowhere import Unknown

Mode = Literal["wb", "nb"]


class Plain:
    def __init__(
        self,
        flag: bool = False,
        count: int = 1,
        level: float = 1.0,
        text: str = "",
        file: str | Path | None = None,
        mode: Mode | Sequence[Mode] = "wb",
        sloppy: float = None,  # type: ignore[assignment]  # noqa: RUF013
        pair: tuple[float, ...] = (0.0,),
        weights: Mapping[str, float] | None = None,
        switch: Literal[0, "off"] = 0,
        noted: Annotated[int, "at least 1"] = 1,
        old: Optional[int] = None,  # noqa: UP045
        each: Iterable[int] = (),
        call: Callable[[], None] | bool = False,
    ) -> None: ...


class Odd:
    def __init__(self, bare=1, anything: Any = 2, listed: [1] = 3, own: Plain = None) -> None: ...


class Unresolved:
    def __init__(self, flag: bool = False, other: Unknown = None) -> None: ...


@dataclass
class Record:
    flag: bool = False


def function(flag: bool = False) -> None: ...


def refusal(plugin, **options):
    with pytest.raises(ConfigError) as refused:
        require_types(plugin, options, "panel.0.options")
    return str(refused.value).removeprefix("panel.0.options.")


@pytest.mark.parametrize(
    "options",
    [
        {"flag": True},
        {"count": 3},
        {"count": np.int64(3)},
        {"level": 3},
        {"level": np.float32(0.5)},
        {"text": "maybe"},
        {"file": Path("a")},
        {"file": None},
        {"mode": "nb"},
        {"mode": ["wb", "nb"]},
        {"mode": ("wb",)},
        {"sloppy": None},
        {"pair": [1, 2.5]},
        {"pair": np.ones(2)},
        {"weights": {"a": 1}},
        {"switch": "off"},
        {"call": "name"},
        {"noted": 2},
        {"old": 2},
    ],
)
def test_values_of_the_annotated_type_pass(options):
    require_types(Plain, options, "x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flag": "maybe"}, "flag: write true or false, not 'maybe'"),
        ({"flag": 1}, "flag: write true or false, not 1"),
        ({"flag": None}, "flag: write true or false, not null"),
        ({"count": True}, "count: write a whole number, not true"),
        ({"count": 1.5}, "count: write a whole number, not 1.5"),
        ({"level": "loud"}, "level: write a number, not 'loud'"),
        ({"level": True}, "level: write a number, not true"),
        ({"text": False}, "text: write text (in quotes), not false"),
        ({"file": 3}, "file: write text (in quotes) or a path or null, not 3"),
        (
            {"mode": None},
            "mode: write 'wb' or 'nb' or a list in which each entry is 'wb' or 'nb', not null",
        ),
        (
            {"mode": ["wb", "x"]},
            "mode: write 'wb' or 'nb' or a list in which each entry is 'wb' or 'nb', not ['wb', ",
        ),
        ({"pair": "12"}, "pair: write a list in which each entry is a number, not '12'"),
        ({"weights": [1]}, "weights: write fields, as in {key: value} or null, not [1]"),
        ({"weights": {"a": "b"}}, "weights: write fields, as in {key: value} or null, not {'a'"),
        ({"switch": False}, "switch: write 0 or 'off', not false"),
        ({"noted": "1"}, "noted: write a whole number, not '1'"),
        ({"each": ["x"]}, "each: write a list in which each entry is a whole number, not ['x']"),
        ({"old": "1"}, "old: write a whole number or null, not '1'"),
    ],
)
def test_a_value_of_another_type_is_refused_with_what_to_write(options, message):
    assert refusal(Plain, **options).startswith(message)


@pytest.mark.parametrize("value", ["maybe", None, 3, [{}], object()])
def test_without_a_usable_annotation_every_value_passes(value):
    for option in parameters(Odd):
        require_types(Odd, {option: value}, "x")
    require_types(Unresolved, {"flag": value, "other": value}, "x")


@pytest.mark.parametrize("plugin", [Record, function, functools.partial(function)])
def test_everything_with_a_signature_is_checked(plugin):
    assert refusal(plugin, flag="maybe") == "flag: write true or false, not 'maybe'"


@pytest.mark.parametrize(
    ("metric", "option", "value"),
    [
        ("si_sdr", "align", "maybe"),
        ("stoi", "align", "maybe"),
        ("pesq", "align", 1),
        ("pesq", "mode", None),
        ("speechbertscore", "align", "maybe"),
        ("speechbertscore", "layer", True),
        ("speaker_similarity", "against", "text"),
        ("wer", "language", False),
    ],
)
def test_metrics_are_not_made_with_the_wrong_type(metric, option, value):
    with raises(ConfigError, field=f"panel.0.options.{option}", problem="invalid"):
        plugins.create("metric", metric, {option: value}, "panel.0.options")
