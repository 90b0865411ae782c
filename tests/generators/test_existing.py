"""Tests of pipelines/existing_candidates.yaml on outputs of real enhancers."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.building.build import build
from gensr_pref.config import run_file
from tests.small_run import rows

ROOT = Path(__file__).parents[2]
PIPELINE = ROOT / "pipelines" / "existing_candidates.yaml"
DATA = ROOT.parent / "shared" / "data"
BLIND = ["clc", "clc_deverb", "dccrn_e", "dccrn_e_aug", "nsnet"]
CDIFFUSE = ["cdiffuse_enhanced", "cdiffuse_raw_enhanced"]

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real audio at {DATA}"),
]


@pytest.fixture
def build_collection(tmp_path):
    """Build a dataset from a collection of paired.csv: noisy and clean items, systems' outputs."""

    def of(collection, systems, *overrides, limit=4):
        with (DATA / "paired.csv").open(newline="", encoding="utf-8") as lines:
            items = [row for row in csv.DictReader(lines) if row["collection"] == collection]
        noisy = [row["path"] for row in items if row["role"] == "noisy"]
        clean = {row["item"]: row["path"] for row in items if row["role"] == "clean"}
        table = ["path,clean", *(f"{path},{clean.get(Path(path).parent.name)}" for path in noisy)]
        (tmp_path / "noisy.csv").write_text("\n".join(table), encoding="utf-8")
        columns = {"audio": "path", "clean": "clean" if clean else None}
        source = {"kind": "manifest", "path": "noisy.csv", "root": str(DATA), "columns": columns}
        options = {"path": str(DATA), "files": "{parent}/cand_{system}.flac", "systems": systems}
        run = run_file.load(
            PIPELINE,
            [
                f"corpus.source={json.dumps(source)}",
                f"corpus.limit={limit}",
                f"generators.0.candidates={len(systems)}",
                f"generators.0.options={json.dumps(options)}",
                "engine={kind: serial}",
                *overrides,
            ],
        )
        return build(run, tmp_path / "run", base=tmp_path)

    return of


def test_a_dataset_of_five_enhancers_without_a_model(build_collection, tmp_path):
    summary = build_collection("dns2020_blind", BLIND)
    assert summary["complete"]
    assert summary["failures"] == {}
    assert (summary["clips"], summary["candidates"]) == (4, 20)
    assert summary["pairs"] > 0
    named = {
        r["candidate_id"]: json.loads(r["sampling"]) for r in rows(tmp_path / "run", "candidates")
    }
    for name, sampling in named.items():
        assert sampling["system"] == BLIND[int(name.split("/")[-1])]
        assert sampling["file"].endswith(f"/cand_{sampling['system']}.flac")
    winners = Counter(named[row["chosen_id"]]["system"] for row in rows(tmp_path / "run", "pairs"))
    assert sum(winners.values()) == summary["pairs"]


def test_candidates_are_those_of_their_clip(build_collection, tmp_path):
    """Each candidate correlates more with its own noisy clip than with any other."""
    build_collection("dns2020_blind", BLIND, "panel=[{metric: dnsmos}]", limit=3)
    clips = {
        r["clip_id"]: audio.from_column(r["noisy"]).wave for r in rows(tmp_path / "run", "clips")
    }
    for row in rows(tmp_path / "run", "candidates"):
        wave = audio.from_column(row["audio"]).wave
        likeness = {name: _likeness(wave, noisy) for name, noisy in clips.items()}
        assert max(likeness, key=likeness.get) == row["clip_id"]


def _likeness(first, second):
    """Return the largest magnitude of the cross-correlation within 50 ms."""
    length = min(len(first), len(second))
    spectrum = np.fft.rfft(first[:length], 2 * length) * np.conj(
        np.fft.rfft(second[:length], 2 * length)
    )
    correlation = np.fft.irfft(spectrum)
    norm = np.linalg.norm(first[:length]) * np.linalg.norm(second[:length])
    return float(np.abs(np.r_[correlation[:800], correlation[-800:]]).max() / norm)


def test_existing_files_are_cut_into_segments(build_collection, tmp_path):
    """Items of 10 s are segmented; each candidate is the segment of its clip."""
    summary = build_collection(
        "dns2020_blind", BLIND, "corpus.segment_seconds=[2, 4]", "panel=[{metric: dnsmos}]", limit=2
    )
    assert summary["failures"] == {}
    clips = {r["clip_id"]: r for r in rows(tmp_path / "run", "clips")}
    for row in rows(tmp_path / "run", "candidates"):
        clip = clips[row["clip_id"]]
        assert row["num_samples"] == clip["num_samples"] < 5 * 16000
        noisy, wave = (audio.from_column(r).wave for r in (clip["noisy"], row["audio"]))
        assert _likeness(wave, noisy) > 0.3


def test_a_diffusion_model_with_clean_references(build_collection):
    panel = "panel=[{metric: pesq, vote: true}, {metric: stoi, vote: true}]"
    summary = build_collection("voicebank_demand_cdiffuse", CDIFFUSE, panel, limit=8)
    assert summary["failures"] == {}
    assert (summary["clips"], summary["candidates"]) == (8, 16)
    assert summary["pairs"] > 0
