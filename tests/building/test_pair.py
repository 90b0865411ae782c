"""Tests of pairing a finished run again with other settings and rules."""

import pytest

from gensr_pref.building import open_run
from gensr_pref.building.build import build
from gensr_pref.building.pair import pair
from gensr_pref.cli.main import main
from gensr_pref.config.run_file import Pairing
from gensr_pref.errors import (
    ConfigError,
    InputError,
    RuleError,
    RunMismatchError,
)
from gensr_pref.pairing.votes import votes_of_run
from gensr_pref.rundir import part_files
from tests.pairing.test_pairs import pandas_pairs
from tests.refusals import raises
from tests.small_run import rows, tables


def test_pairs_are_those_that_pandas_finds(finished):
    votes = votes_of_run(open_run.read_document(finished))
    pairs = [(row["chosen_id"], row["rejected_id"]) for row in rows(finished, "pairs")]
    scores = part_files.read_all(finished, "scores")
    generators = {row["candidate_id"]: row["generator"] for row in rows(finished, "candidates")}
    assert sorted(pairs) == pandas_pairs(scores, generators, Pairing(), votes)


def test_pairs_can_be_made_again_with_other_settings(copy):
    before = tables(copy)
    summary = pair(copy, ["pairing.margin.level=1000"])
    assert summary["pairs"] == 0
    pair(copy, ["margin.level=0"])
    after = tables(copy)
    assert {k: v for k, v in after.items() if "pairs" not in k} == {
        k: v for k, v in before.items() if "pairs" not in k
    }
    assert rows(copy, "pairs")


def test_every_pair_call_starts_from_the_build(copy):
    built = open_run.read_document(copy).pairing
    pair(copy, ["rule=top_bottom", "score=roughness", "extremes=2", "pairs_per_clip=4"])
    pair(copy, ["rule=weighted"])
    assert open_run.read_document(copy).pairing == {**built, "rule": "weighted"}
    assert pair(copy, ["min.zero_crossings=2"])["pairs"] == 0
    before = rows(copy, "pairs")
    summary = pair(copy, [])
    assert summary["pairs"] > 0 == len(before)
    assert open_run.read_document(copy).pairing == built == summary["pairing"]


def test_command_reports_the_most_frequent_reason_if_no_clip_has_a_pair(copy, capsys):
    assert main(["pair", str(copy), "min.zero_crossings=2"]) == 0
    shown = capsys.readouterr().out
    assert (
        "No clip has a pair. The most frequent reason is bound: one candidate wins, but it violates"
        in shown
    )


def test_settings_of_the_build_that_another_rule_ignores_are_dropped(run, base, tmp_path):
    out = tmp_path / "run"
    settings = ["pairing.margin.level=0.001", "pairing.margin.roughness=0.0001"]
    build(run(*settings, "pairing.min.level=0.001"), out, base=base)
    pair(out, ["rule=top_bottom", "score=level"])
    pairing = open_run.read_document(out).pairing
    assert (pairing["margin"], pairing["min"]) == ({"level": 0.001}, {"level": 0.001})
    pair(out, ["rule=weighted", "gap=0.1"])
    assert open_run.read_document(out).pairing["margin"] == {}
    with raises(ConfigError, field="pairing.score", problem="unsupported"):
        pair(out, ["rule=weighted", "score=level"])
    with raises(
        ConfigError, field="pairing.margin.roughness", value="roughness", problem="conflict"
    ):
        pair(out, ["votes=[level]", "margin.roughness=0.1"])
    pair(out, [])
    assert open_run.read_document(out).pairing["margin"] == {"level": 0.001, "roughness": 0.0001}


def test_a_build_after_pairing_again_uses_its_own_pairing_section(run, base, copy):
    pair(copy, ["rule=weighted"])
    before = tables(copy)
    summary = build(run("pairing.min.zero_crossings=2"), copy, base=base)
    assert summary["pairing"]["min"] == {"zero_crossings": 2}
    assert {k for k, v in tables(copy).items() if v != before[k]} == {"pairs/part-00000.parquet"}
    pair(copy, ["rule=weighted"])
    assert open_run.read_document(copy).pairing["min"] == {"zero_crossings": 2}


def test_pairing_settings_are_checked(copy):
    with raises(ConfigError, field="pairing.margn", value="margn", problem="unknown"):
        pair(copy, ["margn.level=1"])
    with raises(RunMismatchError, path=copy / "clips", problem="missing"):
        pair(copy / "clips", [])
    assert not (copy / "clips" / ".lock").exists()


@pytest.mark.parametrize("setting", ["margn.level=1", "margin={no_score: 1}", "rule=no_rule"])
def test_work_is_announced_after_the_checks(copy, capsys, setting):
    lines = []
    with pytest.raises(InputError):
        pair(copy, [setting], lines.append)
    assert lines == []
    assert main(["pair", str(copy), setting]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1  # the error alone


@pytest.mark.parametrize(
    ("rule", "problem", "cause"),
    [
        ("same_twice", "failed", ValueError),
        ("out_of_range", "failed", IndexError),
        ("boom", "failed", RuntimeError),
        ("nothing", "failed", TypeError),
        ("twice", "duplicate", type(None)),
        ("itself", "failed", type(None)),
    ],
)
def test_rule_that_misbehaves_is_named(copy, rule, problem, cause):
    with raises(RuleError, field="pairing.rule", problem=problem) as caught:
        pair(copy, [f"rule=cheap:{rule}"])
    assert type(caught.value.__cause__) is cause
    assert f"'cheap:{rule}'" in str(caught.value)
