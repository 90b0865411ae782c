"""Tests of checkpoints: they are read as written, or refused."""

import json
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gensr_pref.errors import ConfigError, MissingWeightsError
from gensr_pref.generators.tiny.autoregressive import Autoregressive
from gensr_pref.generators.tiny.checkpoint import (
    encoder_weights,
    load_network,
    revision_of,
    save_network,
)
from gensr_pref.generators.tiny.checkpoint_settings import read_settings
from gensr_pref.generators.tiny.flow import Flow, FlowConfig
from gensr_pref.generators.tiny.fm_tiny import FlowMatchingTiny
from gensr_pref.generators.tiny.masked import Masked
from gensr_pref.generators.tiny.safetensors_header import LARGEST_FILE
from gensr_pref.generators.tiny.token_model import TokenModelConfig
from gensr_pref.generators.tiny.tokenizer import Tokenizer, TokenizerConfig
from tests.refusals import raises

SMALL = FlowConfig(
    encoder_width=8, encoder_dilations=(1,), velocity_width=8, velocity_dilations=(1,)
)


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    save_network(Flow(SMALL), tmp_path)
    return tmp_path


def test_a_saved_network_is_loaded_unchanged(folder, tmp_path) -> None:
    flow = load_network(folder, Flow)
    assert flow.config == SMALL
    again = tmp_path / "again"
    save_network(flow, again)
    assert revision_of(again) == revision_of(folder)


def test_the_revision_follows_the_weights(folder) -> None:
    before = revision_of(folder)
    weights = load_file(folder / "model.safetensors")
    weights["encoder.leave.bias"] += 1
    save_file(weights, folder / "model.safetensors")
    assert revision_of(folder) != before


def test_a_missing_checkpoint_is_reported(tmp_path) -> None:
    with raises(MissingWeightsError, path="nowhere", problem="missing"):
        revision_of(tmp_path / "nowhere")
    with raises(MissingWeightsError, path="nowhere", problem="missing"):
        load_network(tmp_path / "nowhere", Flow)


def test_missing_unknown_and_misshapen_weights_are_named(folder) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["stranger"] = weights.pop("field.hear.bias")
    weights["encoder.leave.bias"] = torch.zeros(3)
    save_file(weights, folder / "model.safetensors")
    differ = (["field.hear.bias"], ["stranger"], ["encoder.leave.bias [3] for [80]"])
    with raises(ConfigError, path="model.safetensors", value=differ, problem="conflict"):
        load_network(folder, Flow)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "unreadable"),
        (b"not a checkpoint", "unreadable"),
        (b"\x08\0\0\0\0\0\0\0{}      ", "conflict"),
    ],
)
def test_a_file_of_another_kind_is_refused(folder, content: bytes, problem: str) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with raises(ConfigError, path="model.safetensors", problem=problem):
        load_network(folder, Flow)


def test_settings_without_a_rate_mean_16_khz(folder) -> None:
    path = folder / "config.json"
    settings = json.loads(path.read_text())
    assert settings.pop("sample_rate") == 16000
    path.write_text(json.dumps(settings))
    assert load_network(folder, Flow).config == SMALL
    assert read_settings(folder).sample_rate == 16000
    path.write_text(json.dumps({**settings, "sample_rate": 48000}))
    assert load_network(folder, Flow).config.sample_rate == 48000


@pytest.mark.parametrize("rate", [0, 4000, 44100.5, "16k", None])
def test_an_impossible_rate_is_refused(folder, rate) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "sample_rate": rate}))
    with raises(ConfigError, field="sample_rate", value=rate, path="config.json"):
        load_network(folder, Flow)


def test_settings_of_another_shape_are_refused(folder) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "wdith": 3}))
    with raises(ConfigError, value=([], ["wdith"]), path="config.json", problem="invalid"):
        load_network(folder, Flow)


def test_settings_that_are_not_an_object_are_refused(folder) -> None:
    (folder / "config.json").write_text("[1]")
    with raises(ConfigError, field="architecture", problem="conflict"):
        load_network(folder, Flow)


def test_a_network_of_another_kind_is_refused(folder) -> None:
    with raises(ConfigError, field="architecture", value="flow", problem="conflict"):
        load_network(folder, Masked)


TOKENS = TokenModelConfig(
    encoder_width=8,
    encoder_dilations=(1,),
    decoder_width=8,
    decoder_dilations=(1,),
    head_width=4,
    groups=4,
    codes=3,
)


@pytest.mark.parametrize("kind", [Autoregressive, Masked])
def test_a_token_models_checkpoint_contains_its_codebooks(kind, tmp_path) -> None:
    tokenizer = Tokenizer(TokenizerConfig(4, 3))
    torch.nn.init.normal_(tokenizer.codebook)
    model = kind(replace(TOKENS, tokenizer=tokenizer.digest), tokenizer)
    save_network(model, tmp_path)
    assert torch.equal(load_network(tmp_path, kind).tokenizer.codebook, tokenizer.codebook)
    weights = load_file(tmp_path / "model.safetensors")
    weights["tokenizer.codebook"][0, 0, 0] += 1
    save_file(weights, tmp_path / "model.safetensors")
    with raises(
        ConfigError,
        field="tokenizer",
        path="model.safetensors",
        problem="conflict",
    ):
        load_network(tmp_path, kind)


