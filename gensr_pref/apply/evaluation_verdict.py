"""Words the verdict on each policy of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gensr_pref.apply.evaluation_result import EvaluationResult, PolicyResult
from gensr_pref.auditing.policy_comparison import ComparedScore
from gensr_pref.statistics.verdicts import (
    MIN_CLUSTERS_FOR_VERDICT,
    clusters_needed,
    side_of_threshold,
)

Difference = Sequence[float | None] | None  # value, low, high


def outcome(difference: Difference, score: ComparedScore) -> int:
    """Return 1 if the interval of a difference lies on the better side of 0, -1 if on the worse.

    Args:
        score: the direction, and the number of clusters of the interval.

    Returns:
        0 if the interval includes 0, is missing, or has too few clusters.
    """
    if difference is None:
        return 0
    side = side_of_threshold(difference[1], difference[2], score["clusters"])
    return side if score["higher_is_better"] else -side


def verdict(result: EvaluationResult, name: str) -> str:
    """Return how a policy compares with the base, in sentences; empty for the base."""
    policy = result["policies"][name]
    if policy["role"] == "base":
        return ""
    sentences = []
    for votes, group in ((True, "voting scores"), (False, "hold-out scores")):
        scores = [score for score in result["scores"] if score["votes"] == votes]
        if scores:
            sentences.append(f"On the {group} it is {_outcomes(policy, scores)}.")
    return " ".join(
        [f"{name} against {result['base']}:", *sentences, *_compare_controls(result, name)]
    )


def _outcomes(policy: PolicyResult, scores: Sequence[ComparedScore]) -> str:
    names: dict[int, list[str]] = {1: [], -1: [], 0: []}
    for score in scores:
        difference = policy["scores"][score["score"]].get("difference")
        side = outcome(difference, score)
        names[side].append(score["score"] if side else _describe_undecided(difference, score))
    words = {1: "better in", -1: "worse in", 0: "undecided in"}
    return "; ".join(f"{words[side]} {_join_names(own)}" for side, own in names.items() if own)


def _describe_undecided(difference: Difference, score: ComparedScore) -> str:
    """Return a score with its number of clusters, and about how many would decide."""
    clusters = score["clusters"]
    needed = None
    if difference:
        value, low, high = difference
        needed = clusters_needed(value, low, high, clusters, 0.0)
    if clusters < MIN_CLUSTERS_FOR_VERDICT:
        needed = max(needed or 0, MIN_CLUSTERS_FOR_VERDICT)
    return f"{score['score']} (n = {clusters}{f', needs about {needed}' if needed else ''})"


def _compare_controls(result: EvaluationResult, name: str) -> Iterator[str]:
    """Yield sentences that say which differences of a policy the controls have too."""
    if result["policies"][name]["role"] == "control":
        yield "It is a control: such differences occur without training on the pairs."
        return
    clear = _clear_differences(result, name)
    controls = [other for other, own in result["policies"].items() if own["role"] == "control"]
    if not clear or not controls:
        return
    shared = {control: sorted(clear & _clear_differences(result, control)) for control in controls}
    same = [f"{control} is also {_sides(scores)}" for control, scores in shared.items() if scores]
    none = [control for control, scores in shared.items() if not scores]
    if same:
        yield f"{' and '.join(same)}: training on the pairs does not explain this part."
    if none:
        yield f"{_join_names(none)} shows none of these differences clearly."


def _clear_differences(result: EvaluationResult, name: str) -> set[tuple[int, str]]:
    """Return (side, score) of every difference whose interval excludes 0."""
    statistics = result["policies"][name]["scores"]
    sides = {
        (outcome(statistics[score["score"]].get("difference"), score), score["score"])
        for score in result["scores"]
    }
    return {(side, score) for side, score in sides if side}


def _sides(differences: Sequence[tuple[int, str]]) -> str:
    words = {1: "better in", -1: "worse in"}
    parts = [
        (word, [score for own, score in differences if own == side]) for side, word in words.items()
    ]
    return ", ".join(f"{word} {_join_names(names)}" for word, names in parts if names)


def _join_names(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
