"""Tests of the findings in the report's summary."""

import copy

import pytest

from gensr_pref.auditing.report.findings import list_findings
from gensr_pref.errors import quantity

GOOD = {
    "yield": {"joint": 0.8, "by_chance": 0.4, "joint_interval": [0.7, 0.9]},
    "rule": "unanimous",
    "clips": 100,
    "without_pair": {"veto": 20},
    "panel": {
        "effective_votes": {"votes": 4, "value": 2.9, "low": 2.5, "high": 3.2, "clips": 90},
        "comparisons": 0.3,
        "comparisons_by_chance": 0.13,
        "scales": {"a": {"margin": 0.0, "spread": 0.2}, "b": {"margin": 0.1, "spread": 2.0}},
        "vetoes": [
            {"score": "a", "alone_against": 0.4, "low": 0.3, "high": 0.5, "clips": 90,
             "yield_lost": 0.1},
            {"score": "b", "alone_against": 0.2, "low": 0.1, "high": 0.3, "clips": 90,
             "yield_lost": 0.0},
        ],
    },
    "yield_by_margin": [
        {"spreads": 0.0, "yield": 0.8, "by_chance": 0.4},
        {"spreads": 0.5, "yield": 0.7, "by_chance": 0.2},
        {"spreads": 1.0, "yield": 0.3, "by_chance": 0.1},
    ],
    "breakdown": {
        "degradation": [
            {"value": "noise", "clips": 500, "yield": 0.8, "low": 0.77, "high": 0.83},
            {"value": "reverb", "clips": 400, "yield": 0.75, "low": 0.7, "high": 0.8},
        ]
    },
    "listening": {
        "answers": 90,
        "listeners": 2,
        "not_counted": 0,
        "catches": [],
        "panel": {"agree": 0.7, "tie": 0.2, "against": 0.1, "of_decided": 0.9,
                  "of_decided_interval": [0.8, 0.95], "clips": 80},
    },
    "hold_out": [{"score": "h", "pairs": 50, "clips": 50, "rate": 0.7, "low": 0.6, "high": 0.8}],
    "sides": [
        {"property": "level_db", "pairs": 900, "clips": 900, "difference": 0.01, "low": -0.1,
         "high": 0.1, "cliffs_delta": 0.01, "delta_low": -0.1, "delta_high": 0.1,
         "warns": False, "harmless": True}
    ],
    "learnability": [
        {"generator": "g", "clips": 90, "accuracy": 0.7, "low": 0.6, "high": 0.8,
         "shuffled_low": 0.4, "shuffled_high": 0.6, "p_value": 0.01}
    ],
    "improvement": {"s": [0.5, 0.4, 0.6]},
    "improvement_clips": {"s": 100, "t": 100},
    "repeats": {"same": 0.0, "same_interval": [0.0, 0.03], "clips": 100},
    "leakage": {
        "clips": {"train": 9, "validation": 1},
        **{unit: {"shared": 0, "examples": []} for unit in ("clip", "speaker", "source")},
    },
}  # fmt: skip


CASES = [
    (0, "undecided", lambda a: a["yield"].update(by_chance=0.75)),
    (0, "check", lambda a: a["yield"].update(joint_interval=[1.0, 1.0], by_chance=0.99)),
    (0, "check", lambda a: a["yield"].update(by_chance=0.95)),
    (0, "check", lambda a: a["yield"].update(joint=0.3, joint_interval=[0.2, 0.38])),
    (0, "undecided", lambda a: a["yield"].update(by_chance=None)),
    (1, "check", lambda a: a["panel"]["effective_votes"].update(value=1.5, low=1.2, high=1.9)),
    (1, "undecided", lambda a: a["panel"]["effective_votes"].update(low=1.9)),
    (1, "undecided", lambda a: a["panel"]["effective_votes"].update(low=None, high=None, clips=2)),
    (2, "check", lambda a: a["panel"]["vetoes"][1].update(alone_against=0.01, low=0.0, high=0.04)),
    (2, "undecided", lambda a: a["panel"]["vetoes"][1].update(low=0.0)),
    (3, "check", lambda a: a["breakdown"]["degradation"][1].update({"yield": 0.3, "high": 0.5})),
    (3, "undecided", lambda a: a["breakdown"]["degradation"][1].update(low=0.5)),
    (3, "undecided", lambda a: a["breakdown"]["degradation"][1].update(clips=7)),
    (4, "undecided", lambda a: a.update(listening={"answers": 0})),
    (4, "undecided", lambda a: a["listening"]["panel"].update(of_decided_interval=[0.4, 0.95])),
    (4, "undecided", lambda a: a["listening"]["panel"].update(clips=4)),
    (4, "problem", lambda a: a["listening"]["panel"].update(of_decided_interval=[0.1, 0.4])),
    (5, "problem", lambda a: a["hold_out"][0].update(low=0.2, high=0.4)),
    (5, "undecided", lambda a: a["hold_out"][0].update(low=0.4)),
    (5, "undecided", lambda a: a["hold_out"][0].update(clips=7)),
    (5, "undecided", lambda a: a["hold_out"].clear()),
    (6, "check", lambda a: a["sides"][0].update(warns=True)),
    (6, "undecided", lambda a: a["sides"][0].update(harmless=False)),
    (6, "undecided", lambda a: a["sides"][0].update(pairs=0)),
    (7, "problem", lambda a: a["learnability"][0].update(p_value=0.4, low=0.45, high=0.54)),
    (7, "undecided", lambda a: a["learnability"][0].update(p_value=0.4)),
    (7, "undecided", lambda a: a["learnability"][0].update(accuracy=None)),
    (7, "undecided", lambda a: a.update(learnability=[], golden=9)),
    (8, "check", lambda a: a["improvement"].update(t=[-0.5, -0.6, -0.4])),
    (8, "undecided", lambda a: a["improvement"].update(t=[-0.5, -0.6, 0.4])),
    (8, "undecided", lambda a: a["improvement_clips"].update(s=3)),
    (9, "check", lambda a: a["repeats"].update(same=0.2, same_interval=[0.1, 0.3])),
    (9, "undecided", lambda a: a["repeats"].update(same=0.0, same_interval=[0.0, 0.3])),
    (10, "check", lambda a: a["leakage"]["clips"].pop("validation")),
    (10, "problem", lambda a: a["leakage"]["speaker"].update(shared=1)),
]


