"""Tests of errors: the library names parameters, and the command line translates them to flags."""

import ast
import pickle
import re
import shlex
from pathlib import Path

import pytest

import gensr_pref
from gensr_pref.apply.pilot import plan
from gensr_pref.apply.restore import restore
from gensr_pref.apply.score import engine_for, score
from gensr_pref.cli.arguments import flags
from gensr_pref.cli.main import main, parse
from gensr_pref.config.run_file import GeneratorUse
from gensr_pref.errors import (
    ConfigError,
    Fault,
    GensrPrefError,
    InputError,
    Message,
    PartFault,
    PartsError,
    Problem,
    SourceError,
    StorageError,
    Unusable,
    command_line,
    parameter,
    quantity,
)
from gensr_pref.schema import Reason
from gensr_pref.weights import fetch, hub

SOURCE = Path(gensr_pref.__file__).parent
FLAG = re.compile(r"(?<![\w-])(?<!var\()--[a-z][a-z-]+")
OTHERS = {  # words with two dashes that are no flags of this project's commands
    "generators/subprocess_run.py",  # setpriv's
    "sample/make_sample.py",  # a script of its own
}


def test_a_parameter_has_its_own_name_and_the_words_of_a_caller():
    error = InputError(f"{parameter('out')}: there already; name another {parameter('out')}")
    assert str(error) == "out: there already; name another out"
    assert error.render({"out": "OUT"}) == "OUT: there already; name another OUT"
    assert error.render({"other": "--other"}) == str(error)
    assert error.parameters == ("out", "out")


def test_a_word_may_stand_for_a_field_below_a_parameter():
    flags = {"generator": "--generator", "generator.options": "--option"}
    for below, shown in {
        ".options.steps": "--option steps",
        ".options.steps.0": "--option steps.0",
        ".options": "--option",
        ".name": "--generator.name",
        ".": "--generator.",
    }.items():
        assert Message(f"{parameter('generator')}{below}").render(flags) == shown


def test_marked_parameters_survive_pickling():
    error = pickle.loads(pickle.dumps(SourceError(f"{parameter('texts')}: no")))
    assert error.render({"texts": "--texts"}) == "--texts: no"
    line = pickle.loads(pickle.dumps(Message(f"{parameter('noisy')}: no")))
    assert (str(line), line.render({"noisy": "--noisy"})) == ("noisy: no", "--noisy: no")


def test_an_error_begins_with_its_field_and_ends_with_what_is_known():
    error = ConfigError("no metric 'x'.", field="panel.0", value="x", known=["b", "a"])
    assert str(error) == "panel.0: no metric 'x'. Known: a, b."
    assert (error.field, error.value, error.known) == ("panel.0", "x", ("a", "b"))
    assert error.problem is Problem.UNKNOWN
    error = StorageError("is gone", path=Path("runs/a"), problem=Problem.MISSING)
    assert (str(error), error.path, error.field) == ("runs/a: is gone", "runs/a", None)
    error = InputError("there", field=parameter("out"), path="a", value=1)
    assert (str(error), error.field, error.path) == ("out: there", "out", "a")
    assert error.render({"out": "--out"}) == "--out: there"


def test_a_field_may_name_a_place_below_it():
    error = SourceError("no 'clip'", field=f"{parameter('texts')}: a.csv, line 3", value="clip")
    assert (error.field, error.place) == ("texts", "a.csv, line 3")
    assert error.render({"texts": "--texts"}) == "--texts: a.csv, line 3: no 'clip'"


def test_an_error_within_another_field_keeps_its_facts():
    error = ConfigError("must be 1", field="level", value=2, problem=Problem.INVALID)
    outer = error.within("generators.0.options")
    assert (outer.field, outer.value) == ("generators.0.options.level", 2)
    assert (type(outer), outer.problem) == (ConfigError, Problem.INVALID)
    assert str(outer) == "generators.0.options: level: must be 1"
    assert InputError("no").within("panel.0").field == "panel.0"
    assert error.field == "level"


def _classes(kind):
    return [kind, *(one for below in kind.__subclasses__() for one in _classes(below))]


@pytest.mark.parametrize("kind", _classes(GensrPrefError))
def test_every_error_survives_pickling(kind):
    error = {
        Unusable: lambda: Unusable(Reason.SILENT, "no sound"),
        PartsError: lambda: PartsError("no", (PartFault("a", Fault.MISSING),), "runs/a"),
        fetch.PartlyFetchedError: lambda: fetch.PartlyFetchedError([], {"a": InputError("no")}),
    }.get(kind, lambda: kind("no.", field="a", value=[1], known=["b"], path="c"))()
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert copy.render({"a": "-a"}) == error.render({"a": "-a"})
    facts = {name: value for name, value in vars(error).items() if name != "failed"}
    assert {name: vars(copy)[name] for name in facts} == facts


