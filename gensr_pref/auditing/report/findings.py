"""Summarises the audit as findings, each with a verdict like a traffic light.

A verdict about a sample is green, amber or red only if an interval excludes the threshold and there
are at least eight clips (`gensr_pref.statistics.verdicts`). Otherwise it is grey and says about how
many clips would decide. Counts that are not estimates, such as leaks, need no interval.
"""

from __future__ import annotations

from collections.abc import Sequence

from gensr_pref.auditing.document import Audit
from gensr_pref.auditing.load import NOT_DEGRADED
from gensr_pref.auditing.pairs import BreakdownRow
from gensr_pref.auditing.report import pair_findings as pairs
from gensr_pref.auditing.report.advice import advise_margins
from gensr_pref.auditing.report.finding import Finding, interval_of, undecided_text
from gensr_pref.auditing.report.format import join_words, percent
from gensr_pref.corpus.leakage import list_leaks
from gensr_pref.errors import quantity
from gensr_pref.pairing.no_pairs import NOTICE, asks_for_pairs
from gensr_pref.statistics.verdicts import (
    MIN_CLUSTERS_FOR_VERDICT,
    clusters_needed,
    side_of_threshold,
)

# Thresholds; all are our choice.
SAME_SHARE = 0.05  # largest share of comparisons that may be equal on all scores
FEW_VOTES = 0.5  # smallest ratio of effective votes to votes
HIGH_CHANCE = 0.9  # chance level of the yield above which having a pair means nothing by itself
FEW_VETOES = 0.05  # smallest share of the comparisons decided by the others that a vote stops
SIMILAR_YIELDS = 0.2  # largest difference between the yields of kinds of clips

LEAK_NAMES = {"source": "recording"}  # the audit's names that a reader would not know


def list_findings(audit: Audit) -> list[Finding]:
    """Return the findings of the page's summary, in the order of the page."""
    if not asks_for_pairs(audit["rule"]):
        about_pairs = Finding("Which clips have no pair?", "good", f"None has one: {NOTICE}.")
        about_candidates = [_votes(audit), _improvement(audit), _duplicates(audit), _leaks(audit)]
        return [about_pairs, *filter(None, about_candidates)]
    summary = [
        _agreement(audit),
        _votes(audit),
        _deciding_score(audit),
        _clips_without_pair(audit),
        pairs.listeners_finding(audit),
        pairs.hold_out_finding(audit),
        pairs.shortcut_finding(audit),
        pairs.learnability_finding(audit),
        _improvement(audit),
        _duplicates(audit),
        _leaks(audit),
    ]
    return [finding for finding in summary if finding]


def _agreement(audit: Audit) -> Finding:
    question = "Do the scores agree more than by chance?"
    yields, clips = audit["yield"], audit["clips"]
    joint, chance, bounds = yields["joint"], yields["by_chance"], interval_of(yields, "joint")
    if _one_votes(audit) and joint is not None:
        text = (
            f"Only one score votes, so there is no agreement to measure. {percent(joint)} of the "
            "clips have a pair."
        )
        next_step = "Compare it with other judges: the scores that did not vote, and people."
        return Finding(question, "check", text, next_step)
    if joint is None or chance is None:
        text = "The yield cannot be compared with a chance level here."
        return Finding(question, "undecided", text)
    text = (
        f"{_unanimous_share(audit)}{percent(joint)} of the clips have a pair; by chance it would "
        f"be {percent(chance)}."
    )
    clear = side_of_threshold(*bounds, clips, chance)
    if clear == 1 and chance < HIGH_CHANCE:
        return Finding(question, "good", text)
    if clear == -1:
        next_step = "The votes contradict each other: see which pairs of votes disagree and veto."
        return Finding(question, "check", text, next_step)
    if chance >= HIGH_CHANCE and clips >= MIN_CLUSTERS_FOR_VERDICT:
        next_step = (
            "Having a pair means nothing by itself here: with so many candidates, chance gives one "
            f"too. {advise_margins(audit)}"
        )
        return Finding(question, "check", text, next_step)
    needs = clusters_needed(joint, *bounds, clips, chance)
    next_step = f"{undecided_text(clips, needs)} {advise_margins(audit)}"
    return Finding(question, "undecided", text, next_step)


