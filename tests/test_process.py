"""Tests of signals, which stop a command even if a library drops them, and of precision."""

import signal
from pathlib import Path

import pytest
import torch

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


def legacy_settings() -> list[object]:
    """Return torch's older precision settings; "mixed" where torch refuses to read them."""
    readings: list[object] = []
    for read in (
        torch.get_float32_matmul_precision,
        lambda: torch.backends.cuda.matmul.allow_tf32,
        lambda: torch.backends.cudnn.allow_tf32,
    ):
        try:
            readings.append(read())
        except RuntimeError:
            readings.append("mixed")
    return readings


def backend_settings() -> list[str]:
    cuda, cudnn, mkldnn = torch.backends.cuda, torch.backends.cudnn, torch.backends.mkldnn
    parents = (torch.backends, cudnn, mkldnn)
    leaves = (cuda.matmul, cudnn.conv, cudnn.rnn, mkldnn.matmul, mkldnn.conv, mkldnn.rnn)
    return [backend.fp32_precision for backend in (*parents, *leaves)]


@pytest.fixture
def restored_precision():
    """Restore the precision that torch had before the test."""
    before = process._Precision.read(torch)
    yield
    for backend in (torch.backends.mkldnn, torch.backends.cudnn, torch.backends):
        backend.fp32_precision = "none"
    before.apply(torch)


def older_interface():
    torch.set_float32_matmul_precision("medium")
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True


def newer_interface():
    torch.backends.fp32_precision = "tf32"


def newer_interface_of_one_backend():
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"


@pytest.mark.parametrize(
    "prepare", [lambda: None, older_interface, newer_interface, newer_interface_of_one_backend]
)
def test_float32_is_exact_inside_the_block_and_as_before_after_it(prepare, restored_precision):
    prepare()
    before = backend_settings(), legacy_settings(), torch.backends.cudnn.deterministic
    with process.full_precision():
        assert set(backend_settings()[3:]) <= {"none", "ieee"}
        assert legacy_settings() == ["highest", False, False]
        assert torch.backends.cudnn.deterministic
    with pytest.raises(KeyError), process.full_precision():
        raise KeyError
    assert (backend_settings(), legacy_settings(), torch.backends.cudnn.deterministic) == before
