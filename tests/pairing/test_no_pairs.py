"""The rule `none`: no clip has a pair, whatever its scores; its old name still works."""

import json

import pytest

from gensr_pref.auditing.listening.trials import load_trials
from gensr_pref.auditing.report.findings import list_findings
from gensr_pref.auditing.run_audit import audit
from gensr_pref.building import open_run
from gensr_pref.building.build import build
from gensr_pref.building.pair import pair
from gensr_pref.building.progress import line
from gensr_pref.building.status import status
from gensr_pref.building.yield_count import YieldSoFar
from gensr_pref.cli.main import main
from gensr_pref.config import plugins, run_file
from gensr_pref.config.run_file import Pairing
from gensr_pref.errors import ConfigError, InputError
from gensr_pref.exporting.export_run import export
from gensr_pref.pairing.base import Vote
from gensr_pref.pairing.no_pairs import NOTICE, asks_for_pairs
from gensr_pref.pairing.rules import built_in_rule, find_rule
from gensr_pref.pairing.votes import apply_pairing_settings
from tests.refusals import raises

OLD = "gensr_pref.pairing.unpaired:unpaired"  # in the run.yaml of evaluations of earlier versions


def test_rule_has_both_names():
    assert find_rule(OLD) is find_rule("none")
    assert built_in_rule("none") is find_rule("none")
    assert "none" in plugins.built_in("rule")


def test_only_this_rule_asks_for_no_pairs():
    rules = [*plugins.built_in("rule"), OLD, "mine:rule"]
    assert [rule for rule in rules if not asks_for_pairs(rule)] == ["none", OLD]


def test_no_score_must_vote():
    panel = [Vote("utmos", higher_is_better=True, votes=False)]
    assert apply_pairing_settings(panel, Pairing(rule="none")) == panel
    with raises(ConfigError, problem="empty", field="pairing.votes"):
        apply_pairing_settings(panel, Pairing())


@pytest.fixture(scope="module")
def unpaired(base, tmp_path_factory):
    """A run of one candidate per clip, in which no score votes and no pairs are asked for."""
    overrides = ["pairing.rule=none", "panel.0.vote=false", "generators.0.candidates=1"]
    out = tmp_path_factory.mktemp("unpaired") / "run"
    build(run_file.load(base / "run.yaml", overrides), out, base=base)
    return out


def test_summary_status_and_audit_say_that_no_pairs_were_asked_for(unpaired, capsys):
    summary = json.loads((unpaired / "summary.json").read_text())
    assert (summary["candidates"], summary["pairs"], summary["complete"]) == (7, 0, True)
    assert status(unpaired)["yield"] == summary["yield"] == 0
    audited = audit(unpaired)
    assert NOTICE in list_findings(audited)[0].text
    assert all(NOTICE in notices for notices in (summary["notices"], audited["notices"]))
    for command in ("status", "audit", "pair"):
        assert main([command, str(unpaired)]) == 0
        assert NOTICE in capsys.readouterr().out


def test_export_is_refused(unpaired, tmp_path):
    with raises(InputError, problem="empty", value="pairs"):
        export(unpaired, tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_listening_is_refused(unpaired, tmp_path):
    with raises(InputError, problem="empty", value="pairs", path=unpaired):
        load_trials(unpaired, 4)


def test_the_lines_of_a_build_do_not_mention_pairs(unpaired):
    snapshot = status(unpaired)
    assert "yield" in line(snapshot)
    assert "pairs" not in line(snapshot, asks_for_pairs=False)
    document = open_run.read_document(unpaired)
    assert not YieldSoFar(unpaired, document, find_rule("none")).asks_for_pairs


def test_another_rule_can_make_pairs_later(base, tmp_path):
    run = run_file.load(base / "run.yaml", ["pairing.rule=none", "panel.0.vote=false"])
    assert build(run, tmp_path / "run", base=base)["pairs"] == 0
    assert pair(tmp_path / "run", ["rule=top_bottom", "score=roughness"])["pairs"] > 0
