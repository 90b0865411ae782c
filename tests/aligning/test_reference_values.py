"""Tests of cached reference values and features: they equal newly computed ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from gensr_pref.aligning.alignment_run import start_alignment
from gensr_pref.aligning.recipe import Dpo
from gensr_pref.aligning.reference_values import ReferenceValues
from gensr_pref.aligning.step import alignment_step, pair_losses
from gensr_pref.config import plugins
from gensr_pref.exporting.dataset import ExportOptions
from gensr_pref.exporting.export_run import export
from gensr_pref.generators.tiny.base import SHIPPED
from gensr_pref.generators.tiny.checkpoint import load_network
from gensr_pref.generators.tiny.flow import Flow
from gensr_pref.generators.tiny.pretrained import from_pretrained
from tests.aligning.test_dpo import every_paradigm, moved, recipe
from tests.aligning.test_training_folder import other_weights

PAIRS = np.array([0, 1, 2])

# Another value for every field of the recipe; a new field needs one too.
OTHERWISE = {
    "recipe": (),
    "generator": (),  # each option below
    "reference": (),  # likewise
    "pairs": ("pairs.encode=always",),
    "seed": ("seed=1",),
    "reference_differs": ("reference_differs=allow",),
    "objective": ("objective.reduction=mean", "objective.beta=2"),
    "anchor": ("anchor.weight=1",),
    "draws": ("draws=3",),
    "antithetic": ("antithetic=false",),
    "train": ("train=decoder",),
    "crop": ("crop=20",),
    "batch": ("batch=2",),
    "accumulate": ("accumulate=2",),
    "epochs": ("epochs=2",),
    "steps": ("steps=1",),
    "learning_rate": ("learning_rate=1",),
    "schedule": ("schedule=cosine",),
    "warm_up": ("warm_up=3",),
    "weight_decay": ("weight_decay=0.1",),
    "clip_norm": ("clip_norm=2",),
    "ema": ("ema=0.5",),
    "precision": ("precision=bfloat16",),
    "device": ("device=auto",),
    "threads": ("threads=2",),
    "evaluate_every": ("evaluate_every=1",),
    "early_stop": ("early_stop=1",),
    "log_every": ("log_every=2",),
    "save_every": ("save_every=1",),
    "cache": (),
}
OPTIONS = {
    "temperature": 0.5,
    "clip_temperature": 0.5,
    "spread": 0.5,
    "top_p": 0.5,
    "history": 1.0,
    "steps": 2,
    "solver": "midpoint",
}
WEIGHTS = {"checkpoint", "revision"}


def begun(paradigm: str, run, cache, *overrides: str):
    return start_alignment(recipe(paradigm, run, f"cache={cache}", *overrides), run, cache)


def values(alignment, epoch: int = 0) -> torch.Tensor:
    """The reference's values of three pairs, as a training asks for them."""
    batch = alignment.batching.make_batch(PAIRS, epoch)
    return alignment.values.get(batch, f"pass-{epoch:03d}", alignment.reference)


def afresh(alignment, epoch: int = 0) -> torch.Tensor:
    alignment.values = ReferenceValues(None, alignment.values._made_from, 0)
    return values(alignment, epoch)


def changes(paradigm: str) -> dict[str, tuple[str, ...]]:
    """Overrides that change one thing each: a field, or an option of one of the two models."""
    assert set(OTHERWISE) == set(Dpo.model_fields)
    found = {name: (one,) for name, many in OTHERWISE.items() for one in many}
    options = plugins.options_of(plugins.find("generator", f"{paradigm}-tiny"))
    for option in set(options) - WEIGHTS:
        given = f"options.{option}={OPTIONS[option]}"
        found[f"generator {option}"] = (f"generator.{given}",)
        found[f"reference {option}"] = (f"reference.use={paradigm}-tiny", f"reference.{given}")
        both = (f"reference.use={paradigm}-tiny", f"generator.{given}")
        found[f"generator {option} alone"] = both
    return found


def test_draws_of_another_history_are_computed_again(run, tmp_path) -> None:
    """The draws are the generator's, whatever the reference's own options are."""
    reference = ("reference.use=ar-tiny",)
    heard = begun("ar", run, tmp_path, "generator.options.history=0.25", *reference)
    whole = begun("ar", run, tmp_path, "generator.options.history=1.0", *reference)
    first, second = values(heard), values(whole)
    assert (first - second).abs().max() > 1
    torch.testing.assert_close(second, afresh(whole))
    torch.testing.assert_close(values(heard), afresh(heard))


@pytest.mark.slow
@every_paradigm
def test_a_changed_recipe_never_gets_stale_values(paradigm, run, tmp_path) -> None:
    values(begun(paradigm, run, tmp_path))
    for name, overrides in changes(paradigm).items():
        alignment = begun(paradigm, run, tmp_path, *overrides)
        served = values(alignment)
        torch.testing.assert_close(served, values(alignment), msg=name)
        torch.testing.assert_close(served, afresh(alignment), msg=name)


def test_values_are_shared_by_trainings_of_one_kind(run, tmp_path) -> None:
    first = values(begun("fm", run, tmp_path))
    again = begun("fm", run, tmp_path, "learning_rate=1", "objective.beta=2")
    again.reference.forward = None
    torch.testing.assert_close(values(again), first)


