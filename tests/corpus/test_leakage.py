"""Tests of clips, speakers and recordings that several splits share."""

from gensr_pref.corpus.leakage import leakage


def test_leakage_names_who_is_on_both_sides():
    found = leakage(
        ["train", "train", "validation"],
        {"clip": ["a", "b", "c"], "speaker": ["x", None, "x"], "source": [None, None, None]},
    )
    assert found["clips"] == {"train": 2, "validation": 1}
    assert found["clip"] == {"shared": 0, "examples": []}
    assert found["speaker"] == {"shared": 1, "examples": ["x"]}
    assert found["source"]["shared"] == 0