def test_listeners_whose_answers_do_not_count_are_named_and_give_no_verdict():
    audit = copy.deepcopy(GOOD)
    out = {"listener": "ann", "answers": 4, "counted": False, "why": "failed_catches"}
    audit["listening"] = {"answers": 0, "listeners": 0, "not_counted": 4, "catches": [out]}
    summary = list_findings(audit)[4]
    assert summary.verdict == "undecided"
    assert "ann" in summary.text


def test_all_verdicts_can_be_good():
    assert [finding.verdict for finding in list_findings(GOOD)] == ["good"] * 11


@pytest.mark.parametrize(("index", "verdict", "change"), CASES)
def test_each_verdict_changes_alone_and_names_a_next_step(index, verdict, change):
    audit = copy.deepcopy(GOOD)
    change(audit)
    summary = list_findings(audit)
    assert [finding.verdict for k, finding in enumerate(summary) if k != index] == ["good"] * 10
    assert summary[index].verdict == verdict
    assert summary[index].next_step or verdict == "undecided"


def test_margins_farthest_above_chance_are_advised():
    audit = copy.deepcopy(GOOD)
    audit["yield"].update(joint_interval=[0.97, 1.0], by_chance=0.95)
    next_step = list_findings(audit)[0].next_step
    assert (
        "With margins of 0.5 spreads, 70\N{NO-BREAK SPACE}% of the clips keep a pair" in next_step
    )
    assert "gensr-pref pair DIR margin.a=0.100 margin.b=1.10" in next_step


def test_margins_no_better_than_chance_are_not_advised():
    audit = copy.deepcopy(GOOD)
    audit["yield"].update(joint_interval=[0.97, 1.0], by_chance=0.99)
    for row in audit["yield_by_margin"]:
        row["by_chance"] = row["yield"] - 0.001 * row["spreads"]
    assert "margin." not in list_findings(audit)[0].next_step


@pytest.mark.parametrize("rule", ["unanimous", "top_bottom"])
def test_one_vote_gives_no_agreement_to_measure(rule):
    audit = copy.deepcopy(GOOD)
    audit["rule"] = rule
    if rule == "unanimous":
        audit["panel"]["scales"].pop("b")
    audit["yield"].update(joint=0.67, by_chance=0.67)
    summary = {finding.question: finding for finding in list_findings(audit)}
    agree = summary["Do the scores agree more than by chance?"]
    assert agree.verdict == "check"
    assert agree.text == (
        "Only one score votes, so there is no agreement to measure. 67\N{NO-BREAK SPACE}% of the "
        "clips have a pair."
    )
    lost = summary["Which clips have no pair?"].text
    assert "none of them because votes disagree, as only one score votes" in lost
    assert "of the comparisons" not in lost


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1 spread"), (1.0, "1 spread"), (0.5, "0.5 spreads"), (0, "0 spreads")]
)
def test_quantity_has_a_number_and_a_noun(count, text):
    assert quantity(count, "spread") == text


def test_a_shortcut_is_described_in_words():
    audit = copy.deepcopy(GOOD)
    audit["sides"] = [
        {"property": "level_db", "pairs": 9, "difference": -1.25, "low": -2.0, "high": -0.5,
         "warns": True, "harmless": False},
        {"property": "seconds", "pairs": 9, "difference": 0.0, "low": 0.0, "high": 0.0,
         "warns": False, "harmless": True},
        {"property": "temperature", "pairs": 9, "difference": 0.1, "low": 0.05, "high": 0.2,
         "warns": True, "harmless": False},
    ]  # fmt: skip
    assert list_findings(audit)[6].text == (
        "The chosen is quieter by 1.25 dB [0.500, 2.00] and sampled with higher temperature by "
        "0.100 [0.050, 0.200]. No relevant difference in length."
    )
