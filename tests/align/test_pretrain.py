"""Pretraining on the sample: it learns, resumes to the same weights, and refuses a bad recipe."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from gensr_pref import config
from gensr_pref.align.pretrain import Examples, Pretrain, Training, learning_rate, pretrain
from gensr_pref.errors import ConfigError, RunMismatchError
from gensr_pref.generators.bands import FEATURES, GAIN_BANDS
from gensr_pref.generators.checkpoint import load_flow

SAMPLE = Path(config.__file__).parent / "sample"
REPOSITORY = Path(__file__).parents[2]


def recipe(**changes) -> Pretrain:
    data = {
        "speech": [{"source": {"kind": "folder", "path": str(SAMPLE / "speech")}}],
        "degrade": {
            "reverb": {"probability": 0.5},
            "noise": {"source": {"kind": "folder", "path": str(SAMPLE / "noise")}},
            "packet_loss": {"probability": 0.5},
        },
        "rooms": 2,
        "seconds": 1.0,
        "pool": 6,
        "fresh": 1,
        "batch": 2,
        "steps": 6,
        "warm_up": 2,
        "precision": "float32",
        "save_every": 3,
        "model": {
            "encoder_width": 8,
            "encoder_dilations": [1],
            "velocity_width": 8,
            "velocity_dilations": [1],
        },
    }
    return config.parse({**data, **changes}, Pretrain, "test")


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_the_same_recipe_gives_the_same_weights_interrupted_or_not(tmp_path, monkeypatch) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    pretrain(recipe(), Path(), whole)

    finished = Training.save

    def killed(self: Training, out: Path) -> None:
        finished(self, out)
        raise KeyboardInterrupt

    monkeypatch.setattr(Training, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        pretrain(recipe(), Path(), parts)
    monkeypatch.undo()
    assert weights(parts) != weights(whole)
    pretrain(recipe(), Path(), parts)
    assert weights(parts) == weights(whole)
    assert not list(parts.glob("*.part"))


def test_the_result_is_a_checkpoint(tmp_path) -> None:
    flow = pretrain(recipe(steps=2), Path(), tmp_path)
    loaded = load_flow(tmp_path)
    for name, value in flow.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])


def test_an_example_depends_on_its_number_alone(tmp_path) -> None:
    examples = Examples.opened(recipe(), Path(), tmp_path)
    first, other = examples.of(5), examples.of(6)
    again = Examples.opened(recipe(), Path(), tmp_path).of(5)
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.y_1, again.y_1)
    assert not torch.equal(first.x, other.x)
    assert first.x.shape[0] == FEATURES
    assert first.y_1.shape == (GAIN_BANDS, first.x.shape[1])


def test_a_resumed_window_goes_on_where_it_was(tmp_path) -> None:
    examples = Examples.opened(recipe(), Path(), tmp_path)
    from_start = examples.windows(0)
    for _ in range(3):
        next(from_start)
    resumed = examples.windows(3)
    for a, b in zip(next(from_start), next(resumed), strict=True):
        assert torch.equal(a.y_1, b.y_1)


def test_training_lowers_the_loss(tmp_path) -> None:
    from gensr_pref.align.pretrain import train_step

    settings = recipe(learning_rate=0.003, steps=1000)
    batch = [Examples.opened(settings, Path(), tmp_path).of(n) for n in range(4)]
    training = Training.started(settings)
    errors = []
    for _ in range(60):
        errors.append(float(train_step(training, settings, batch)["m"]))
        training.step += 1
    assert errors[-1] < 0.7 * errors[0]


def test_the_learning_rate_warms_up_and_ends_at_a_hundredth() -> None:
    settings = recipe(learning_rate=1.0, warm_up=10)
    assert learning_rate(settings, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(settings, 10, 0.0) == pytest.approx(1.0)
    assert learning_rate(settings, 99, 1.0) == pytest.approx(0.01)


def test_an_unknown_field_of_the_recipe_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size"):
        recipe(batch_size=3)


def test_the_shipped_recipe_is_valid_and_has_no_absolute_path() -> None:
    path = REPOSITORY / "pipelines" / "pretrain_fm_tiny.yaml"
    config.parse(config.read_yaml(path), Pretrain, str(path))
    assert ": /" not in path.read_text()


def test_the_command_trains_and_its_checkpoint_samples(tmp_path, capsys) -> None:
    from gensr_pref import cli
    from gensr_pref.generators.fm_tiny import FlowMatchingTiny

    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe().model_dump(mode="json")), encoding="utf-8")
    assert cli.main(["train", str(path), "--out", str(tmp_path / "out"), "steps=2"]) == 0
    assert "trained" in capsys.readouterr().out
    generator = FlowMatchingTiny(checkpoint=str(tmp_path / "out"))
    generator.load("cpu")
    [candidate] = generator.sample(np.full((1, 8000), 0.01, np.float32), [8000], [1])
    assert candidate.audio.shape == (8000,)


def test_the_command_names_a_wrong_field(tmp_path, capsys) -> None:
    from gensr_pref import cli

    path = tmp_path / "recipe.yaml"
    path.write_text("recipe: dpo\nspeech: []\n", encoding="utf-8")
    assert cli.main(["train", str(path), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "recipe: 'dpo' is not allowed. Allowed: 'pretrain'" in told
    assert "degrade: is required" in told


def test_another_recipe_does_not_continue(tmp_path) -> None:
    pretrain(recipe(steps=1), Path(), tmp_path)
    with pytest.raises(RunMismatchError, match="another seed"):
        pretrain(recipe(seed=1), Path(), tmp_path)
