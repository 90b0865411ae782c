"""Tests of clips, speakers and recordings that are in several splits."""

import json

import pyarrow as pa

from gensr_pref.corpus.leakage import find_leakage, shared_units


def test_units_in_several_splits_are_counted_and_named():
    splits = ["train", "train", "validation"]
    assert shared_units(splits, ["x", None, "x"]) == {"shared": 1, "examples": ["x"]}
    assert shared_units(splits, ["x", "x", "y"]) == {"shared": 0, "examples": []}
    assert shared_units(splits, [None, None, None]) == {"shared": 0, "examples": []}


def test_at_most_five_examples_are_named():
    units = [f"speaker {index}" for index in range(7)]
    shared = shared_units(["train"] * 7 + ["validation"] * 7, units * 2)
    assert shared == {"shared": 7, "examples": units[:5]}


def test_the_leakage_of_a_table_of_clips():
    clips = pa.table(
        {
            "clip_id": ["a", "b", "c"],
            "speaker": ["ann", "bob", "ann"],
            "source": [json.dumps({"source_id": name}) for name in ("1.wav", "2.wav", "2.wav")],
            "split": ["train", "train", "validation"],
        }
    )
    assert find_leakage(clips) == {
        "clips": {"train": 2, "validation": 1},
        "clip": {"shared": 0, "examples": []},
        "speaker": {"shared": 1, "examples": ["ann"]},
        "source": {"shared": 1, "examples": ["2.wav"]},
    }
