"""Tests of docs/alignment.md: its snippets run, and its tables are complete."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from gensr_pref.aligning.align import align
from gensr_pref.aligning.alignment_run import start_alignment
from gensr_pref.aligning.pretrain import recipe as recipes
from gensr_pref.aligning.recipe import Average, Dpo, Objective, PairSettings
from gensr_pref.aligning.step import pair_losses
from gensr_pref.building.build import build
from gensr_pref.config import run_file
from tests.aligning.conftest import DATA, furnish

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "alignment.md").read_text(encoding="utf-8")


@pytest.fixture
def mine(own_modules):
    """A folder with the example, and a run of it."""
    [source] = re.findall(r"runs this -->\n```python\n(.*?)```", PAGE, re.S)
    (own_modules / "mine.py").write_text(source, encoding="utf-8")
    furnish(own_modules)
    corpus = {**DATA["corpus"], "segment_seconds": [0.8, 1.6]}  # long enough to learn from
    data = {**DATA, "corpus": corpus, "generators": [{"use": "mine:Model", "candidates": 4}]}
    summary = build(
        run_file.parse(data, run_file.Run, "docs"), own_modules / "run", base=own_modules
    )
    assert summary["pairs"]
    return own_modules


@pytest.mark.slow
def test_the_example_generator_is_aligned(mine) -> None:
    data = {
        "recipe": "dpo",
        "generator": {"use": "mine:Model"},
        "pairs": {"source": {"kind": "run", "path": "run"}},
        "anchor": {"weight": 1},
        "objective": {"beta": 10},
        "batch": 8,
        "epochs": 20,
        "learning_rate": 0.003,
    }
    made = run_file.parse(data, Dpo, "docs")
    alignment = start_alignment(made, mine, mine / "probe")
    first = pair_losses(
        alignment, alignment.batching.make_batch(alignment.training[:8], 0), "first"
    )
    # Beta is 10, u no more than 10 and to 1e-6 of itself in float32.
    assert first["preference"].tolist() == pytest.approx([np.log(2)] * 8, abs=1e-4)
    result = align(made, mine / "out", base=mine)
    assert result["training"]["accuracy"] > 0.6
    assert result["training"]["loss"] < first["loss"].mean().item()
    again = run_file.parse(
        data | {"generator": {"use": "mine:Model", "options": {"checkpoint": str(mine / "out")}}},
        Dpo,
        "docs",
    )
    loaded = start_alignment(again, mine, mine / "again").inputs.generator.policy
    before = alignment.inputs.generator.policy
    apart = [
        not torch.equal(a, b) for a, b in zip(loaded.parameters(), before.parameters(), strict=True)
    ]
    assert all(apart)


@pytest.mark.parametrize("name", ["dpo_ar_tiny", "dpo_mgm_tiny", "dpo_fm_tiny"])
def test_the_shipped_recipes_are_valid_and_have_no_absolute_path(name: str) -> None:
    path = REPOSITORY / "pipelines" / f"{name}.yaml"
    assert isinstance(recipes.load_recipe(path, []), Dpo)
    assert ": /" not in path.read_text()


def test_the_recipe_that_averages_is_valid() -> None:
    [text] = [t for t in re.findall(r"```yaml\n(.*?)```", PAGE, re.S) if "average" in t]
    assert isinstance(run_file.parse(yaml.safe_load(text), Average, "docs"), Average)


def test_every_field_of_the_pairs_and_every_objective_is_on_the_page() -> None:
    for name in PairSettings.model_fields:
        assert f"`{name}`" in PAGE
    for name in Objective.model_fields["name"].annotation.__args__:
        assert f"`{name}`" in PAGE
