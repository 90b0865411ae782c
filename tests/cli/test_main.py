"""Tests of the commands as a user types them."""

import json
import sys
from pathlib import Path

import pytest

from gensr_pref import __version__, cli
from gensr_pref.cli.main import COMMANDS, main, parse
from gensr_pref.errors import RunMismatchError
from tests.commands import finish
from tests.refusals import refusal, refuses


def test_importing_and_asking_for_help_is_light():
    program = (
        "import sys, gensr_pref, gensr_pref.cli.main\n"
        "try: gensr_pref.cli.main.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'ray', 'datasets', 'librosa', 'pyarrow', 'numpy', 'matplotlib'}\n"
        "heavy = (heavy | {'jinja2'}) & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))"
    )
    assert finish([sys.executable, "-c", program]).endswith("HEAVY []\n")


def test_settings_may_stand_before_and_after_options(tmp_path):
    run = tmp_path / "run.yaml"
    run.write_text("name: x")
    arguments = ["build", str(run), "seed=1", "--out", str(tmp_path / "o"), "corpus.limit=8"]
    assert parse(arguments).overrides == ["seed=1", "corpus.limit=8"]


@pytest.mark.parametrize(
    "arguments",
    [["pair", "d", "--nosuch"], ["audit", "d", "e", "extra"], ["audit", "d", "e", "a=1"], []],
)
def test_unknown_arguments_are_refused(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_bad_run_file_exits_2_and_names_the_field(tmp_path):
    run = tmp_path / "run.yaml"
    run.write_text("name: x\ncorpus: {source: {kind: folder, path: x}, limt: 3}\n")
    error = refusal("build", run, "--out", tmp_path / "out")
    assert {(one.field, one.problem) for one in error.errors} >= {
        ("corpus.limt", "unknown"),
        ("generators", "missing"),
    }
    assert not (tmp_path / "out").exists()


def test_missing_run_directory_exits_2(tmp_path):
    refuses(["audit", tmp_path], RunMismatchError, path=tmp_path, problem="missing")


@pytest.mark.parametrize("command", ["metrics", "generators", "fetch"])
def test_catalogues_print_and_are_json(command, capsys):
    assert main([command]) == 0
    plain = capsys.readouterr().out
    assert main([command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    for row in rows:
        assert str(next(iter(row.values()))) in plain


def test_console_script_is_installed():
    script = Path(sys.executable).parent / "gensr-pref"
    assert finish([script, "--version"]).split() == ["gensr-pref", __version__]


def test_every_command_is_a_module_of_its_own_name():
    modules = {
        path.stem
        for path in Path(cli.__file__).parent.glob("*.py")
        if "def add_arguments(" in path.read_text(encoding="utf-8")
    }
    assert set(COMMANDS) == modules - {"main"}
    assert all(command.__name__ == f"gensr_pref.cli.{name}" for name, command in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert COMMANDS[name].HELP in " ".join(capsys.readouterr().out.split())
