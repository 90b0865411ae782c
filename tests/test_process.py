"""Tests of signals: they stop a command, even if its exception is swallowed, with a message."""

import signal
from pathlib import Path

import pytest

from gensr_pref import process, sample
from gensr_pref.aligning.pretrain import train
from gensr_pref.apply import catalogue
from gensr_pref.apply.restore import restore
from gensr_pref.cli.main import main
from tests.aligning.pretrain.test_train import recipe
from tests.conftest import DroppedSignal

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@BOTH
def test_signal_is_raised_at_once_and_noted_where_that_is_dropped(number):
    with pytest.raises(KeyboardInterrupt), process.heeded():
        signal.raise_signal(number)
    process.check()
    with process.heeded():
        DroppedSignal.sent(number)
        with pytest.raises(KeyboardInterrupt):
            process.check()
    process.check()


@BOTH
def test_signal_after_a_command_does_not_stop_the_next_one(number):
    with process.heeded():
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    process.check()


def test_ignored_ctrl_c_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with process.heeded(), process.deferred():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_deferred_ctrl_c_stops_what_comes_after():
    done = []

    def work():
        with process.deferred():
            signal.raise_signal(signal.SIGINT)
            done.append("the block")
        done.append("what comes after")

    with pytest.raises(KeyboardInterrupt), process.heeded():
        work()
    assert done == ["the block"]


def test_training_stops(tmp_path):
    with process.heeded():
        DroppedSignal.sent(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            train.pretrain(recipe(steps=1), Path(), tmp_path)


def test_restoring_stops(tmp_path):
    source = sorted((sample.FOLDER / "speech").glob("*.flac"))[0]
    with process.heeded():
        DroppedSignal.sent(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            restore(source, tmp_path / "out.wav", "fm-tiny")
    assert not (tmp_path / "out.wav").exists()


def test_command_that_keeps_nothing_does_not_say_that_it_does(monkeypatch, capsys):
    monkeypatch.setattr(catalogue, "metrics", lambda: signal.raise_signal(signal.SIGINT))
    assert main(["metrics"]) == 1
    assert capsys.readouterr().err == "gensr-pref: interrupted.\n"
