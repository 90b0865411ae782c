"""Tests of scores and notes in a build, and of metrics that fail."""

from collections import Counter

import datasets
import pytest

from gensr_pref.auditing.run_audit import audit
from gensr_pref.building.build import build
from gensr_pref.building.pair import pair
from gensr_pref.cli import summary_text
from tests.building.conftest import HISS, null_reasons
from tests.small_run import rows


def test_metric_that_raises_gives_nulls_and_no_pairs(run, base, tmp_path):
    summary = build(run("panel=[{metric: 'cheap:Sulking'}]"), tmp_path / "run", base=base)
    assert summary["pairs"] == 0
    assert summary["failures"]["scores"] == {"metric_error": 28 * 3}
    for row in rows(tmp_path / "run", "scores"):
        assert row["roughness"] is None
        assert {failure["reason"] for failure in row["failures"]} == {"metric_error"}


def test_notes_of_metrics_are_saved_with_the_scores(spoken, base, tmp_path, capsys):
    summary = build(spoken(), tmp_path / "run", base=base)
    for row in rows(tmp_path / "run", "scores"):
        assert row["notes"]["heard"] == "sentence 0/sentence 1"
        assert row["notes"]["length"] is None or row["notes"]["length"] > 1000
    assert summary["notices"] == ["cheap:Talkative: handle with care"]
    assert "note        cheap:Talkative: handle with care" in summary_text.describe_summary(
        summary, audit(tmp_path / "run")
    )
    loaded = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "run" / "scores" / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert loaded[0]["notes"]["heard"] == "sentence 0/sentence 1"
    assert pair(tmp_path / "run", ["margin.level=0.01"])["clips"] == 7


def test_failed_score_is_named_in_a_column(run, base, tmp_path):
    panel = "panel=[{metric: 'cheap:Sulking'}, {metric: 'cheap:Lengthy'}]"
    build(run(panel, f"generators=[{HISS}]", "corpus.limit=1"), tmp_path / "run", base=base)
    failures = rows(tmp_path / "run", "failures")
    assert Counter(row["score"] for row in failures) == dict.fromkeys(
        ("roughness", "level", "zero_crossings"), 3
    )
    assert {row["detail"] for row in failures} == {"RuntimeError: not today"}


@pytest.mark.parametrize(
    "engine",
    [
        ["engine.kind=serial"],
        pytest.param(["engine.kind=ray", "engine.workers=1"], marks=pytest.mark.slow),
    ],
)
def test_metric_that_hangs_is_interrupted(poisoned, tmp_path, longest_clip, restarts, engine):
    assert poisoned("sleeps", *engine, "engine.limit_seconds=2")["complete"]
    assert null_reasons(tmp_path, longest_clip) == [["timed_out"]] * 3
    assert restarts == []
