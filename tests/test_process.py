"""Tests of signals: they stop a command, even if a library drops their exception."""

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
def test_signal_raises_at_once_and_is_recorded_in_case_the_exception_is_dropped(number):
    with pytest.raises(KeyboardInterrupt), process.handle_signals():
        signal.raise_signal(number)
    process.raise_if_interrupted()
    with process.handle_signals():
        DroppedSignal.sent(number)
        with pytest.raises(KeyboardInterrupt):
            process.raise_if_interrupted()
    process.raise_if_interrupted()


@BOTH
def test_signal_after_a_command_does_not_stop_the_next_one(number):
    with process.handle_signals():
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    process.raise_if_interrupted()


def test_ignored_ctrl_c_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with process.handle_signals(), process.defer_interrupt():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_deferred_ctrl_c_stops_the_command_after_the_block():
    done = []

    def work():
        with process.defer_interrupt():
            signal.raise_signal(signal.SIGINT)
            done.append("the block")
        done.append("what comes after")

    with pytest.raises(KeyboardInterrupt), process.handle_signals():
        work()
    assert done == ["the block"]


def test_training_stops(tmp_path):
    with process.handle_signals():
        DroppedSignal.sent(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            train.pretrain(recipe(steps=1), Path(), tmp_path)


def test_restoring_stops(tmp_path):
    source = sorted((sample.FOLDER / "speech").glob("*.flac"))[0]
    with process.handle_signals():
        DroppedSignal.sent(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            restore(source, tmp_path / "out.wav", "fm-tiny")
    assert not (tmp_path / "out.wav").exists()


def test_interrupted_command_without_results_does_not_claim_to_keep_any(monkeypatch, capsys):
    monkeypatch.setattr(catalogue, "metrics", lambda: signal.raise_signal(signal.SIGINT))
    assert main(["metrics"]) == 1
    assert capsys.readouterr().err == "gensr-pref: interrupted.\n"
