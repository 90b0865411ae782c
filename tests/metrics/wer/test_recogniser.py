"""Tests of recognisers by name."""

import pytest

from gensr_pref.errors import ConfigError, UnknownPluginError
from gensr_pref.metrics.wer.pocketsphinx import Pocketsphinx
from gensr_pref.metrics.wer.recogniser import make_recogniser


def test_by_name():
    assert isinstance(make_recogniser("pocketsphinx"), Pocketsphinx)


def test_by_module_and_class():
    theirs = make_recogniser(f"{__name__}:Parrot", model="polly")
    assert theirs.model == "polly"


class Parrot:
    def __init__(self, model):
        self.model = model

    def load(self, device): ...

    def transcribe(self, sounds, language, text=None): ...


def test_an_unknown_recogniser_is_named():
    with pytest.raises(UnknownPluginError, match=r"Known: .*Did you mean 'pocketsphinx'"):
        make_recogniser("pocketsphynx")


def test_an_option_it_does_not_take_is_named():
    with pytest.raises(ConfigError, match=r"recogniser.model: .* has no such option"):
        make_recogniser("pocketsphinx", model="tiny.en")


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(UnknownPluginError, match="no recogniser 'no_such_module:Parrot'"):
        make_recogniser("no_such_module:Parrot")