def _unanimous_share(audit: Audit) -> str:
    panel = audit.get("panel", {})
    share, chance = panel.get("comparisons"), panel.get("comparisons_by_chance")
    if share is None or chance is None:
        return ""
    return (
        f"All votes prefer the same candidate in {percent(share)} of the comparisons of two "
        f"candidates; in {percent(chance)} if every score is shuffled. "
    )


def _one_votes(audit: Audit) -> bool:
    scales = audit.get("panel", {}).get("scales") or {}
    return len(scales) == 1 or audit.get("rule") == "top_bottom"


def _votes(audit: Audit) -> Finding | None:
    votes = audit.get("panel", {}).get("effective_votes")
    if not votes or votes["votes"] < 2 or votes["value"] is None:
        return None
    question, few = "How many independent votes are there?", FEW_VOTES * votes["votes"]
    text = f"{votes['votes']} votes are worth {votes['value']:.1f} independent ones."
    clear = side_of_threshold(*interval_of(votes), votes["clips"], few)
    if clear == 1:
        return Finding(question, "good", text)
    if clear == -1:
        next_step = "Several votes measure the same. Unanimity is worth fewer opinions than votes."
        return Finding(question, "check", text, next_step)
    needs = clusters_needed(votes["value"], *interval_of(votes), votes["clips"], few)
    return Finding(question, "undecided", text, undecided_text(votes["clips"], needs))


def _deciding_score(audit: Audit) -> Finding | None:
    vetoes = audit.get("panel", {}).get("vetoes") or []
    rows = [row for row in vetoes if row["alone_against"] is not None]
    if len(rows) < 2:
        return None
    question = "Which score decides?"
    by_vetoes = sorted(rows, key=lambda row: -(row["alone_against"] or 0.0))
    most, least = by_vetoes[0], by_vetoes[-1]
    text = (
        f"{most['score']} decides most: it alone stops {percent(most['alone_against'])} of the "
        f"pairs on which all other votes agree. {least['score']} decides least "
        f"({percent(least['alone_against'])})."
    )
    costs = max(rows, key=lambda row: row["yield_lost"] or 0)
    if costs["yield_lost"]:
        text += (
            f" {percent(costs['yield_lost'])} of the clips have no pair only because of "
            f"{costs['score']}."
        )
    clear = {
        row["score"]: side_of_threshold(*interval_of(row), row["clips"], FEW_VETOES)
        for row in by_vetoes
    }
    idle = [score for score, side in clear.items() if side == -1]
    if idle:
        next_step = f"Hardly ever against a pair that the others agree on: {join_words(idle)}."
        return Finding(question, "check", text, next_step)
    unclear = [row for row in by_vetoes if clear[row["score"]] == 0]
    if not unclear:
        return Finding(question, "good", text)
    row = min(unclear, key=lambda row: row["clips"])
    needs = clusters_needed(row["alone_against"], *interval_of(row), row["clips"], FEW_VETOES)
    next_step = f"Whether {row['score']} matters: {undecided_text(row['clips'], needs).lower()}"
    return Finding(question, "undecided", text, next_step)


def _clips_without_pair(audit: Audit) -> Finding | None:
    lost, clips = sum(audit["without_pair"].values()), audit["clips"]
    if not clips:
        return None
    question = "Which clips have no pair?"
    reasons = sorted(audit["without_pair"].items(), key=lambda item: -item[1])
    text = f"Every clip has a pair ({clips} of {clips})"
    if lost:
        counts = ", ".join(f"{reason} {count}" for reason, count in reasons)
        text = f"{lost} of {quantity(clips, 'clip')} have no pair (reasons: {counts})"
    share = audit.get("panel", {}).get("comparisons")
    if _one_votes(audit):
        text += "; none of them because votes disagree, as only one score votes"
    elif share is not None:
        text += f"; the votes disagree or tie in {percent(1 - share)} of the comparisons"
    rows = audit.get("breakdown", {}).get("degradation") or []
    if not lost or len(rows) < 2:
        return Finding(question, "good", f"{text}.")
    return _compare_degradations(question, text, rows)


