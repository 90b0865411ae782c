"""Tests of the arguments that commands share."""

import argparse

import pytest

from gensr_pref.cli.arguments import flags, megabytes
from gensr_pref.cli.main import COMMANDS, parse

CALLS = {
    "build": ["r.yaml", "--out", "o"], "status": ["d"], "plan": ["r.yaml"], "pair": ["d"],
    "audit": ["d"], "listen": ["d"], "export": ["d", "o"], "score": ["d", "--out", "o.csv"],
    "evaluate": ["g", "--out", "o"], "restore": ["a", "b", "--generator", "g"],
    "train": ["t.yaml", "--out", "o"],
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_parameter_has_a_flag_or_a_metavar(name):
    options = parse([name, *CALLS.get(name, [])])
    assert options.command is COMMANDS[name]
    known = flags(options)
    assert "None" not in known.values()
    assert set(vars(options)) - {"command", "parser"} <= set(known) | {"overrides"}


def test_a_flag_is_known_by_the_name_of_its_parameter():
    known = flags(parse(["export", "a", "b"]))
    assert known["repository"] == "--push-to-hub"
    assert known["out"] == "OUT"


@pytest.mark.parametrize("text", ["", "4e2", "x"])
def test_megabytes_are_whole_numbers(text):
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--size", type=megabytes)
    assert parser.parse_args(["--size", "400"]).size == 400_000_000
    with pytest.raises(argparse.ArgumentError):
        parser.parse_args([f"--size={text}"])
