"""Tests of the pairs that the report plays, and of the report's summary."""

import copy

import numpy as np
import pytest

from gensr_pref.auditing import exhibits
from gensr_pref.auditing.base import Pairs
from gensr_pref.auditing.report.answers import answers
from gensr_pref.errors import quantity
from tests.auditing.made import judged


@pytest.fixture
def panel():
    return judged([np.zeros((2, 3))] * 6, votes=[True, True, False])


@pytest.fixture
def pairs():
    margins = np.array(
        [[5, 4, 1], [1, 9, 1], [0.1, 8, 1], [2, 2, -3], [3, 3, -1], [np.nan, 1, 1]], dtype=float
    )
    clip = np.arange(6)
    return Pairs(clip, 2 * clip, 2 * clip + 1, margins)


def test_the_smallest_margin_of_the_votes_decides(panel, pairs):
    found = exhibits.smallest_margins(panel, pairs)
    assert found[:5].tolist() == [4, 1, 0.1, 2, 3]
    assert np.isnan(found[5])


def test_every_kind_is_picked_and_no_pair_twice(panel, pairs):
    found = exhibits.select_pairs(panel, pairs, each=1)
    assert found[0] == ("largest margin", 0)
    assert found[1] == ("smallest margin", 2)
    assert found[3] == ("most contested", 3)
    assert found[2][0] == "random"
    assert found[2][1] in {1, 4, 5}
    many = exhibits.select_pairs(panel, pairs, each=9)
    assert sorted(place for _, place in many) == list(range(6))


def test_what_nobody_contests_is_not_called_contested(panel, pairs):
    agreed = Pairs(pairs.clip, pairs.chosen, pairs.rejected, np.abs(pairs.margins))
    assert "most contested" not in {
        kind for kind, _ in exhibits.select_pairs(panel, agreed, each=2)
    }


def test_no_pair_no_pick(panel):
    none = np.zeros(0, dtype=np.int64)
    assert exhibits.select_pairs(panel, Pairs(none, none, none, np.zeros((0, 3))), each=3) == []


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
    "leakage": {"clips": {"train": 9, "validation": 1}, "speaker": {"shared": 0, "examples": []}},
}  # fmt: skip
CASES = [
    (0, "unknown", lambda a: a["yield"].update(by_chance=0.75)),
    (0, "look", lambda a: a["yield"].update(joint_interval=[1.0, 1.0], by_chance=0.99)),
    (0, "look", lambda a: a["yield"].update(by_chance=0.95)),
    (0, "look", lambda a: a["yield"].update(joint=0.3, joint_interval=[0.2, 0.38])),
    (0, "unknown", lambda a: a["yield"].update(by_chance=None)),
    (1, "look", lambda a: a["panel"]["effective_votes"].update(value=1.5, low=1.2, high=1.9)),
    (1, "unknown", lambda a: a["panel"]["effective_votes"].update(low=1.9)),
    (1, "unknown", lambda a: a["panel"]["effective_votes"].update(low=None, high=None, clips=2)),
    (2, "look", lambda a: a["panel"]["vetoes"][1].update(alone_against=0.01, low=0.0, high=0.04)),
    (2, "unknown", lambda a: a["panel"]["vetoes"][1].update(low=0.0)),
    (3, "look", lambda a: a["breakdown"]["degradation"][1].update({"yield": 0.3, "high": 0.5})),
    (3, "unknown", lambda a: a["breakdown"]["degradation"][1].update(low=0.5)),
    (3, "unknown", lambda a: a["breakdown"]["degradation"][1].update(clips=7)),
    (4, "unknown", lambda a: a.update(listening={"answers": 0})),
    (4, "unknown", lambda a: a["listening"]["panel"].update(of_decided_interval=[0.4, 0.95])),
    (4, "unknown", lambda a: a["listening"]["panel"].update(clips=4)),
    (4, "bad", lambda a: a["listening"]["panel"].update(of_decided_interval=[0.1, 0.4])),
    (5, "bad", lambda a: a["hold_out"][0].update(low=0.2, high=0.4)),
    (5, "unknown", lambda a: a["hold_out"][0].update(low=0.4)),
    (5, "unknown", lambda a: a["hold_out"][0].update(clips=7)),
    (5, "unknown", lambda a: a["hold_out"].clear()),
    (6, "look", lambda a: a["sides"][0].update(warns=True)),
    (6, "unknown", lambda a: a["sides"][0].update(harmless=False)),
    (6, "unknown", lambda a: a["sides"][0].update(pairs=0)),
    (7, "bad", lambda a: a["learnability"][0].update(p_value=0.4, low=0.45, high=0.54)),
    (7, "unknown", lambda a: a["learnability"][0].update(p_value=0.4)),
    (7, "unknown", lambda a: a["learnability"][0].update(accuracy=None)),
    (7, "unknown", lambda a: a.update(learnability=[], golden=9)),
    (8, "look", lambda a: a["improvement"].update(t=[-0.5, -0.6, -0.4])),
    (8, "unknown", lambda a: a["improvement"].update(t=[-0.5, -0.6, 0.4])),
    (8, "unknown", lambda a: a["improvement_clips"].update(s=3)),
    (9, "look", lambda a: a["repeats"].update(same=0.2, same_interval=[0.1, 0.3])),
    (9, "unknown", lambda a: a["repeats"].update(same=0.0, same_interval=[0.0, 0.3])),
    (10, "look", lambda a: a["leakage"]["clips"].pop("validation")),
    (10, "bad", lambda a: a["leakage"]["speaker"].update(shared=1)),
]


