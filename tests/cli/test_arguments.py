"""Tests of the arguments that commands share."""

import argparse

import pytest

from gensr_pref.cli.arguments import HelpFormatter, flags, megabytes
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


def test_help_shows_the_default_of_each_option_that_has_one():
    parser = argparse.ArgumentParser(formatter_class=HelpFormatter)
    parser.add_argument("--seed", default=7, help="number")
    parser.add_argument("--name", help="text")
    parser.add_argument("--allow", action="append", default=[], help="list")
    parser.add_argument("--open", action="store_true", help="switch")
    lines = parser.format_help().splitlines()
    assert {line.split()[-1] for line in lines[-4:]} == {"7", "text", "list", "switch"}


@pytest.mark.parametrize("text", ["", "4e2", "x"])
def test_megabytes_are_whole_numbers(text):
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--size", type=megabytes)
    assert parser.parse_args(["--size", "400"]).size == 400_000_000
    with pytest.raises(argparse.ArgumentError):
        parser.parse_args([f"--size={text}"])
