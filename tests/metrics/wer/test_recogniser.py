"""Tests that recognisers are made by name."""

from gensr_pref.errors import ConfigError, UnknownPluginError
from gensr_pref.metrics.wer.pocketsphinx import Pocketsphinx
from gensr_pref.metrics.wer.recogniser import make_recogniser
from tests.refusals import raises


def test_a_recogniser_is_made_by_its_name():
    assert isinstance(make_recogniser("pocketsphinx"), Pocketsphinx)


def test_a_recogniser_is_made_by_module_and_class():
    theirs = make_recogniser(f"{__name__}:Parrot", model="polly")
    assert theirs.model == "polly"


class Parrot:
    def __init__(self, model):
        self.model = model

    def load(self, device): ...

    def transcribe(self, sounds, language, text=None): ...


def test_an_unknown_recogniser_is_named():
    with raises(UnknownPluginError, field="recogniser", value="pocketsphynx", problem="unknown"):
        make_recogniser("pocketsphynx")


def test_an_unknown_option_is_named():
    with raises(ConfigError, field="recogniser.model", value="model", problem="unknown"):
        make_recogniser("pocketsphinx", model="tiny.en")


def test_a_missing_module_is_named():
    with raises(
        UnknownPluginError, field="recogniser", value="no_such_module:Parrot", problem="unknown"
    ):
        make_recogniser("no_such_module:Parrot")
