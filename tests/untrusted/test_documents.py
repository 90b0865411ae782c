"""Tests of untrusted documents: their cost is bounded before they are parsed."""

import json
import time

import pytest

from gensr_pref.config import run_file
from gensr_pref.errors import ConfigError
from gensr_pref.untrusted.documents import (
    DEEPEST,
    LARGEST_YAML,
    MOST_VALUES,
    parse_json,
    parse_yaml,
)
from tests.refusals import raises


def bomb(levels: int, width: int = 9) -> str:
    """A list of lists of ... of texts: width ** levels of them, in a few hundred bytes."""
    first = f"a0: &a0 [{','.join(['x'] * width)}]\n"
    rest = (f"a{k}: &a{k} [{','.join([f'*a{k - 1}'] * width)}]\n" for k in range(1, levels))
    return first + "".join(rest)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (bomb(12), f"more than {MOST_VALUES} values"),
        ("a: &a {x: &b [1]}\n" + "<<: *a\n" + "c: [*b, *a]\nd: &d [*d]\n", "contains itself"),
        ("[" * 5000 + "]" * 5000, f"more than {DEEPEST}"),
        ("".join(f"{' ' * k}a:\n" for k in range(200)), f"more than {DEEPEST}"),
        ("x" * (LARGEST_YAML + 1), "are allowed"),
        (f"[{'1,' * (MOST_VALUES + 1)}]", f"more than {MOST_VALUES}"),
        ("a: 1\na: 2", "appears twice"),
        ("a: !!python/object/apply:os.system [echo]", "could not determine a constructor"),
        ("a: !!python/name:os.system", "could not determine a constructor"),
        ("a: " + "9" * 5000, "4300 digits"),
        ("a: 2001-13-45", "month"),
        ("a: *nowhere", "undefined alias"),
        ("a: \x1b[2J", "special characters"),
    ],
)
def test_costly_or_executable_yaml_is_refused_at_once(text, words, tmp_path):
    began = time.process_time()
    with pytest.raises(ValueError, match=words):
        parse_yaml(text)
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    with raises(ConfigError, path="run.yaml", problem="invalid"):
        run_file.read_yaml(path)
    assert time.process_time() - began < 20  # 2 s on 2 shared cores; an unbounded one never ends


def test_usual_yaml_is_read():
    text = "base: &b {a: 1, b: [x, 2.5, null, true]}\nmore:\n  <<: *b\n  c: *b\n"
    base = {"a": 1, "b": ["x", 2.5, None, True]}
    assert parse_yaml(text) == {"base": base, "more": {**base, "c": base}}
    assert parse_yaml("") is None


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "NaN", '{"a": -Infinity}', "9" * 5000, "{", "\x00", b"\xff\xfe\xff"]
)
def test_invalid_json_is_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011
        parse_json(text)


def test_valid_json_is_read():
    held = {"a": [1, 2.5, None, "\u202e"]}
    assert parse_json(json.dumps(held)) == held
