"""A checkpoint is read as it was written, or not at all."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from gensr_pref.errors import ConfigError, MissingWeightsError
from gensr_pref.generators.checkpoint import load_flow, revision_of, save_flow
from gensr_pref.generators.flow import Flow, FlowConfig

SMALL = FlowConfig(
    encoder_width=8, encoder_dilations=(1,), velocity_width=8, velocity_dilations=(1,)
)


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    save_flow(Flow(SMALL), tmp_path)
    return tmp_path


def test_what_was_saved_is_loaded(folder, tmp_path) -> None:
    flow = load_flow(folder)
    assert flow.config == SMALL
    again = tmp_path / "again"
    save_flow(flow, again)
    assert revision_of(again) == revision_of(folder)


def test_the_revision_follows_the_weights(folder) -> None:
    before = revision_of(folder)
    weights = load_file(folder / "model.safetensors")
    weights["encoder.leave.bias"] += 1
    save_file(weights, folder / "model.safetensors")
    assert revision_of(folder) != before


def test_an_absent_checkpoint_says_what_is_wanted(tmp_path) -> None:
    with pytest.raises(MissingWeightsError, match=r"model\.safetensors and config\.json"):
        revision_of(tmp_path / "nowhere")
    with pytest.raises(MissingWeightsError, match="nowhere"):
        load_flow(tmp_path / "nowhere")


def test_missing_unknown_and_misshapen_weights_are_named(folder) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["stranger"] = weights.pop("field.hear.bias")
    weights["encoder.leave.bias"] = torch.zeros(3)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ConfigError) as caught:
        load_flow(folder)
    message = str(caught.value)
    assert "Missing: field.hear.bias." in message
    assert "Unknown: stranger." in message
    assert "encoder.leave.bias [3] for [80]" in message


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_file_of_another_kind_is_refused(folder, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ConfigError, match=r"model\.safetensors"):
        load_flow(folder)


@pytest.mark.parametrize("change", [{"wdith": 3}, None])
def test_settings_of_another_network_are_refused(folder, change) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change} if change else [1]))
    with pytest.raises(ConfigError, match=r"config\.json: not the settings of a flow"):
        load_flow(folder)


def test_a_copy_elsewhere_is_the_same_revision(folder, tmp_path_factory) -> None:
    other = tmp_path_factory.mktemp("other")
    for name in ("model.safetensors", "config.json"):
        shutil.copy(folder / name, other / name)
    assert revision_of(other) == revision_of(folder)
