"""Defines the contents of ``audit/audit.json`` as types; docs/audit.md explains each part."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from gensr_pref.auditing.agreement import PairAgreement
from gensr_pref.auditing.bias import Difference, GeneratorWins
from gensr_pref.auditing.candidates import CandidateYield, EqualCandidates
from gensr_pref.auditing.effective_votes import EffectiveVotes
from gensr_pref.auditing.learnability import GeneratorProbe
from gensr_pref.auditing.listening.answers import Listening
from gensr_pref.auditing.pairs import (
    BreakdownRow,
    HoldOutRate,
    Margins,
    Preference,
    SingleScore,
)
from gensr_pref.auditing.panel_yields import MarginYield, PanelYield, Veto
from gensr_pref.corpus.leakage import Leakage


class Counts(TypedDict):
    """The sizes of a run, its names and notices.

    Keys:
        run, rule: the names of the run and of its pair rule.
        clips, candidates, pairs: numbers of rows.
        golden: number of pairs whose chosen is the clean target.
        shards, unfinished_shards: numbers of shards.
        contents: digest of each table that was read.
        without_pair: number of clips without a pair, by reason.
        notices: sentences about candidates or scores from machines of several kinds.
    """

    run: str
    rule: str
    clips: int
    candidates: int
    pairs: int
    golden: int
    shards: int
    unfinished_shards: int
    contents: dict[str, str]
    without_pair: dict[str, int]
    notices: list[str]


class Yield(TypedDict):
    """The share of the clips that have a pair, beside its chance level.

    Keys:
        joint: the share under the run's rule, with its interval.
        by_chance: the same with shuffled scores; null with the reason.
        alone: the share if only this score voted, per vote.
        alone_by_chance: the same with shuffled scores; not in the short audit.
    """

    joint: float | None
    joint_interval: list[float] | None
    by_chance: float | None
    by_chance_reason: str | None
    alone: dict[str, float | None]
    alone_by_chance: NotRequired[dict[str, float | None]]


class Scale(TypedDict):
    """The margin and the spread of a vote, in the score's unit."""

    margin: float
    spread: float


class PanelAudit(TypedDict):
    """The votes of the panel.

    Keys:
        effective_votes: the number of independent votes.
        comparisons: share of the comparisons in which all votes agree.
        comparisons_by_chance: the same with shuffled scores.
        scales: margin and spread per vote.
        without: the yield without this vote, per vote.
        forward: the yield of the votes up to this one, in the panel's order.
        vetoes: how often each vote alone stops a pair.
    """

    effective_votes: EffectiveVotes
    comparisons: float | None
    comparisons_by_chance: float | None
    scales: dict[str, Scale]
    without: dict[str, PanelYield | None]
    forward: dict[str, PanelYield | None]
    vetoes: list[Veto]


class MeanScores(TypedDict):
    """The mean scores.

    Keys:
        means: per score, the mean of the noisy inputs, the candidates, the chosen and the rejected.
        improvement: per score, how much better a clip's mean candidate is than its noisy input:
            [value, low, high].
        improvement_clips: the number of clips in that interval.
    """

    means: dict[str, dict[str, float | None]]
    improvement: dict[str, list[float | None] | None]
    improvement_clips: dict[str, int]


_WithYield = TypedDict("_WithYield", {"yield": Yield})


class ShortParts(_WithYield):
    """The parts that depend on the pairs, as `pair` updates them: ``yield`` and ``margins``."""

    margins: dict[str, Margins | None]


class FullParts(ShortParts):
    """All parts that depend on the pairs; each has a section in docs/audit.md."""

    panel: PanelAudit
    agreement: list[PairAgreement]
    yield_by_candidates: list[CandidateYield]
    yield_by_margin: list[MarginYield]
    candidates_with_all_votes: dict[str, int]
    repeats: EqualCandidates
    hold_out: list[HoldOutRate]
    single_scores: list[SingleScore]
    preference: Preference
    sides: list[Difference]
    generators: list[GeneratorWins]
    learnability: list[GeneratorProbe]
    breakdown: dict[str, list[BreakdownRow]]
    leakage: Leakage
    listening: Listening


class ShortAudit(Counts, ShortParts, MeanScores):
    """The audit after `pair`: counts, ``yield``, margins and mean scores."""


class Audit(Counts, FullParts, MeanScores):
    """The complete audit."""