def test_a_tokenizer_is_a_checkpoint(tmp_path) -> None:
    tokenizer = Tokenizer(TokenizerConfig(4, 3))
    torch.nn.init.normal_(tokenizer.codebook)
    save_network(tokenizer, tmp_path)
    assert load_network(tmp_path, Tokenizer).digest == tokenizer.digest


def test_the_encoders_weights_can_be_read_alone(folder) -> None:
    flow = load_network(folder, Flow)
    for name, value in flow.encoder.state_dict().items():
        assert torch.equal(encoder_weights(folder)[name], value)


def test_a_copied_folder_has_the_same_revision(folder, tmp_path_factory) -> None:
    other = tmp_path_factory.mktemp("other")
    for name in ("model.safetensors", "config.json"):
        shutil.copy(folder / name, other / name)
    assert revision_of(other) == revision_of(folder)


def change_settings(folder, **settings) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


@pytest.fixture
def limit_memory():
    """Limit the address space to 1 GB above the current use: allocating a false width fails."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize(
    "settings",
    [
        {"encoder_width": 100_000},
        {"encoder_width": "8"},
        {"encoder_width": 8.0},
        {"encoder_width": True},
        {"velocity_width": -1},
        {"encoder_dilations": [1] * 10_000},
        {"encoder_dilations": [10**9]},
        {"encoder_dilations": 3},
        {"encoder_dilations": [[1]]},
        {"shared_noise": "loud"},
        {"features": 10**9},
        {"channels": 20},
    ],
)
def test_settings_are_compared_with_the_weights_before_memory_is_allocated(
    folder, settings, limit_memory
):
    change_settings(folder, **settings)
    [(name, value)] = settings.items()
    for refused in (
        lambda: FlowMatchingTiny(checkpoint=str(folder)),
        lambda: load_network(folder, Flow),
    ):
        with raises(ConfigError, field=name, value=value, path="config.json", problem="invalid"):
            refused()


def test_an_architecture_is_a_name(folder):
    change_settings(folder, architecture=["flow"])
    for refused in (
        lambda: FlowMatchingTiny(checkpoint=str(folder)),
        lambda: load_network(folder, Flow),
    ):
        with raises(ConfigError, field="architecture", value=["flow"], problem="conflict"):
            refused()


def test_a_number_that_is_not_finite_is_refused(folder):
    change_settings(folder, shared_noise=1e400)
    for refused in (
        lambda: FlowMatchingTiny(checkpoint=str(folder)),
        lambda: load_network(folder, Flow),
    ):
        with raises(ConfigError, path="config.json", problem="unreadable"):
            refused()


def test_a_network_wider_than_its_weights_is_refused(folder, limit_memory):
    change_settings(folder, encoder_width=4096)
    for refused in (
        lambda: FlowMatchingTiny(checkpoint=str(folder)),
        lambda: load_network(folder, Flow),
    ):
        with raises(ConfigError, path="model.safetensors", problem="conflict") as caught:
            refused()
        missing, unknown, reshaped = caught.value.value
        assert (missing, unknown) == ([], [])
        assert reshaped[0].startswith("encoder.blocks.0.gain ")


def test_codebooks_of_a_false_size_are_refused_without_memory(tmp_path, limit_memory) -> None:
    save_network(Tokenizer(TokenizerConfig(4, 3)), tmp_path)
    change_settings(tmp_path, codes=65536, groups=40)
    with raises(
        ConfigError,
        value=([], [], ["codebook [4, 3, 10] for [40, 65536, 1]"]),
        path="model.safetensors",
        problem="conflict",
    ):
        load_network(tmp_path, Tokenizer)
    change_settings(tmp_path, groups=7)
    with raises(ConfigError, path="config.json", value=None, problem="invalid"):
        load_network(tmp_path, Tokenizer)


def header_of(text: bytes, values: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text + values


@pytest.mark.parametrize(
    "content",
    [
        (2**62).to_bytes(8, "little"),
        header_of(b"[" * 10_000),
        header_of(b"[1]"),
        header_of(b'{"a": {"dtype": "F32", "shape": [1000000000000]}}', b"1234"),
        header_of(b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}', b"1234"),
        header_of(b'{"a": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}', b"12345678"),
        header_of(b'{"a": {"dtype": "F32", "shape": [1]}}'),
        header_of(b'{"a": 3}'),
    ],
)  # fmt: skip
def test_a_false_header_is_refused_before_any_work(folder, content, limit_memory) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with raises(ConfigError, path="model.safetensors", problem="unreadable"):
        FlowMatchingTiny(checkpoint=str(folder))
    with raises(ConfigError, path="model.safetensors", problem="unreadable"):
        encoder_weights(folder)


def test_an_oversized_sparse_file_is_refused(folder) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(2**40)
    with raises(ConfigError, path="model.safetensors", problem="unreadable") as caught:
        FlowMatchingTiny(checkpoint=str(folder))
    assert str(LARGEST_FILE) in str(caught.value)


def test_weights_that_are_not_finite_are_refused(folder) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["encoder.leave.bias"][3] = torch.nan
    save_file(weights, folder / "model.safetensors")
    with raises(
        ConfigError, value=["encoder.leave.bias"], path="model.safetensors", problem="invalid"
    ):
        load_network(folder, Flow)