def test_damaged_values_are_computed_again(run, tmp_path) -> None:
    first = values(begun("fm", run, tmp_path))
    [path] = tmp_path.glob("reference-*.npy")
    whole = path.read_bytes()
    kept = np.load(path)
    place = len(whole) - kept.nbytes + 5  # in the first pair's first value
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
    torch.testing.assert_close(values(begun("fm", run, tmp_path)), first)
    assert path.read_bytes() == whole
    path.write_bytes(whole[: len(whole) // 2])
    torch.testing.assert_close(values(begun("fm", run, tmp_path)), first)


@pytest.mark.parametrize("name", ["x.bin", "targets.bin", "index.npz", "forms.json"])
@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_damaged_features_are_made_again_with_a_notice(name, how, run, tmp_path, capsys) -> None:
    cache = Path(shutil.copytree(_features(run), tmp_path / "cache"))
    [folder] = (path for path in cache.glob("pairs-*") if path.is_dir())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    content = bytearray(before[name])
    if how == "gone":
        (folder / name).unlink()
    else:
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content if how == "flipped" else content[: len(content) // 2])
    begun("fm", run, cache)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "is damaged and will be made again" in capsys.readouterr().err


def _features(run) -> Path:
    """A cache with the features of the run, made once."""
    cache = run.parent / "features"
    if not cache.exists():
        begun("fm", run, cache)
    return cache


def test_other_audio_with_the_same_ids_has_its_own_features(run, tmp_path) -> None:
    shutil.copytree(run, tmp_path / "run")
    export(tmp_path / "run", tmp_path / "exported", ExportOptions())
    source = ("pairs.source.kind=export", f"pairs.source.path={tmp_path / 'exported'}")
    before = begun("fm", run, tmp_path, *source).inputs
    for path in (tmp_path / "exported" / "data").glob("*.parquet"):
        table = pq.read_table(path)
        other = table.column("prompt").to_pylist()[::-1]
        place = table.schema.get_field_index("prompt")
        changed = pa.array(other, table.schema.field(place).type)
        pq.write_table(table.set_column(place, table.schema.field(place), changed), path)
    after = begun("fm", run, tmp_path, *source).inputs
    assert after.data.ids == before.data.ids
    assert after.identity != before.identity
    alone = begun("fm", run, tmp_path / "alone", *source).inputs
    np.testing.assert_array_equal(after.data.x, alone.data.x)
    assert not np.array_equal(after.data.x[:40], before.data.x[:40])


def test_a_decoder_is_trained_on_its_own_encoder(run, tmp_path) -> None:
    """Where the reference has other weights, it says nothing about what the policy hears."""
    other = other_weights(tmp_path / "other")
    words = (f"generator.options.checkpoint={other}", "reference.use=fm-tiny")
    whole, part = (
        begun("fm", run, tmp_path, f"train={train}", *words) for train in ("all", "decoder")
    )
    for alignment in (whole, part):
        batch = alignment.batching.make_batch(PAIRS, 0)
        with torch.no_grad():
            alignment.u = alignment.policy(batch.rows)
            alignment.u_ref = alignment.reference(batch.rows)
    torch.testing.assert_close(part.u, whole.u)
    torch.testing.assert_close(part.u_ref, whole.u_ref)
    assert (part.u - part.u_ref).abs().max() > 1e-4
    policy = part.inputs.generator.policy
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    alignment_step(part, PAIRS, 0)
    changed = {name for name, value in policy.state_dict().items() if (value != before[name]).any()}
    assert changed
    assert not any(name.startswith("encoder.") for name in changed)
    part.inputs.generator.save(tmp_path / "saved")
    kept = load_network(tmp_path / "saved", Flow).encoder.state_dict()
    assert all(torch.equal(value, before[f"encoder.{name}"]) for name, value in kept.items())


@every_paradigm
def test_a_decoder_with_one_encoder_reads_stored_output(paradigm, run, tmp_path) -> None:
    alignment = begun(paradigm, run, tmp_path, "train=decoder", f"reference.use={paradigm}-tiny")
    assert alignment.inputs.encoded
    moved(alignment)
    found = pair_losses(alignment, alignment.batching.make_batch(PAIRS, 0), "stored")
    assert found["margin"].abs().max() > 0


def test_the_key_of_a_cache_contains_the_version_of_the_code(run, tmp_path, monkeypatch) -> None:
    before = begun("fm", run, tmp_path).inputs.identity
    monkeypatch.setattr("gensr_pref.aligning.models._version", lambda _: "gensr_pref 99")
    assert begun("fm", run, tmp_path).inputs.identity != before


def test_files_of_the_cache_have_readable_names(run, tmp_path) -> None:
    values(begun("fm", run, tmp_path))
    [path] = tmp_path.glob("reference-*.npy")
    assert path.stem.endswith("-pass-000")
    facts = json.loads(next(tmp_path.glob("pairs-*/forms.json")).read_text())
    assert facts["revisions"] == {"fm-tiny": [from_pretrained(SHIPPED / "fm-tiny").revision]}
