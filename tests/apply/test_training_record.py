"""Tests of what a trained policy's folder, or a run's document, says about its votes."""

import json

import pytest

from gensr_pref.apply.training_record import (
    TrainingRecord,
    document_panel,
    document_votes,
    read_training,
    training_votes,
    with_votes,
)
from gensr_pref.config.run_file import GeneratorUse, MetricUse
from gensr_pref.errors import ConfigError, RunMismatchError
from tests.refusals import raises


def use(checkpoint):
    return GeneratorUse(use="fm-tiny", options={"checkpoint": str(checkpoint)})


def write_recipe(folder, text):
    folder.mkdir()
    (folder / "recipe.json").write_text(text)


def test_the_recipe_names_the_pairs_and_their_labels(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.yaml").touch()
    pairs = {"source": {"kind": "run", "path": "run"}, "labels": "random"}
    write_recipe(tmp_path / "dpo", json.dumps({"base": "..", "pairs": pairs}))
    record = TrainingRecord(tmp_path / "run", random_labels=True)
    assert read_training(use(tmp_path / "dpo"), tmp_path) == record
    assert read_training(use("dpo"), tmp_path) == record  # relative to the home folder
    (tmp_path / "run" / "run.yaml").unlink()
    assert read_training(use("dpo"), tmp_path).pairs is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pairs": 3}', '{"pairs": {"source": {}}}'])
def test_an_unreadable_recipe_gives_an_empty_record(tmp_path, text):
    write_recipe(tmp_path / "dpo", text)
    assert read_training(use("dpo"), tmp_path) == TrainingRecord()


def test_without_a_folder_the_record_is_empty(tmp_path):
    assert read_training(GeneratorUse(use="fm-tiny"), tmp_path) == TrainingRecord()


def test_the_votes_of_a_run_file_are_those_of_its_panel(tmp_path):
    document = {"panel": [{"metric": "stoi", "vote": ["stoi"]}, {"metric": "si_sdr"}]}
    assert document_votes(document, tmp_path) == {"stoi"}
    assert document_votes({**document, "pairing": {"rule": "golden"}}, tmp_path) == set()


def test_a_damaged_provenance_is_refused(tmp_path):
    document = {"provenance": {"panel": [{"nonsense": 1}]}}
    with raises(RunMismatchError, path="run.yaml", problem="damaged"):
        document_votes(document, tmp_path)


def test_a_panel_may_name_code_only_in_a_file_of_the_users_own():
    document = {"panel": [{"metric": "cheap:Roughness"}]}
    assert document_panel(document, own=True) == [MetricUse(metric="cheap:Roughness")]
    with raises(ConfigError, field="clips", value="cheap:Roughness", problem="unsafe"):
        document_panel(document)


def test_pairs_that_cannot_be_read_give_no_votes(tmp_path):
    votes, runs = training_votes([TrainingRecord(tmp_path), TrainingRecord()])
    assert (votes, runs) == (set(), [str(tmp_path)])


def test_votes_are_set_only_if_the_panel_has_one_of_the_scores(tmp_path):
    uses = [MetricUse(metric="stoi"), MetricUse(metric="si_sdr")]
    assert [metric.vote for metric in with_votes(uses, {"estoi"}, tmp_path)] == [["estoi"], []]
    assert with_votes(uses, {"pesq_wb"}, tmp_path) == uses
