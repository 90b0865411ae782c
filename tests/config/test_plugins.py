"""Tests of the plugin registry: entry points, ``module:Class``, and error messages."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from gensr_pref.config import plugins
from gensr_pref.errors import ConfigError, UnknownPluginError
from tests.refusals import raises


class Mute:
    """All that is looked at in a metric's class."""

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


def test_unknown_name_lists_known_and_nearest():
    with raises(UnknownPluginError, value="dnsmoss", problem="unknown"):
        plugins.find("metric", "dnsmoss")


def test_class_beside_the_project():
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
def test_class_that_is_not_there(name, problem, cause):
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
        self.told = checkpoint, other, text


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"checkpoint": "a.pt", "text": "a.pt"}, ("{base}/a.pt", None, "a.pt")),
        ({"checkpoint": "b.pt", "other": 3}, ("b.pt", 3, "a.pt")),
        ({"checkpoint": "/a.pt", "other": ""}, ("/a.pt", "", "a.pt")),
    ],
)
def test_options_that_name_files_are_relative_to_the_run_file(tmp_path, options, told):
    (tmp_path / "a.pt").touch()
    made = plugins.create("metric", f"{__name__}:Fileful", options, "panel.0.options", tmp_path)
    assert made.told == tuple(
        value.format(base=tmp_path) if isinstance(value, str) else value for value in told
    )
    assert (
        plugins.create("metric", f"{__name__}:Fileful", options, "x").told[0]
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
def test_what_is_no_plugin_of_the_kind_is_never_called(kind, name, methods, monkeypatch):
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


def test_a_folder_is_on_the_path_from_the_first_name_of_a_module_on(tmp_path, monkeypatch):
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
def test_options_that_name_code(option, foreign):
    assert plugins.names_code(option) is foreign


def test_a_plugin_of_another_package_is_not_built_in(monkeypatch):
    point = EntryPoint("theirs", "theirs:Rule", "gensr_pref.rules")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
    assert plugins.built_in("rule") == set()
    assert plugins.names_code("theirs")
