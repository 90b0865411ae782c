"""Tests of `plan`: a pilot run, and the estimate of what a number of pairs needs."""

import json

import pytest

from gensr_pref.apply.pilot import plan
from gensr_pref.building.build import build
from gensr_pref.cli.main import main
from gensr_pref.errors import InputError
from tests.refusals import raises


def test_the_estimate_follows_from_the_pilot(run, base, tmp_path, capsys):
    out = str(tmp_path / "pilot")
    arguments = [str(base / "run.yaml"), "--pairs", "1000", "--clips", "5", "--out", out]
    assert main(["plan", *arguments, "--json"]) == 0
    needs = json.loads(capsys.readouterr().out)
    pairs, clips = needs["pilot"]["pairs"], needs["pilot"]["clips"]
    assert (clips, needs["clips_in_corpus"]) == (5, 7)
    value, fewest, most = needs["clips"]
    assert fewest <= value <= most
    assert value == -(-1000 * clips // pairs)
    assert needs["crews"][0]["hours"] == pytest.approx(sum(needs["work_hours"].values()))
    assert needs["bottleneck"] in ("sample", "score")
    assert needs["disk_gb"] > 0
    assert needs["agreement"][0]["scores"] == ["roughness", "level"]
    assert main(["plan", *arguments]) == 0
    assert "aim         1000 pairs" in capsys.readouterr().out
    summary = build(run(), tmp_path / "pilot", base=base)  # the whole run goes on from there
    assert summary["clips"] == 7


@pytest.mark.parametrize(
    ("pilot", "pairs", "field"), [(0, 10, "pilot"), (4, -1, "pairs"), (4, 2.5, "pairs")]
)
def test_numbers_below_one_are_refused(base, run, tmp_path, pilot, pairs, field):
    with raises(
        InputError, field=field, value=pilot if field == "pilot" else pairs, problem="invalid"
    ):
        plan(run(), base, tmp_path / "pilot", pilot, pairs)
    assert not (tmp_path / "pilot").exists()
