"""Tests of the demo: one command makes a dataset that `datasets` opens."""

import json

import datasets
import pyarrow.parquet as pq
import pytest

from gensr_pref.cli.main import main

SMALL = ["corpus.limit=3", "engine.kind=serial", "generators.0.candidates=3"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "run"
    assert main(["demo", "--out", str(out), *SMALL]) == 0
    return out


@pytest.mark.slow
def test_the_demo_makes_every_table(demo):
    summary = json.loads((demo / "summary.json").read_text())
    assert summary["clips"] == 3
    assert summary["candidates"] == 9
    assert summary["scored"] == 12
    assert summary["failures"] == {}
    scores = pq.read_table(demo / "scores").to_pylist()
    for row in scores:
        assert row["failures"] is None
        assert 1 <= row["dnsmos_ovrl"] <= 5
        assert -1 <= row["speaker_similarity"] <= 1
        assert row["wer"] >= 0
        assert 1 <= row["pesq_wb"] <= 4.65
        assert 0 < row["stoi"] <= 1


@pytest.mark.slow
def test_the_demo_prints_the_next_commands(demo, capsys):
    assert main(["demo", "--out", str(demo), *SMALL]) == 0
    told = capsys.readouterr().out
    for words in ("clips       3", "candidates  9", "yield", "dnsmos_ovrl", f"audit {demo}"):
        assert words in told


@pytest.mark.slow
@pytest.mark.parametrize(("table", "columns"), [("candidates", ["audio"]), ("clips", ["noisy"])])
def test_datasets_opens_the_tables_with_audio(demo, tmp_path, table, columns):
    loaded = datasets.load_dataset(
        "parquet",
        data_files=str(demo / table / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path),
    )
    for column in columns:
        assert isinstance(loaded.features[column], datasets.Audio)


@pytest.mark.slow
def test_the_demo_improves_the_background(demo):
    found = json.loads((demo / "audit" / "audit.json").read_text())
    assert found["means"]["dnsmos_bak"]["candidates"] > found["means"]["dnsmos_bak"]["noisy"]