def test_answers_that_do_not_count_are_named_and_give_no_verdict():
    found = copy.deepcopy(GOOD)
    out = {"listener": "ann", "answers": 4, "counted": False, "why": "failed_catches"}
    found["listening"] = {"answers": 0, "listeners": 0, "not_counted": 4, "catches": [out]}
    told = answers(found)[4]
    assert told.light == "unknown"
    assert "ann" in told.found


def test_all_lights_can_be_green():
    assert [answer.light for answer in answers(GOOD)] == ["good"] * 11


@pytest.mark.parametrize(("place", "light", "change"), CASES)
def test_a_light_turns_by_itself_and_says_what_to_do(place, light, change):
    found = copy.deepcopy(GOOD)
    change(found)
    told = answers(found)
    assert [answer.light for k, answer in enumerate(told) if k != place] == ["good"] * 10
    assert told[place].light == light
    assert told[place].todo or light == "unknown"


def test_where_luck_finds_pairs_too_the_margins_farthest_from_it_are_named():
    found = copy.deepcopy(GOOD)
    found["yield"].update(joint_interval=[0.97, 1.0], by_chance=0.95)
    todo = answers(found)[0].todo
    assert "With margins of 0.5 spreads 70\N{NO-BREAK SPACE}% of the clips keep one" in todo
    assert "gensr-pref pair DIR margin.a=0.100 margin.b=1.10" in todo


def test_margins_that_gain_nothing_over_luck_are_not_advised():
    found = copy.deepcopy(GOOD)
    found["yield"].update(joint_interval=[0.97, 1.0], by_chance=0.99)
    for row in found["yield_by_margin"]:
        row["by_chance"] = row["yield"] - 0.001 * row["spreads"]
    assert "margin." not in answers(found)[0].todo


@pytest.mark.parametrize("rule", ["unanimous", "top_bottom"])
def test_one_vote_has_nothing_to_agree_with(rule):
    found = copy.deepcopy(GOOD)
    found["rule"] = rule
    if rule == "unanimous":
        found["panel"]["scales"].pop("b")
    found["yield"].update(joint=0.67, by_chance=0.67)
    told = {answer.question: answer for answer in answers(found)}
    agree = told["Do the scores agree by more than luck?"]
    assert agree.light == "look"
    assert agree.found == (
        "One score votes, so nothing is to agree. 67\N{NO-BREAK SPACE}% of the clips have a pair."
    )
    thrown = told["What did the filter throw away?"].found
    assert "one score votes, so none is lost because votes disagree" in thrown
    assert "not unanimous" not in thrown


@pytest.mark.parametrize(
    ("count", "told"), [(1, "1 spread"), (1.0, "1 spread"), (0.5, "0.5 spreads"), (0, "0 spreads")]
)
def test_things_are_counted_in_words(count, told):
    assert quantity(count, "spread") == told


def test_a_shortcut_is_told_in_words():
    found = copy.deepcopy(GOOD)
    found["sides"] = [
        {"property": "level_db", "pairs": 9, "difference": -1.25, "low": -2.0, "high": -0.5,
         "warns": True, "harmless": False},
        {"property": "seconds", "pairs": 9, "difference": 0.0, "low": 0.0, "high": 0.0,
         "warns": False, "harmless": True},
        {"property": "temperature", "pairs": 9, "difference": 0.1, "low": 0.05, "high": 0.2,
         "warns": True, "harmless": False},
    ]  # fmt: skip
    assert answers(found)[6].found == (
        "The chosen is quieter by 1.25 dB [0.500, 2.00] and drawn with more temperature by 0.100 "
        "[0.050, 0.200]. No difference that matters in length."
    )