def _compare_degradations(question: str, text: str, rows: Sequence[BreakdownRow]) -> Finding:
    """Compare the yields of the degradations; those with too few clips are left out."""
    enough = [row for row in rows if row["clips"] >= MIN_CLUSTERS_FOR_VERDICT]
    if len(enough) < 2:
        next_step = "There are too few clips of each degradation to compare them."
        return Finding(question, "undecided", f"{text}.", next_step)
    fewest, most = (pick(enough, key=lambda row: row["yield"]) for pick in (min, max))
    if fewest["high"] < most["low"]:
        shares = (
            f"{percent(fewest['yield'])} of the clips {_with(fewest)} have one, and "
            f"{percent(most['yield'])} of those {_with(most)}."
        )
        next_step = f"The pairs contain fewer clips {_with(fewest)} than the data do."
        return Finding(question, "check", f"{text}. {shares}", next_step)
    difference = max(row["high"] for row in enough) - min(row["low"] for row in enough)
    if difference <= SIMILAR_YIELDS:
        return Finding(question, "good", f"{text}. All degradations lose about the same.")
    clips = min(row["clips"] for row in enough)
    needs = round(clips * (difference / SIMILAR_YIELDS) ** 2)
    next_step = f"Undecided with {clips} clips per degradation; about {needs} would decide."
    return Finding(question, "undecided", f"{text}. No degradation clearly loses more.", next_step)


def _with(row: BreakdownRow) -> str:
    """Return the degradation of a row of the breakdown as the end of "clips ..."."""
    return "without degradation" if row["value"] == NOT_DEGRADED else f"with “{row['value']}”"


def _improvement(audit: Audit) -> Finding | None:
    question, clips = "Are candidates better than the noisy input?", audit["improvement_clips"]
    known = {score: v for score, v in audit["improvement"].items() if v is not None}
    if not known:
        return None
    clear = {score: side_of_threshold(v[1], v[2], clips[score]) for score, v in known.items()}
    worse = [score for score, side in clear.items() if side == -1]
    better = sum(side == 1 for side in clear.values())
    text = f"The mean candidate is clearly better on {better} of {quantity(len(known), 'score')}"
    if worse:
        text = f"{text}, clearly worse on {join_words(worse)}."
        next_step = "The generator may damage the speech: listen, and see the table of means."
        return Finding(question, "check", text, next_step)
    if 2 * better > len(known):
        return Finding(question, "good", f"{text}, clearly worse on none.")
    needs = [
        clusters_needed(v[0], v[1], v[2], clips[score], 0.0)
        for score, v in known.items()
        if not clear[score]
    ]
    next_step = undecided_text(max(clips.values()), min(filter(None, needs), default=None))
    return Finding(question, "undecided", f"{text}, clearly worse on none.", next_step)


def _duplicates(audit: Audit) -> Finding | None:
    question, repeats = "Do candidates differ?", audit["repeats"]
    if repeats["same"] is None:
        return None
    text = (
        f"In {100 * repeats['same']:.1f} % of the comparisons the two candidates are equal on all "
        "scores."
    )
    bounds, clips = interval_of(repeats, "same"), repeats["clips"]
    clear = side_of_threshold(*bounds, clips, SAME_SHARE)
    if clear == -1:
        return Finding(question, "good", text)
    if clear == 1:
        return Finding(question, "check", text, "Check that the generator uses its seed.")
    needs = clusters_needed(repeats["same"], *bounds, clips, SAME_SHARE)
    return Finding(question, "undecided", text, undecided_text(clips, needs))


def _leaks(audit: Audit) -> Finding:
    question = "Are training and validation separate?"
    leaks = list_leaks(audit["leakage"])
    if not leaks:
        splits = ", ".join(f"{name} {count}" for name, count in audit["leakage"]["clips"].items())
        if len(audit["leakage"]["clips"]) < 2:
            next_step = (
                "Set corpus.validation: a model that is trained on these pairs must be tested on "
                "other clips."
            )
            text = f"There is only one split (clips: {splits})."
            return Finding(question, "check", text, next_step)
        text = f"No clip, speaker or recording is in two splits (clips: {splits})."
        return Finding(question, "good", text)
    counts = join_words(
        [quantity(leak["shared"], LEAK_NAMES.get(kind, kind)) for kind, leak in leaks.items()]
    )
    next_step = "Set corpus.validation.by to speaker or source and build again."
    return Finding(question, "problem", f"In several splits: {counts}.", next_step)
