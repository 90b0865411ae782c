"""Tests of policy and reference models: they must have the same inputs and the same tokens."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gensr_pref.aligning.average import average_checkpoints
from gensr_pref.aligning.models import (
    load_model,
    make_model,
    model_content,
    require_one_space,
    weights_digest,
)
from gensr_pref.aligning.recipe import Average, ModelUse
from gensr_pref.building.build import build
from gensr_pref.config import run_file
from gensr_pref.errors import ConfigError, InputError
from gensr_pref.generators.tiny.base import SHIPPED
from gensr_pref.generators.tiny.checkpoint import save_network
from gensr_pref.generators.tiny.pretrained import from_pretrained
from tests.aligning.conftest import DATA, furnish
from tests.aligning.test_dpo import every_paradigm
from tests.aligning.test_reference_values import begun
from tests.aligning.test_training_folder import other_weights
from tests.refusals import raises


def other_tokenizer(folder: Path, paradigm: str) -> Path:
    """The model that ships with the codes of every codebook in another order."""
    policy = from_pretrained(SHIPPED / f"{paradigm}-tiny").policy
    order = torch.randperm(policy.tokenizer.codebook.shape[1], generator=torch.Generator())
    policy.tokenizer.codebook.copy_(policy.tokenizer.codebook[:, order].clone())
    policy.config = replace(policy.config, tokenizer=policy.tokenizer.digest)
    save_network(policy, folder)
    return folder


@pytest.mark.parametrize("paradigm", ["ar", "mgm"])
def test_a_reference_with_another_tokenizer_is_refused(paradigm, run, tmp_path) -> None:
    other = other_tokenizer(tmp_path / "other", paradigm)
    words = (f"reference.use={paradigm}-tiny", f"reference.options.checkpoint={other}")
    with raises(ConfigError, field="reference", value="tokens or latents", problem="conflict"):
        begun(paradigm, run, tmp_path, *words, "reference_differs=allow")


@pytest.mark.parametrize("use", ["ar-tiny", "mgm-tiny"])
def test_a_reference_of_another_paradigm_is_refused(use, run, tmp_path) -> None:
    paradigm = use.removesuffix("-tiny")
    with raises(ConfigError, field="reference", value=paradigm, problem="conflict"):
        begun("fm", run, tmp_path, f"reference.use={use}", "reference_differs=allow")


def test_tokens_of_another_tokenizer_are_refused(run, tmp_path) -> None:
    other = other_tokenizer(tmp_path / "other", "ar")
    use = f"generator.options.checkpoint={other}"
    with raises(InputError, field="pairs", value="ar-tiny", problem="conflict"):
        begun("ar", run, tmp_path, use, "reference_differs=allow")
    data = begun("ar", run, tmp_path, use, "reference_differs=allow", "pairs.encode=always")
    assert data.training.size


def test_tokens_of_other_weights_with_the_same_tokenizer_are_accepted(run, tmp_path) -> None:
    other = other_weights(tmp_path / "other", 0.001, "ar")
    words = (f"generator.options.checkpoint={other}", "reference_differs=allow")
    assert begun("ar", run, tmp_path, *words).training.size


@pytest.mark.parametrize("label", ["careful", "fm-tiny"])
def test_the_weights_of_pairs_are_checked_under_any_label(label, tmp_path, monkeypatch) -> None:
    furnish(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    other_weights(tmp_path / "other", 1e-4)
    use = {"use": "fm-tiny", "name": label, "candidates": 3, "options": {"checkpoint": "other"}}
    corpus = {key: DATA["corpus"][key] for key in ("source", "segment_seconds", "degrade")}
    data = {**DATA, "corpus": {**corpus, "limit": 4}, "generators": [use]}
    build(run_file.parse(data, run_file.Run, "test"), tmp_path / "run", base=tmp_path)
    of_it = f"pairs.generators=[{label}]"
    with raises(InputError, field="pairs.source", problem="conflict"):
        begun("fm", tmp_path / "run", tmp_path, of_it)
    theirs = f"generator.options.checkpoint={tmp_path / 'other'}"
    assert begun("fm", tmp_path / "run", tmp_path, of_it, theirs).training.size


def averaging(paradigm: str, *checkpoints: str) -> Average:
    data = {"generator": {"use": f"{paradigm}-tiny"}, "checkpoints": list(checkpoints)}
    return run_file.parse(data, Average, "test")


def test_tokenizers_are_not_averaged(tmp_path) -> None:
    other_weights(tmp_path / "0", 0.0, "ar")
    other_tokenizer(tmp_path / "1", "ar")
    with raises(ConfigError, field="checkpoints.1", value="settings", problem="conflict"):
        average_checkpoints(averaging("ar", "0", "1"), tmp_path, tmp_path / "mean")
    assert not (tmp_path / "mean" / "model.safetensors").exists()


def test_networks_with_other_settings_are_not_averaged(tmp_path) -> None:
    other_weights(tmp_path / "0", 0.0)
    policy = from_pretrained(SHIPPED / "fm-tiny").policy
    policy.config = replace(policy.config, shared_noise=policy.config.shared_noise / 2)
    save_network(policy, tmp_path / "1")
    with raises(ConfigError, field="checkpoints.1", value="settings", problem="conflict"):
        average_checkpoints(averaging("fm", "0", "1"), tmp_path, tmp_path / "mean")


class OldNames:
    """A user's generator, written when `encode_input` was called `encoded`."""

    paradigm = "fm"

    def load(self, device): ...

    def sample(self, noisy, lengths, seeds): ...

    def hear(self, noisy): ...

    def encode(self, noisy, clean): ...

    def error(self, policy, rows): ...

    def save(self, folder): ...

    def encoded(self, policy, x, frames): ...


