"""The registry: entry points, ``module:Class``, and what it says of mistakes."""

import pytest

from gensr_pref import plugins
from gensr_pref.errors import ConfigError, UnknownPluginError


class Chatty:
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
    with pytest.raises(UnknownPluginError, match=r"no metric 'dnsmoss'.*pesq.*mean 'dnsmos'"):
        plugins.find("metric", "dnsmoss")


def test_class_beside_the_project():
    made = plugins.create("metric", f"{__name__}:Chatty", {"volume": 2}, "panel.0.options")
    assert made.volume == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module:Thing", "PYTHONPATH"),
        (f"{__name__}:NoSuchThing", "no attribute 'NoSuchThing'"),
        (":Thing", "cannot be imported"),
    ],
)
def test_class_that_is_not_there(name, words):
    with pytest.raises(UnknownPluginError, match=words):
        plugins.find("generator", name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"volum": 1}, r"panel\.0\.options\.volum: .*no such option.*volume"),
        ({"volume": -1}, "cannot be made with these options: volume must not be negative"),
        ({"volume": "loud"}, r"panel\.0\.options\.volume: write a number, not 'loud'"),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(ConfigError, match=words):
        plugins.create("metric", f"{__name__}:Chatty", options, "panel.0.options")


class Fileful:
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
