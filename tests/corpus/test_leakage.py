"""Tests of clips, speakers and recordings that several splits share."""

from gensr_pref.corpus.leakage import leakage


def test_leakage_names_values_in_both_splits():
    found = leakage(
        ["train", "train", "validation"],
        {"clip": ["a", "b", "c"], "speaker": ["x", None, "x"], "source": [None, None, None]},
    )
    assert found["clips"] == {"train": 2, "validation": 1}
    assert found["clip"] == {"shared": 0, "examples": []}
    assert found["speaker"] == {"shared": 1, "examples": ["x"]}
    assert found["source"]["shared"] == 0