class BothNames(OldNames):
    def encode_input(self, policy, x, frames): ...


def test_a_method_under_its_former_name_is_refused(tmp_path) -> None:
    use = ModelUse(use=f"{__name__}:OldNames")
    with raises(ConfigError, field="generator.use", value="encoded", problem="unsupported") as info:
        make_model(use, tmp_path, "generator")
    assert "`encode_input`" in str(info.value)
    assert make_model(ModelUse(use=f"{__name__}:BothNames"), tmp_path, "generator").encoded


@every_paradigm
def test_a_model_is_compatible_with_itself(paradigm) -> None:
    one, other = (from_pretrained(SHIPPED / f"{paradigm}-tiny") for _ in range(2))
    require_one_space(one, other, "reference")


def test_a_model_is_identified_by_its_content(tmp_path) -> None:
    use = ModelUse(use="fm-tiny")
    generator, content = load_model(use, tmp_path, "generator", "cpu")
    assert content == load_model(use, tmp_path, "generator", "cpu")[1]
    assert (
        content
        != load_model(ModelUse(use="fm-tiny", options={"steps": 2}), tmp_path, "g", "cpu")[1]
    )
    with torch.no_grad():
        next(generator.policy.parameters()).view(-1)[0] += 1e-3
    assert model_content(use, tmp_path, generator).digest != content.digest


def test_the_code_of_a_plugin_identifies_it(tmp_path, monkeypatch) -> None:
    shutil.copy(Path(__file__).parents[1] / "cheap.py", tmp_path / "cheaper.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    from gensr_pref.config import code_digest

    before = code_digest.digest_code("cheaper:Hiss")
    with (tmp_path / "cheaper.py").open("a") as file:
        file.write("# edited\n")
    assert code_digest.digest_code("cheaper:Hiss") not in (None, before)


def test_weights_differ_by_name_type_shape_and_value() -> None:
    one = {"a": torch.zeros(2), "b": torch.ones(())}
    others = [
        {"a": torch.zeros(2), "c": torch.ones(())},
        {"a": torch.zeros(2, dtype=torch.float64), "b": torch.ones(())},
        {"a": torch.zeros(2, 1), "b": torch.ones(())},
        {"a": torch.tensor([0.0, -0.0]), "b": torch.ones(())},
        {"a": torch.zeros(2, dtype=torch.bfloat16), "b": torch.ones(())},
        {"a": torch.zeros(2), "b": 1.0},
    ]
    assert weights_digest(dict(reversed(one.items()))) == weights_digest(one)
    assert len({weights_digest(state) for state in (one, *others)}) == 7