def _texts(tree):
    """The strings of a module that are no docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if text and id(node) not in docstrings:
            yield node.lineno, node.value


def test_no_flag_is_written_in_a_string_below_the_command_line():
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {text}"
        for path in sorted(SOURCE.rglob("*.py"))
        if SOURCE / "cli" not in path.parents and path.relative_to(SOURCE).as_posix() not in OTHERS
        for line, text in _texts(ast.parse(path.read_text(encoding="utf-8")))
        if FLAG.search(text) and "gensr-pref " not in text  # a whole command is one to type
    ]
    assert found == []


@pytest.fixture
def wav(tmp_path):
    import numpy as np
    import soundfile

    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.wav", rng.normal(0, 0.1, 16000), 16000)
    return tmp_path / "a.wav"


def _refusals(wav, out):
    """A call, the parameter its error names, the same on the command line, and its flag there."""
    serial = engine_for("1", "cpu")
    hiss = GeneratorUse(use="fm-tiny")
    return {
        "out": (
            lambda: score(wav, out, "pesq", engine=serial),
            ["score", str(wav), "--out", str(out)],
            "--out",
        ),
        "reference": (
            lambda: score(wav, out.with_suffix(".csv"), reference=wav.parent / "no", engine=serial),
            ["score", str(wav), "--out", f"{out}.csv", "--reference", str(wav.parent / "no")],
            "--reference",
        ),
        "workers": (
            lambda: engine_for("none", "cpu"),
            ["score", str(wav), "--out", f"{out}.csv", "--workers", "none"],
            "--workers",
        ),
        "by": (
            lambda: restore(wav, out.with_suffix(".wav"), hiss, by="pesq_wb"),
            ["restore", str(wav), f"{out}.wav", "--generator", "fm-tiny", "--by", "pesq_wb"],
            "--best-of",
        ),
        "source": (
            lambda: restore(wav.parent / "no", out, hiss),
            ["restore", str(wav.parent / "no"), str(out), "--generator", "fm-tiny"],
            "IN:",
        ),
        "sha256": (
            lambda: fetch.fetch(["utmos"], "no"),
            ["fetch", "utmos", "--sha256", "no"],
            "--sha256",
        ),
    }


@pytest.mark.parametrize("name", ["out", "reference", "workers", "by", "source", "sha256"])
def test_calls_name_parameters_and_commands_name_flags(name, wav, tmp_path, capsys):
    call, words, flag = _refusals(wav, tmp_path / "out.table")[name]
    with pytest.raises(GensrPrefError) as refused:
        call()
    assert name in refused.value.parameters
    assert not FLAG.search(str(refused.value))
    assert main(words) == 2
    assert flag in capsys.readouterr().err


def test_every_flag_is_known_by_the_name_of_its_parameter():
    for words in (["export", "a", "b"], ["plan", "a"], ["restore", "a", "b", "--generator", "c"]):
        known = flags(parse(words))
        assert "None" not in known.values()
    assert flags(parse(["export", "a", "b"]))["repository"] == "--push-to-hub"
    assert plan.__code__.co_varnames[3] in flags(parse(["plan", "a"]))


@pytest.mark.parametrize(
    ("count", "noun", "words"),
    [
        (0, "clip", "0 clips"), (1, "process", "1 process"), (2, "process", "2 processes"),
        (3, "entry", "3 entries"), (2, "day", "2 days"), (0.5, "spread", "0.5 spreads"),
        (12000, "restored candidate", "12000 restored candidates"),
    ],
)  # fmt: skip
def test_a_number_and_its_noun_agree(count, noun, words):
    assert quantity(count, noun) == words


def test_printed_commands_can_be_pasted(tmp_path):
    words = ["gensr-pref", "pair", str(tmp_path / "it's my run")]
    assert shlex.split(command_line(*words)) == words


def test_what_the_hubs_client_lacks_is_shown_and_nothing_else():
    lack = "Using SOCKS proxy, but the 'socksio' package is not installed."
    error = RuntimeError("https://user:secret@host")
    error.__cause__ = ImportError(lack)
    assert hub.missing_package(error) == lack
    assert hub.missing_package(ImportError("https://user:secret@host")) is None
    assert hub.missing_package(OSError("refused")) is None
