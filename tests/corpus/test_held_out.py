"""Tests of a run on real speech and noise that are not part of the repository."""

import json
from pathlib import Path

import pytest

from gensr_pref.building.build import build
from gensr_pref.config import run_file
from gensr_pref.identity import seed_for

DATA = Path(__file__).parents[2].parent / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.corpus,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the real audio is not there: {DATA}"),
]


def test_candidates_improve_on_speakers_outside_the_training_data(tmp_path):
    """The speakers are those that the shipped model's recipe held out."""
    rows = (DATA / "speech.csv").read_text(encoding="utf-8").splitlines()
    held_out = [row for row in rows[1:] if seed_for(0, "held-out", row.split(",")[1]) % 3 == 0]
    (tmp_path / "speech.csv").write_text("\n".join([rows[0], *held_out]), encoding="utf-8")
    # What is drawn for a clip depends on the paths in the run file: the same ones everywhere.
    (tmp_path / "data").symlink_to(DATA, target_is_directory=True)
    source = {"kind": "manifest", "path": "speech.csv", "root": "data"}
    noise = {"kind": "folder", "path": "data/noise"}
    run = run_file.Run.model_validate(
        {
            "corpus": {
                "source": {**source, "columns": {"speaker": "speaker"}},
                "segment_seconds": [2, 4],
                "limit": 10,
                "degrade": {"noise": {"probability": 1, "source": noise, "snr_db": [0, 10]}},
            },
            "generators": [{"use": "fm-tiny", "candidates": 4}],
            "panel": [{"metric": "speaker_similarity"}, {"metric": "pesq", "vote": True}],
            "engine": {"kind": "serial"},
        }
    )
    from gensr_pref.auditing.run_audit import audit

    summary = build(run, tmp_path / "run", base=tmp_path)
    assert summary["clips"] == 10
    found = audit(tmp_path / "run")
    assert json.loads((tmp_path / "run" / "audit" / "audit.json").read_text()) == found
    assert found["improvement"]["speaker_similarity"][0] > 0
    assert found["improvement"]["pesq_wb"][0] > 0
