"""Tests of invalid checkpoint files, for every metric that loads a checkpoint."""

import os
import zipfile

import pytest
import torch

from gensr_pref.errors import InputError
from gensr_pref.metrics import torch_checkpoint
from gensr_pref.metrics.nisqa.metric import Nisqa
from gensr_pref.metrics.speaker.onnx import OnnxEncoder
from gensr_pref.metrics.speaker.resemblyzer import ResemblyzerEncoder
from gensr_pref.metrics.speechbertscore import SpeechBertScore
from gensr_pref.metrics.utmos.metric import Utmos
from gensr_pref.metrics.wer.whisper import Whisper
from tests.refusals import raises, require_absent, require_length

LOADERS = {
    "nisqa": Nisqa,
    "onnx": OnnxEncoder,
    "resemblyzer": ResemblyzerEncoder,
    "speechbertscore": lambda path: SpeechBertScore("hubert-base", path),
    "utmos": Utmos,
    "whisper": Whisper,
}


class Code:
    """Object whose unpickling makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize(
    "content",
    [b"", b"0", b"<html>404</html>", b"PK\x03\x04 cut off", {}, [1, 2], {"model_state": {}}, Code],
    ids=["empty", "no stack", "page", "zip", "no entry", "list", "no weight", "code"],
)
def test_a_file_that_is_no_checkpoint_is_refused_by_name(tmp_path, name, content):
    path, mark = tmp_path / "broken.pt", tmp_path / "it ran"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is Code:
        keys = ("args", "dims", "model_state", "model_state_dict")
        torch.save(dict.fromkeys(keys, Code(mark)), path)
    else:
        torch.save(content, path)
    with raises(InputError, path="broken.pt") as refused:
        LOADERS[name](str(path)).load("cpu")
    require_absent(refused.value, "weights_only")
    require_length(refused.value, 700)
    assert not mark.exists()


def test_code_in_a_file_is_refused_without_torchs_advice(tmp_path):
    torch.save(Code(tmp_path / "made"), tmp_path / "it.pt")
    with raises(InputError, path="it.pt", problem="unreadable") as refused:
        torch_checkpoint.read_checkpoint(tmp_path / "it.pt", "a thing", dict)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__  # torch's advice is not in the trace either
    assert not (tmp_path / "made").exists()


def test_the_error_of_a_file_that_cannot_be_opened_says_why(tmp_path):
    with raises(InputError, path=tmp_path, value="Is a directory", problem="unreadable"):
        torch_checkpoint.read_checkpoint(tmp_path, "a thing", dict)


def test_the_converted_content_is_returned(tmp_path):
    torch.save({"a": torch.arange(3)}, tmp_path / "it.pt")
    assert torch_checkpoint.read_checkpoint(
        tmp_path / "it.pt", "a thing", lambda c: c["a"].tolist()
    ) == [
        0,
        1,
        2,
    ]


def test_a_long_error_message_is_shortened(tmp_path):
    def complain(content):
        raise RuntimeError("no key \n" * 1000)

    torch.save({}, tmp_path / "it.pt")
    with raises(InputError, path="it.pt", problem="invalid") as caught:
        torch_checkpoint.read_checkpoint(tmp_path / "it.pt", "a thing", complain)
    require_length(caught.value, torch_checkpoint.DETAIL + 200)


def test_compressed_and_endless_tensors_are_refused(tmp_path):
    torch.save({"a": torch.zeros(1).expand(2**40)}, tmp_path / "endless.pt")
    with raises(InputError, path="endless.pt", problem="unreadable"):
        torch_checkpoint.read_checkpoint(
            tmp_path / "endless.pt", "a thing", lambda content: content["a"] + 1
        )
    with (
        zipfile.ZipFile(tmp_path / "endless.pt") as plain,
        zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with raises(InputError, path="packed.pt", value="packed", problem="unsupported"):
        torch_checkpoint.read_checkpoint(tmp_path / "packed.pt", "a thing", lambda content: content)
    with (tmp_path / "holes.pt").open("wb") as file:
        file.truncate(2**40)
    with raises(InputError, path="holes.pt", value=2**40, problem="unsupported"):
        torch_checkpoint.read_checkpoint(tmp_path / "holes.pt", "a thing", lambda content: content)
