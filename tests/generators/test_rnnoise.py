"""A test of examples/rnnoise: an external enhancer in its own environment makes a dataset."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gensr_pref import audio
from gensr_pref.building.build import build
from gensr_pref.config import run_file
from gensr_pref.metrics.panel import Panel
from tests.small_run import rows

EXAMPLE = Path(__file__).parents[2] / "examples" / "rnnoise"
PACKAGE = "pyrnnoise==0.4.5"


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> str:
    """Path of a Python with RNNoise: the example's, or one that is made for the test."""
    existing = EXAMPLE / "env" / "bin" / "python"
    if existing.exists():
        return str(existing)
    folder = tmp_path_factory.mktemp("rnnoise")
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    python = folder / "env" / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", PACKAGE], capture_output=True, text=True
    )
    if done.returncode != 0:
        shutil.rmtree(folder)
        pytest.skip(f"{PACKAGE} cannot be installed here: {done.stderr.strip()[-300:]}")
    return str(python)


@pytest.fixture(scope="module")
def finished_run(program, tmp_path_factory):
    """A run directory of two clips, and its summary."""
    words = json.dumps([program, "restore.py", "{manifest}"])
    panel = "panel=[{metric: stoi, vote: true}]"
    overrides = [f"generators.0.options.command={words}", "corpus.limit=2", panel]
    out = tmp_path_factory.mktemp("run") / "run"
    return out, build(run_file.load(EXAMPLE / "run.yaml", overrides), out, base=EXAMPLE)


@pytest.mark.slow
def test_a_program_in_another_environment_makes_a_dataset(finished_run):
    out, summary = finished_run
    assert summary["failures"] == {}
    assert summary["notices"] == []  # the same seed gave the same audio
    candidates = rows(out, "candidates")
    assert len(candidates) == 8
    assert {row["sample_rate"] for row in candidates} == {48000}
    assert {row["revision"] for row in candidates} == {"pyrnnoise-0.4.5"}
    shares = [json.loads(row["sampling"])["noisy_share"] for row in candidates]
    assert len(set(shares)) == 8
    assert all(0 <= share <= 0.5 for share in shares)
    assert summary["pairs"] == 2


@pytest.mark.slow
def test_the_program_adds_no_delay(finished_run):
    """A lag of one of RNNoise's frames, 10 ms, would cost all SI-SDR."""
    out, _ = finished_run
    panel = Panel(["stoi", "si_sdr"])
    for clip in rows(out, "clips"):
        clean, noisy = (audio.from_column(clip[name]) for name in ("clean", "noisy"))
        candidates = [
            audio.from_column(row["audio"])
            for row in rows(out, "candidates")
            if row["clip_id"] == clip["clip_id"]
        ]
        before, *after = (result.values for result in panel.score([noisy, *candidates], clean))
        assert min(values["stoi"] for values in after) > before["stoi"] - 0.05
        assert max(values["si_sdr"] for values in after) > before["si_sdr"]
