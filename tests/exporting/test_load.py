"""Tests of loading exports as arrays, without torchcodec."""

import sys

import datasets
import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.errors import InputError
from gensr_pref.exporting.load import disable_decoding, load
from tests.exporting.test_dataset import table
from tests.refusals import raises


@pytest.fixture(autouse=True)
def no_decoder(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torchcodec", None)  # its import fails


@pytest.mark.parametrize("split", ["train", "validation"])
def test_rows_have_the_samples_of_the_run(built, exported, split) -> None:
    rows = list(load(exported, split=split))
    assert rows
    clips = table(built, "clips", "clip_id")
    candidates = table(built, "candidates", "candidate_id")
    for row in rows:
        assert clips[row["clip_id"]]["split"] == split
        wanted = {
            "prompt": clips[row["clip_id"]]["noisy"],
            "chosen": candidates[row["chosen_id"]]["audio"],
            "rejected": candidates[row["rejected_id"]]["audio"],
        }
        for name, value in wanted.items():
            sound = audio.from_column(value)
            assert row[name]["array"].dtype == np.float32
            assert row[name]["sampling_rate"] == sound.rate
            np.testing.assert_array_equal(row[name]["array"], sound.wave)


def test_rows_can_be_read_one_by_one(exported) -> None:
    first = next(load(str(exported)))
    assert first["pair_id"] == next(load(exported))["pair_id"]
    assert len(first["prompt"]["array"]) == first["num_samples"]


def test_candidates_are_read_too(exported) -> None:
    assert all("scores" in row for row in load(exported, "candidates"))


def test_undecoded_rows_are_bytes(exported, tmp_path) -> None:
    whole = datasets.load_dataset(str(exported), split="train", cache_dir=str(tmp_path))
    assert disable_decoding(whole)[0]["chosen"]["bytes"].startswith(b"fLaC")


def test_a_folder_without_a_dataset_is_refused(tmp_path) -> None:
    with raises(InputError, path="nothing", problem="unreadable"):
        load(tmp_path / "nothing")
