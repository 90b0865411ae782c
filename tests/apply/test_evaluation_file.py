"""Tests of the evaluation file and of the same fields on the command line."""

from pathlib import Path

import pytest

from gensr_pref.apply.evaluation_file import parse_generator, parse_words, policy_of
from gensr_pref.errors import ConfigError
from tests.refusals import raises


@pytest.mark.parametrize(
    ("word", "use", "name", "options"),
    [
        ("fm-tiny", "fm-tiny", None, {}),
        ("base=fm-tiny", "fm-tiny", "base", {}),
        ("dpo@2=fm-tiny:checkpoint=runs/a@2", "fm-tiny", "dpo@2", {"checkpoint": "runs/a@2"}),
        ("mine:Model", "mine:Model", None, {}),
        ("x=mine:Model:a=1,b=c:d", "mine:Model", "x", {"a": 1, "b": "c:d"}),
        ("fm-tiny:temperature=[0.2, 0.6],steps=4", "fm-tiny", None,
         {"temperature": [0.2, 0.6], "steps": 4}),
    ],
)  # fmt: skip
def test_a_generator_in_one_word(word, use, name, options):
    expected = {"use": use, "options": options, **({"name": name} if name else {})}
    assert parse_generator(word) == expected


@pytest.mark.parametrize("word", ["", "a=", "=a", "a=b=c", ":x=1"])
def test_a_word_of_another_form_is_refused(word):
    with raises(ConfigError, field="words", value=word, problem="invalid"):
        parse_generator(word)


def test_a_label_names_its_policy():
    assert [policy_of(label) for label in ("dpo@1", "dpo@x", "dpo", "@")] == [
        "dpo",
        "dpo",
        "dpo",
        "@",
    ]


def test_options_override_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "sub" / "evaluation.yaml"
    path.parent.mkdir()
    path.write_text("clips: a.csv\ngenerators: [{use: x}]\nsamples: 3\nseed: 2\n")
    options = dict.fromkeys(("clips", "limit", "samples", "base", "over", "seed", "control",
                             "hold_out", "panel", "workers", "device"))  # fmt: skip
    wanted, home = parse_words([str(path)], {**options, "samples": 5, "clips": "b.csv"})
    assert (wanted.samples, wanted.seed, home) == (5, 2, path.parent)
    assert Path(wanted.clips) == tmp_path / "b.csv"
