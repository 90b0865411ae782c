"""Tests of the summary: its counts, its notices, and whether a run is complete."""

import json

import pytest

from gensr_pref.building.build import build
from gensr_pref.building.pair import pair
from tests.commands import run_command
from tests.parts import unmade
from tests.small_run import rows


def test_summary_counts_the_rows_of_the_tables(finished):
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["clips"] == 7
    assert summary["candidates"] == 21
    assert summary["pairs"] == len(rows(finished, "pairs"))
    assert summary["yield"] == summary["clips_with_pair"] / 7
    assert summary["shards"] == summary["shards_expected"] == 4
    seconds = sum(row["num_samples"] / row["sample_rate"] for row in rows(finished, "candidates"))
    assert summary["stages"]["sample"]["audio_seconds"] == pytest.approx(seconds, abs=0.01)
    assert summary["stages"]["score"]["seconds"] > 0


def test_pairing_an_incomplete_run_leaves_it_incomplete(copy):
    unmade(copy, "scores/part-00001.parquet")
    summary = pair(copy, [])
    assert (summary["shards"], summary["shards_expected"]) == (3, 4)
    assert not summary["complete"]
    assert run_command("pair", copy) == 1


def test_notice_of_clips_for_which_no_degradation_was_drawn(run, base, tmp_path):
    always = build(run("corpus.limit=3"), tmp_path / "always", base=base)
    assert always["clips_undegraded"] == 0
    never = build(
        run("corpus.limit=3", "corpus.degrade.noise.probability=0"), tmp_path / "no", base=base
    )
    assert never["clips_undegraded"] == 3
    assert any("corpus.degrade" in notice for notice in never["notices"])
    assert not any("corpus.degrade" in notice for notice in always["notices"])
