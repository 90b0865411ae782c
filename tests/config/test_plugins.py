"""Tests of the plugin registry: entry points, ``module:Class``, and error messages."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from gensr_pref.config import plugins
from gensr_pref.errors import ConfigError, UnknownPluginError
from tests.refusals import raises


class Mute:
    """A class with the methods of a metric."""

    def load(self, device): ...

    def score(self, clip): ...


class Chatty(Mute):
    """A plugin with options."""

    def __init__(self, volume: float = 1.0) -> None:
        if volume < 0:
            raise ValueError("volume must not be negative")
        self.volume = volume


def test_built_ins_come_through_entry_points():
    assert {"dnsmos", "speaker_similarity", "wer", "pesq", "stoi"} <= set(plugins.names("metric"))
    assert "fm-tiny" in plugins.names("generator")
    assert callable(plugins.find("rule", "unanimous"))


def test_an_unknown_name_is_refused():
    with raises(UnknownPluginError, value="dnsmoss", problem="unknown"):
        plugins.find("metric", "dnsmoss")


def test_a_class_of_the_users_own_is_made():
    made = plugins.create("metric", f"{__name__}:Chatty", {"volume": 2}, "panel.0.options")
    assert made.volume == 2


@pytest.mark.parametrize(
    ("name", "problem", "cause"),
    [
        ("no_such_module:Thing", "unknown", ModuleNotFoundError),
        (f"{__name__}:NoSuchThing", "failed", AttributeError),
        (":Thing", "failed", ValueError),
    ],
)
def test_a_class_that_does_not_exist_is_refused(name, problem, cause):
    with raises(UnknownPluginError, value=name, problem=problem) as caught:
        plugins.find("generator", name)
    assert type(caught.value.__cause__) is cause


@pytest.mark.parametrize(
    ("options", "field", "value", "problem"),
    [
        ({"volum": 1}, "panel.0.options.volum", "volum", "unknown"),
        ({"volume": -1}, "panel.0.options", f"{__name__}:Chatty", "failed"),
        ({"volume": "loud"}, "panel.0.options.volume", "loud", "invalid"),
    ],
)
def test_options_are_checked(options, field, value, problem):
    with raises(ConfigError, field=field, value=value, problem=problem):
        plugins.create("metric", f"{__name__}:Chatty", options, "panel.0.options")


def test_a_constructor_that_refuses_says_why():
    with raises(ConfigError, field="panel.0.options", problem="failed") as caught:
        plugins.create("metric", f"{__name__}:Chatty", {"volume": -1}, "panel.0.options")
    assert str(caught.value.__cause__) in str(caught.value)


class Fileful(Mute):
    paths = ("checkpoint", "other")

    def __init__(self, checkpoint="", other=None, text="a.pt"):
        self.options = checkpoint, other, text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"checkpoint": "a.pt", "text": "a.pt"}, ("{base}/a.pt", None, "a.pt")),
        ({"checkpoint": "b.pt", "other": 3}, ("b.pt", 3, "a.pt")),
        ({"checkpoint": "/a.pt", "other": ""}, ("/a.pt", "", "a.pt")),
    ],
)
def test_options_that_name_files_are_relative_to_the_run_file(tmp_path, options, expected):
    (tmp_path / "a.pt").touch()
    made = plugins.create("metric", f"{__name__}:Fileful", options, "panel.0.options", tmp_path)
    assert made.options == tuple(
        value.format(base=tmp_path) if isinstance(value, str) else value for value in expected
    )
    assert (
        plugins.create("metric", f"{__name__}:Fileful", options, "x").options[0]
        == options["checkpoint"]
    )


@pytest.mark.parametrize(
    ("kind", "name", "methods"),
    [
        ("generator", "os:system", None),
        ("generator", "os:environ", None),
        ("generator", "subprocess:Popen", ("load",)),
        ("metric", "subprocess:Popen", ("load",)),
        ("metric", "gensr_pref.generators.tiny.fm_tiny:FlowMatchingTiny", ("score",)),
        ("generator", "gensr_pref.metrics.stoi:Stoi", ("sample", "candidates_of")),
        ("recogniser", "subprocess:Popen", ("load",)),
        ("speaker encoder", "os:system", None),
        ("rule", "os:system", None),
        ("rule", "subprocess:call", None),  # it takes any arguments
        ("rule", "pathlib:Path", None),
        ("rule", "os:getcwd", None),
        ("rule", "shutil:disk_usage", None),
    ],
)
def test_an_object_of_another_kind_is_never_called(kind, name, methods, monkeypatch):
    for module, attribute in ("os", "system"), ("subprocess", "Popen"), ("subprocess", "call"):
        real = getattr(__import__(module), attribute)
        if not isinstance(real, type):
            monkeypatch.setattr(f"{module}.{attribute}", _never(real))
    wrong = {"value": name, "problem": "invalid"}
    lacks = {"value": methods, "problem": "missing"}
    with raises(ConfigError, field="use", **(lacks if methods else wrong)):
        plugins.create(kind, name, {}, "use.options")


def _never(real):
    def called(*_, **__):
        raise AssertionError(f"{real} was called")

    return called


def test_a_folder_is_on_the_path_once_a_name_has_a_module(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.setattr(plugins, "_searched", {})
    (tmp_path / "beside_the_run_file.py").write_text("def rule(ballot, pairing): return []\n")
    plugins.search(tmp_path)
    plugins.find("rule", "unanimous")
    assert tmp_path not in map(Path, sys.path)
    assert callable(plugins.find("rule", "beside_the_run_file:rule"))
    assert Path(sys.path[-1]) == tmp_path


@pytest.mark.parametrize(
    ("option", "foreign"),
    [
        ("whisper", False),
        ("en", False),
        ({"recogniser": "pocketsphinx", "beam": [1, 2.5, None, True]}, False),
        ("mine:Recogniser", True),
        ({"a": [{"b": "os:system"}]}, True),
    ],
)
def test_names_of_code_are_found_in_options(option, foreign):
    assert plugins.names_code(option) is foreign


def test_a_plugin_of_another_package_is_not_built_in(monkeypatch):
    point = EntryPoint("theirs", "theirs:Rule", "gensr_pref.rules")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
    assert plugins.built_in("rule") == set()
    assert plugins.names_code("theirs")
