"""Tests of signals: they stop a command, even if its exception is swallowed, with a message."""

import signal
from pathlib import Path

import pytest

from gensr_pref import cli, interruption, sample
from gensr_pref.align import pretrain
from gensr_pref.config import GeneratorUse
from gensr_pref.engine import catalogue
from gensr_pref.engine.restore import Wanted, restore

from .align.test_pretrain import recipe
from .conftest import DroppedSignal

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@BOTH
def test_signal_is_raised_at_once_and_noted_where_that_is_dropped(number):
    with pytest.raises(KeyboardInterrupt), interruption.heeded():
        signal.raise_signal(number)
    interruption.check()
    with interruption.heeded():
        DroppedSignal.sent(number)
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
    interruption.check()


@BOTH
def test_signal_after_a_command_does_not_stop_the_next_one(number):
    with interruption.heeded():
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    interruption.check()


def test_ignored_ctrl_c_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruption.heeded(), interruption.deferred():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_deferred_ctrl_c_stops_what_comes_after():
    done = []

    def work():
        with interruption.deferred():
            signal.raise_signal(signal.SIGINT)
            done.append("the block")
        done.append("what comes after")

    with pytest.raises(KeyboardInterrupt), interruption.heeded():
        work()
    assert done == ["the block"]


def test_training_stops(tmp_path):
    with interruption.heeded():
        DroppedSignal.sent(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            pretrain.pretrain(recipe(steps=1), Path(), tmp_path)


def test_restoring_stops(tmp_path):
    source = sorted((sample.FOLDER / "speech").glob("*.flac"))[0]
    with interruption.heeded():
        DroppedSignal.sent(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            restore(source, tmp_path / "out.wav", Wanted(GeneratorUse(use="fm-tiny", candidates=1)))
    assert not (tmp_path / "out.wav").exists()


def test_command_that_keeps_nothing_does_not_say_that_it_does(monkeypatch, capsys):
    monkeypatch.setattr(catalogue, "metrics", lambda: signal.raise_signal(signal.SIGINT))
    assert cli.main(["metrics"]) == 1
    assert capsys.readouterr().err == "gensr-pref: interrupted.\n"
