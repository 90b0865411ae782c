"""Tests of untrusted documents: their cost is bounded before they are parsed."""

import json
import time

import pytest

from gensr_pref.config import run_file
from gensr_pref.errors import ConfigError
from gensr_pref.untrusted.documents import DEEPEST, LARGEST_YAML, MOST_VALUES, json_of, yaml_of
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
        ("a: &a {x: &b [1]}\n" + "<<: *a\n" + "c: [*b, *a]\nd: &d [*d]\n", "holds itself"),
        ("[" * 5000 + "]" * 5000, f"more than {DEEPEST}"),
        ("".join(f"{' ' * k}a:\n" for k in range(200)), f"more than {DEEPEST}"),
        ("x" * (LARGEST_YAML + 1), "are the most"),
        (f"[{'1,' * (MOST_VALUES + 1)}]", f"more than {MOST_VALUES}"),
        ("a: 1\na: 2", "is there twice"),
        ("a: !!python/object/apply:os.system [echo]", "could not determine a constructor"),
        ("a: !!python/name:os.system", "could not determine a constructor"),
        ("a: " + "9" * 5000, "4300 digits"),
        ("a: 2001-13-45", "month"),
        ("a: *nowhere", "undefined alias"),
        ("a: \x1b[2J", "special characters"),
    ],
)
def test_what_costs_too_much_or_is_no_plain_data_is_refused_at_once(text, words, tmp_path):
    began = time.process_time()
    with pytest.raises(ValueError, match=words):
        yaml_of(text)
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    with raises(ConfigError, path="run.yaml", problem="invalid"):
        run_file.read_yaml(path)
    assert time.process_time() - began < 20  # 2 s on 2 shared cores; an unbounded one never ends


def test_yaml_as_people_write_it_is_read():
    text = "base: &b {a: 1, b: [x, 2.5, null, true]}\nmore:\n  <<: *b\n  c: *b\n"
    base = {"a": 1, "b": ["x", 2.5, None, True]}
    assert yaml_of(text) == {"base": base, "more": {**base, "c": base}}
    assert yaml_of("") is None


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "NaN", '{"a": -Infinity}', "9" * 5000, "{", "\x00", b"\xff\xfe\xff"]
)
def test_json_that_is_none_is_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011
        json_of(text)


def test_json_is_read():
    held = {"a": [1, 2.5, None, "\u202e"]}
    assert json_of(json.dumps(held)) == held
