"""Tests of models that a user trains: at another sample rate, or loaded from the Hub by commit."""

import json

import numpy as np
import pytest
import yaml
from huggingface_hub import constants

from gensr_pref import audio, sample
from gensr_pref.aligning.pretrain.train import pretrain
from gensr_pref.building.build import build
from gensr_pref.cli.main import main
from gensr_pref.config import run_file
from gensr_pref.errors import ConfigError, RunMismatchError
from gensr_pref.generators.tiny.fm_tiny import from_latent
from gensr_pref.generators.tiny.pretrained import from_pretrained
from gensr_pref.generators.tiny.token_generator import from_tokens
from tests.aligning.pretrain.test_train import recipe
from tests.generators.tiny.test_pretrained import ID, contents, write_checkpoint, write_hub_cache
from tests.refusals import raises
from tests.small_run import rows

RATE = 24000


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A corpus at 24 kHz."""
    folder = tmp_path_factory.mktemp("own")
    for path in sorted((sample.FOLDER / "speech").glob("*.flac"))[:4]:
        wave = audio.read(path).at(RATE).wave
        (folder / f"{path.stem}.wav").write_bytes(audio.wav(wave, RATE))
    return folder


def of_rate(own, paradigm: str, **changes):
    source = {"kind": "folder", "path": str(own)}
    return recipe(paradigm, speech=[{"source": source}], sample_rate=RATE, steps=4, **changes)


def trained(own, folder, paradigm: str):
    """A checkpoint as `gensr-pref train` writes it, with a tokenizer of its own if it needs one."""
    made = of_rate(own, paradigm)
    data = made.model_dump(mode="json")
    if paradigm != "fm":
        fields = {
            key: data[key] for key in ("speech", "sample_rate", "degrade", "rooms", "seconds")
        }
        command(folder, "tokens", fields | {"recipe": "tokenize", "examples": 4, "codes": 8})
        data["model"]["tokenizer"] = "tokens"
    command(folder, paradigm, data)
    return folder / paradigm


def command(folder, name: str, data) -> None:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert main(["train", str(path), "--out", str(folder / name)]) == 0


@pytest.mark.parametrize("paradigm", ["fm", "ar", "mgm"])
def test_a_recipe_at_24_khz_gives_a_generator_of_that_rate(paradigm, own, tmp_path) -> None:
    checkpoint = trained(own, tmp_path, paradigm)
    assert json.loads((checkpoint / "config.json").read_text())["sample_rate"] == RATE
    model = from_pretrained(checkpoint)
    assert model.sample_rate == RATE
    noisy = audio.read(next(own.glob("*.wav"))).wave[:30001]
    a, b = model.sample(np.stack([noisy] * 2), [30001] * 2, [1, 2])
    assert a.audio.shape == (30001,)
    assert not np.array_equal(a.audio, b.audio)
    frames = -(-30001 // 384) + 2
    if paradigm == "fm":
        assert a.latent.shape == (frames, 40)
        again = from_latent(noisy, a.latent, RATE)
    else:
        assert a.tokens.shape == (8, 1 + frames)
        again = from_tokens(noisy, a.tokens, model.policy.tokenizer)
    np.testing.assert_array_equal(again, a.audio)
    correlation = np.corrcoef(a.audio, noisy)[0, 1]
    assert correlation > 0.5  # hardly trained: the clip, and neither shifted nor of another rate


def test_a_build_takes_its_candidates_at_24_khz(own, base, run, tmp_path) -> None:
    pretrain(of_rate(own, "fm"), base, tmp_path / "fm")
    use = {"use": "fm-tiny", "candidates": 2, "options": {"checkpoint": str(tmp_path / "fm")}}
    settings = run(
        f"generators=[{json.dumps(use)}]", f"corpus.sample_rate={RATE}", "corpus.limit=2"
    )
    build(settings, tmp_path / "run", base=base)
    clips = {row["clip_id"]: row for row in rows(tmp_path / "run", "clips")}
    found = rows(tmp_path / "run", "candidates")
    assert len(found) == 4
    for row in found:
        clip = clips[row["clip_id"]]
        assert (row["sample_rate"], clip["sample_rate"]) == (RATE, RATE)
        assert row["num_samples"] == clip["num_samples"]
        assert audio.from_column(row["audio"]).rate == RATE
    assert len(rows(tmp_path / "run", "scores")) == 6
    assert not rows(tmp_path / "run", "failures")


def test_tokens_of_another_rate_are_refused(own, tmp_path) -> None:
    with raises(ConfigError, field="model.tokenizer", value=16000, problem="conflict"):
        pretrain(of_rate(own, "ar"), tmp_path, tmp_path / "out")


def test_a_folder_is_not_continued_at_another_rate(own, tmp_path) -> None:
    pretrain(of_rate(own, "fm"), tmp_path, tmp_path / "out")
    changed = of_rate(own, "fm").model_copy(update={"sample_rate": 16000})
    with raises(RunMismatchError, path="out", value=["sample_rate"], problem="conflict"):
        pretrain(changed, tmp_path, tmp_path / "out")
    begun = json.loads((tmp_path / "out" / "recipe.json").read_text())
    del begun["sample_rate"]  # as it was begun before recipes had rates
    (tmp_path / "out" / "recipe.json").write_text(json.dumps(begun))
    with raises(RunMismatchError, path="out", value=["sample_rate"], problem="conflict"):
        pretrain(of_rate(own, "fm"), tmp_path, tmp_path / "out")


@pytest.mark.parametrize("rate", [4000, 200_000, 44100.5])
def test_a_recipe_at_an_impossible_rate_is_refused(rate) -> None:
    with raises(ConfigError, field="sample_rate", value=rate, problem="invalid"):
        recipe(sample_rate=rate)


def test_a_band_limit_above_the_rate_is_refused() -> None:
    degrade = recipe().degrade.model_dump(mode="json") | {"band_limit": {"rates_hz": [8000]}}
    with raises(ConfigError, field="degrade.band_limit.rates_hz", problem="conflict"):
        recipe(sample_rate=8000, degrade=degrade)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_examples_are_made_at_any_rate(rate, own, tmp_path) -> None:
    from gensr_pref.aligning.pretrain.examples import Examples

    made = Examples.open(of_rate(own, "fm", seconds=2.0).model_copy(
        update={"sample_rate": rate}), tmp_path, tmp_path)  # fmt: skip
    example = made.make(0)
    assert example.x.shape[1] == pytest.approx(2 / 0.016, abs=4)
    assert example.x.isfinite().all()
    assert example.y_1.float().std() > 0.05


def test_a_run_is_continued_at_the_commit_that_it_began_with(
    base, run, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("GENSR_PREF_OFFLINE", "1")
    write_hub_cache(tmp_path / "hub", contents(write_checkpoint(tmp_path / "x")), "a" * 40)
    use = {"use": "fm-tiny", "candidates": 2, "options": {"checkpoint": ID}}
    settings = run(f"generators=[{json.dumps(use)}]", "corpus.limit=1")
    build(settings, tmp_path / "run", base=base)
    assert all(
        f"{ID}@{'a' * 40} " in row["revision"] for row in rows(tmp_path / "run", "candidates")
    )
    document = run_file.read_yaml(tmp_path / "run" / "run.yaml")
    assert document["provenance"]["generators"][0]["revision"].startswith(f"{ID}@{'a' * 40} ")
    build(settings, tmp_path / "run", base=base)
    write_hub_cache(tmp_path / "hub", contents(write_checkpoint(tmp_path / "y", seed=1)), "b" * 40)
    with pytest.raises(RunMismatchError):
        build(settings, tmp_path / "run", base=base)
