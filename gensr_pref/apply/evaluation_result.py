"""The contents of ``evaluation.json``, as types."""

from __future__ import annotations

from typing import Literal, TypedDict

from gensr_pref.auditing.policy_comparison import ComparedScore, PolicyStatistics

Role = Literal["base", "policy", "control"]


class PolicyResult(PolicyStatistics):
    """A policy: its statistics, and how it stands against the base.

    ``role``; ``members``: labels of its generators; ``failures``: number of failed samples by
    reason; ``nulls``: number of null scores by score and reason; ``verdict``: sentences.
    """

    role: Role
    members: list[str]
    failures: dict[str, int]
    nulls: dict[str, dict[str, int]]
    verdict: str


_Origin = TypedDict("_Origin", {"from": str, "votes_from": str}, total=False)


class EvaluationResult(_Origin, total=False):
    """The result of an evaluation; without any key if nothing has been scored.

    ``name``; ``base``: the policy that the others are compared with; ``clips``, ``speakers`` and
    ``samples`` (per clip): numbers; ``over``: cluster of the intervals; ``seed``; ``scores``: how
    each score was compared; ``noisy``: mean of the noisy clips by score; ``policies``: the base,
    the policies, the controls; ``from``: where the clips come from; ``votes_from``: how it is known
    which scores chose the pairs.
    """

    name: str
    base: str
    clips: int
    speakers: int
    samples: int
    over: Literal["clip", "speaker"]
    seed: int
    scores: list[ComparedScore]
    noisy: dict[str, float | None]
    policies: dict[str, PolicyResult]
