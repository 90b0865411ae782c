"""Tests of the pilot that estimates what a number of pairs needs."""

import json

import pytest

from gensr_pref.building.build import build
from gensr_pref.cli.main import main


def test_plan_estimates_the_needs_of_a_number_of_pairs(run, base, tmp_path, capsys):
    out = str(tmp_path / "pilot")
    arguments = [str(base / "run.yaml"), "--pairs", "1000", "--clips", "5", "--out", out]
    assert main(["plan", *arguments, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    pairs, clips = plan["pilot"]["pairs"], plan["pilot"]["clips"]
    assert (clips, plan["clips_in_corpus"]) == (5, 7)
    value, fewest, most = plan["clips"]
    assert fewest <= value <= most
    assert value == -(-1000 * clips // pairs)
    assert plan["crews"][0]["hours"] == pytest.approx(sum(plan["work_hours"].values()))
    assert plan["bottleneck"] in ("sample", "score")
    assert plan["disk_gb"] > 0
    assert plan["agreement"][0]["scores"] == ["roughness", "level"]
    assert main(["plan", *arguments]) == 0
    assert "aim         1000 pairs" in capsys.readouterr().out
    summary = build(run(), tmp_path / "pilot", base=base)  # the run continues the pilot
    assert summary["clips"] == 7
