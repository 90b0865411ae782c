"""Tests of the sources of training pairs, and of errors before the training starts."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from gensr_pref import audio
from gensr_pref.aligning import feature_cache
from gensr_pref.aligning.align import align
from gensr_pref.aligning.run_pairs import PairsOfRun
from gensr_pref.building.pair import pair
from gensr_pref.errors import ConfigError, InputError, RunMismatchError
from gensr_pref.exporting.dataset import ExportOptions
from gensr_pref.exporting.export_run import export
from gensr_pref.generators.tiny.checkpoint import save_network
from gensr_pref.generators.tiny.pretrained import from_pretrained
from gensr_pref.rundir import part_files
from gensr_pref.schema import column
from tests.aligning.test_dpo import begun, every_paradigm, recipe
from tests.refusals import raises


@pytest.fixture(scope="module")
def golden(run, tmp_path_factory):
    """The same run, the clean target chosen."""
    out = tmp_path_factory.mktemp("golden") / "run"
    shutil.copytree(run, out)
    pair(out, ["rule=golden", "pairs_per_clip=9"])
    return out


@pytest.fixture(scope="module")
def exported(run, golden, tmp_path_factory):
    """Both runs as `gensr-pref export` writes them."""
    folder = tmp_path_factory.mktemp("exported")
    shutil.copytree(run, folder / "run")  # exporting audits a run
    for name, source in (("unanimous", folder / "run"), ("golden", golden)):
        export(source, folder / name, ExportOptions())
    return {name: folder / name for name in ("unanimous", "golden")}


@every_paradigm
def test_an_exported_folder_gives_the_same_training_as_its_run(
    paradigm, run, exported, tmp_path
) -> None:
    common = ("steps=2", "anchor.weight=1", "anchor.side=chosen")
    align(recipe(paradigm, run, *common), tmp_path / "run", base=run)
    there = ("pairs.source.kind=export", f"pairs.source.path={exported['unanimous']}")
    align(recipe(paradigm, run, *common, *there), tmp_path / "export", base=run)
    weights = [(tmp_path / n / "model.safetensors").read_bytes() for n in ("run", "export")]
    assert weights[0] == weights[1]


def test_a_dataset_is_streamed(run, exported, tmp_path) -> None:
    hub = ("pairs.source.kind=huggingface", f"pairs.source.path={exported['unanimous']}")
    found = begun("mgm", run, tmp_path, *hub, f"cache={tmp_path}").inputs.data
    ours = begun("mgm", run, tmp_path, f"cache={tmp_path}").inputs.data
    assert sorted(found.ids) == sorted(ours.ids)
    for number, name in enumerate(found.ids):
        same = ours.ids.index(name)
        assert found.split[number] == ours.split[same]
        clips = found.clip[number], ours.clip[same]
        np.testing.assert_array_equal(found.features(clips[0]), ours.features(clips[1]))
        for side in ("chosen", "rejected"):
            targets = (
                data.target(getattr(data, side)[n]) for data, n in ((found, number), (ours, same))
            )
            np.testing.assert_array_equal(*targets)


@every_paradigm
@pytest.mark.parametrize("kind", ["run", "export"])
def test_golden_pairs_are_the_true_gains(paradigm, kind, run, golden, exported, tmp_path) -> None:
    path = golden if kind == "run" else exported["golden"]
    alignment = begun(
        paradigm, run, tmp_path, f"pairs.source.kind={kind}", f"pairs.source.path={path}"
    )
    data, generator = alignment.inputs.data, alignment.inputs.generator
    clips = {row["clip_id"]: row for row in part_files.read_all(run, "clips").to_pylist()}
    for number in range(0, len(data.ids), 5):
        clip = clips[data.clips[data.clip[number]]]
        noisy, clean = (audio.from_column(clip[name]).wave for name in ("noisy", "clean"))
        target = generator.encode(noisy.copy(), clean.copy())
        found = data.target(data.chosen[number])
        np.testing.assert_array_equal(found if paradigm == "fm" else found.T, target)
    assert all(name.split("/")[1] == "golden" for name in data.ids)


def test_the_clean_target_is_the_anchor(run, tmp_path) -> None:
    alignment = begun("fm", run, tmp_path, "anchor.weight=2", "anchor.side=clean")
    batch = alignment.batching.make_batch(alignment.training[:2], 0)
    assert batch.sides == 3
    data = alignment.inputs.data
    for place, number in enumerate(alignment.training[:2]):
        clean = data.target(int(data.clean[data.clip[number]]))
        row = batch.rows.target[batch.split(torch.arange(len(batch.rows.t)))[2, 0, place]]
        np.testing.assert_array_equal(row[: len(clean)].numpy(), clean.astype(np.float32))


def test_pairs_of_another_paradigm_become_targets_from_their_audio(run, tmp_path) -> None:
    ours = "pairs.generators=[fm-tiny]"
    with raises(InputError, field="pairs", value="tokens", problem="missing"):
        begun("ar", run, tmp_path, ours, f"cache={tmp_path}")
    data = begun("ar", run, tmp_path, ours, "pairs.encode=missing", f"cache={tmp_path}").inputs.data
    assert data.targets.shape[1] == 8
    assert data.revisions.keys() == {"fm-tiny"}


def test_encoded_audio_is_close_to_the_stored_latent(run, tmp_path) -> None:
    stored = begun("fm", run, tmp_path, f"cache={tmp_path}").inputs.data
    encoded = begun("fm", run, tmp_path, "pairs.encode=always", f"cache={tmp_path}").inputs.data
    apart = np.abs(stored.targets.astype(np.float32) - encoded.targets)
    assert np.median(apart) < 0.25  # 2.5 dB: bands overlap, so gains are not given back exactly


def test_two_token_models_share_pairs(run, tmp_path) -> None:
    data = begun("ar", run, tmp_path, "pairs.generators=[mgm-tiny]").inputs.data
    assert data.revisions.keys() == {"mgm-tiny"}


def test_a_run_without_pairs_of_the_generator_names_its_pairs(run, tmp_path) -> None:
    facts = {"field": "pairs.source", "value": ["nobody"], "path": run, "problem": "empty"}
    with raises(InputError, **facts) as caught:
        begun("fm", run, tmp_path, "pairs.generators=[nobody]")
    assert all(name in str(caught.value) for name in ("ar-tiny", "fm-tiny", "mgm-tiny"))


def test_other_weights_than_the_reference_are_refused(run, tmp_path) -> None:
    other = from_pretrained(from_pretrained_folder("fm"))
    with torch.no_grad():
        next(other.policy.parameters()).add_(0.01)
    save_network(other.policy, tmp_path / "other")
    use = f"generator.options.checkpoint={tmp_path / 'other'}"
    with raises(InputError, field="pairs.source", problem="conflict"):
        begun("fm", run, tmp_path, use)
    assert begun("fm", run, tmp_path, use, "reference_differs=allow").training.size
    with raises(
        InputError, field="pairs.source", problem="conflict"
    ):  # what is kept is no way around
        begun("fm", run, tmp_path, use)
    shipped = begun("fm", run, tmp_path, use, "reference.use=fm-tiny")
    batch = shipped.batching.make_batch(shipped.training[:2], 0)
    assert not torch.equal(shipped.policy(batch.rows), shipped.reference(batch.rows))


def from_pretrained_folder(paradigm: str):
    from gensr_pref.generators.tiny.base import SHIPPED

    return SHIPPED / f"{paradigm}-tiny"


def test_a_generator_that_cannot_be_aligned_is_refused_with_what_it_lacks(run, tmp_path) -> None:
    with raises(ConfigError, field="generator.use", value="cheap:Hiss", problem="unsupported"):
        begun("fm", run, tmp_path, "generator.use=cheap:Hiss")


def test_a_folder_without_pairs_is_refused(run, tmp_path) -> None:
    with raises(InputError, field="pairs.source.path", problem="empty"):
        begun("fm", tmp_path, tmp_path, f"cache={tmp_path}")
    export = ("pairs.source.kind=export", f"pairs.source.path={tmp_path}")
    with raises(InputError, field="pairs.source.path", problem="missing"):
        begun("fm", run, tmp_path, *export)


def test_another_recipe_does_not_continue_a_training(run, tmp_path) -> None:
    align(recipe("fm", run, "steps=1"), tmp_path, base=run)
    with raises(RunMismatchError, path=tmp_path, value=["objective"], problem="conflict"):
        align(recipe("fm", run, "steps=1", "objective.beta=2"), tmp_path, base=run)


def test_a_limit_and_a_split_are_kept(run, tmp_path) -> None:
    alignment = begun("mgm", run, tmp_path, "pairs.limit=3", "pairs.held_out=2")
    assert len(alignment.training) == 3
    assert len(alignment.held_out) == 2
    splits = dict(
        zip(
            *(column(part_files.read_all(run, "clips"), n) for n in ("clip_id", "split")),
            strict=True,
        )
    )
    data = alignment.inputs.data
    for name, numbers in (("train", alignment.training), ("validation", alignment.held_out)):
        assert {splits[data.clips[clip]] for clip in data.clip[numbers]} == {name}


def test_concurrent_trainings_prepare_shared_features_once(tmp_path, monkeypatch):
    made = []

    def write(folder, *_):
        made.append(folder)
        time.sleep(0.2)
        (folder / "whole").touch()

    monkeypatch.setattr(feature_cache, "_write", write)
    monkeypatch.setattr(feature_cache, "_read", lambda folder: (folder / "whole").exists())
    with ThreadPoolExecutor() as pool:
        asked = [
            pool.submit(
                feature_cache.prepare_pairs, tmp_path / "cache" / "pairs", None, None, None, False
            )
            for _ in range(3)
        ]
        assert all(one.result() for one in asked)
    assert len(made) == 1


def test_a_run_that_asks_for_no_pairs_is_refused(run, tmp_path) -> None:
    out = shutil.copytree(run, tmp_path / "run")
    pair(out, ["rule=none"])
    with raises(InputError, field="pairs.source.path", value="pairs", problem="empty", path=out):
        PairsOfRun(out, ["fm-tiny"], with_audio=False)
