"""Tests of the verdict on a policy: better, worse or undecided, and beside its controls."""

import pytest

from gensr_pref.apply.evaluation_verdict import outcome, verdict

CLEAR, UNCLEAR = [0.2, 0.1, 0.3], [0.2, -0.1, 0.5]


def score(name="level", higher=True, votes=True, clusters=20):
    return {"score": name, "higher_is_better": higher, "votes": votes, "clusters": clusters}


def result(scores, **policies):
    """Return the part of an evaluation that verdicts use, from (role, differences)."""
    return {
        "base": "base",
        "scores": scores,
        "policies": {
            name: {
                "role": role,
                "scores": {score: {"difference": value} for score, value in differences.items()},
            }
            for name, (role, differences) in policies.items()
        },
    }


@pytest.mark.parametrize(
    ("difference", "higher", "clusters", "expected"),
    [
        (CLEAR, True, 20, 1),
        (CLEAR, False, 20, -1),
        ([-0.2, -0.3, -0.1], True, 20, -1),
        (UNCLEAR, True, 20, 0),
        (CLEAR, True, 3, 0),
        ([0.2, None, None], True, 20, 0),
        (None, True, 20, 0),
    ],
)
def test_an_outcome_needs_a_clear_interval_over_enough_clusters(
    difference, higher, clusters, expected
):
    assert outcome(difference, score(higher=higher, clusters=clusters)) == expected


def test_scores_are_grouped_by_outcome_and_by_vote():
    scores = [score("a"), score("b", higher=False), score("c"), score("d", votes=False)]
    differences = {"a": CLEAR, "b": CLEAR, "c": UNCLEAR, "d": CLEAR}
    text = verdict(result(scores, base=("base", {}), dpo=("policy", differences)), "dpo")
    voting, hold_out = text.split("hold-out")
    better, worse, undecided = voting.split(";")
    assert " a" in better
    assert " b" in worse
    assert " c (n = 20, " in undecided
    assert " d" in hold_out


def test_the_base_has_no_verdict():
    assert verdict(result([score()], base=("base", {})), "base") == ""


@pytest.mark.parametrize(("difference", "names"), [(CLEAR, True), (UNCLEAR, False)])
def test_a_control_with_the_same_difference_is_named_with_its_score(difference, names):
    def text(difference):
        policies = {
            "base": ("base", {}),
            "dpo": ("policy", {"level": CLEAR}),
            "placebo": ("control", {"level": difference}),
        }
        return verdict(result([score()], **policies), "dpo")

    after = text(difference).partition("placebo")[2]
    assert ("level" in after) is names


def test_controls_are_not_named_without_a_clear_difference():
    policies = {
        "base": ("base", {}),
        "dpo": ("policy", {"level": UNCLEAR}),
        "placebo": ("control", {"level": CLEAR}),
    }
    assert "placebo" not in verdict(result([score()], **policies), "dpo")
