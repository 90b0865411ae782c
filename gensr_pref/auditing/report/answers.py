"""The audit as a few answers with a traffic light each: what was found, and what to do.

A light that rests on a sample is green, amber or red only where an interval leaves out the
threshold and eight clips or more bear it (`gensr_pref.statistics.verdicts`); else it is grey, with
about how many clips would decide. What is counted and not estimated, such as leaks, needs no
interval.
"""

from __future__ import annotations

from collections.abc import Sequence

from gensr_pref.auditing.report import pair_answers as pairs
from gensr_pref.auditing.report.advice import advise_margins
from gensr_pref.auditing.report.answer import Answer, Audit, interval_of, undecided_text
from gensr_pref.auditing.report.format import join_words, percent
from gensr_pref.errors import quantity
from gensr_pref.statistics.verdicts import (
    MIN_CLUSTERS_FOR_VERDICT,
    clusters_needed,
    side_of_threshold,
)

SAME_SHARE = 0.05  # of comparisons equal on all scores; our choice
FEW_VOTES = 0.5  # effective votes over votes; our choice
HIGH_CHANCE = 0.9  # of the clips, beyond which having a pair says nothing by itself; our choice
FEW_VETOES = 0.05  # of the comparisons that the others decide, a vote stops fewer; our choice
SIMILAR_YIELDS = 0.2  # by which the yields of kinds of clips may differ; our choice


def answers(found: Audit) -> list[Answer]:
    """Every question of the page's summary, in the order of the page."""
    asked = [
        _agreement(found),
        _votes(found),
        _deciding_score(found),
        _clips_without_pair(found),
        pairs.listeners_answer(found),
        pairs.hold_out_answer(found),
        pairs.shortcut_answer(found),
        pairs.learnability_answer(found),
        _improvement(found),
        _duplicates(found),
        _leaks(found),
    ]
    return [answer for answer in asked if answer]


def _agreement(found: Audit) -> Answer:
    question = "Do the scores agree by more than luck?"
    told, clips = found["yield"], found["clips"]
    joint, luck, bounds = told["joint"], told["by_chance"], interval_of(told, "joint")
    if _one_votes(found) and joint is not None:
        text = (
            f"One score votes, so nothing is to agree. {percent(joint)} of the clips have a pair."
        )
        todo = "What it is worth, other judges say: the scores that took no part, and people."
        return Answer(question, "look", text, todo)
    if joint is None or luck is None:
        return Answer(question, "unknown", "The yield cannot be set beside luck here.")
    text = (
        f"{_unanimous_share(found)}{percent(joint)} of the clips have a pair, "
        f"{percent(luck)} by luck."
    )
    clear = side_of_threshold(*bounds, clips, luck)
    if clear == 1 and luck < HIGH_CHANCE:
        return Answer(question, "good", text)
    if clear == -1:
        todo = "The votes contradict each other: look at their agreement, and at what vetoes most."
        return Answer(question, "look", text, todo)
    if luck >= HIGH_CHANCE and clips >= MIN_CLUSTERS_FOR_VERDICT:
        todo = "Having a pair says nothing by itself here: so many candidates find one by luck."
        return Answer(question, "look", text, f"{todo} {advise_margins(found)}".strip())
    todo = undecided_text(clips, clusters_needed(joint, *bounds, clips, luck))
    return Answer(question, "unknown", text, f"{todo} {advise_margins(found)}".strip())


def _unanimous_share(found: Audit) -> str:
    told = found.get("panel", {})
    share, luck = told.get("comparisons"), told.get("comparisons_by_chance")
    if share is None or luck is None:
        return ""
    return (
        f"Of two candidates that may meet, one wins on every vote in {percent(share)} of all "
        f"cases; in {percent(luck)} if each score is shuffled. "
    )


def _one_votes(found: Audit) -> bool:
    scales = found.get("panel", {}).get("scales") or {}
    return len(scales) == 1 or found.get("rule") == "top_bottom"


def _votes(found: Audit) -> Answer | None:
    told = found.get("panel", {}).get("effective_votes")
    if not told or told["votes"] < 2 or told["value"] is None:
        return None
    text = f"{quantity(told['votes'], 'vote')} count as {told['value']:.1f} independent ones."
    question, few = "How many judges are there really?", FEW_VOTES * told["votes"]
    clear = side_of_threshold(*interval_of(told), told["clips"], few)
    if clear == 1:
        return Answer(question, "good", text)
    if clear == -1:
        todo = "Several votes say the same. Do not read unanimity of all as that many opinions."
        return Answer(question, "look", text, todo)
    needs = clusters_needed(told["value"], *interval_of(told), told["clips"], few)
    return Answer(question, "unknown", text, undecided_text(told["clips"], needs))


def _deciding_score(found: Audit) -> Answer | None:
    rows = [r for r in found.get("panel", {}).get("vetoes") or [] if r["alone_against"] is not None]
    if len(rows) < 2:
        return None
    question = "Which score decides?"
    told = sorted(rows, key=lambda row: -row["alone_against"])
    most, least = told[0], told[-1]
    text = (
        f"{most['score']} the most: it alone stops {percent(most['alone_against'])} of what all "
        f"other votes agree on; {least['score']} the least ({percent(least['alone_against'])})."
    )
    costs = max(rows, key=lambda row: row["yield_lost"] or 0)
    if costs["yield_lost"]:
        text += (
            f" {percent(costs['yield_lost'])} of the clips lack a pair because of {costs['score']}."
        )
    clear = {
        row["score"]: side_of_threshold(*interval_of(row), row["clips"], FEW_VETOES) for row in told
    }
    idle = [score for score, one in clear.items() if one == -1]
    if idle:
        todo = f"{join_words(idle)} hardly ever objects where the others agree: no vote of its own."
        return Answer(question, "look", text, todo)
    open_ = [row for row in told if clear[row["score"]] == 0]
    if not open_:
        return Answer(question, "good", text)
    row = min(open_, key=lambda row: row["clips"])
    needs = clusters_needed(row["alone_against"], *interval_of(row), row["clips"], FEW_VETOES)
    return Answer(question, "unknown", text, undecided_text(row["clips"], needs))


def _clips_without_pair(found: Audit) -> Answer | None:
    lost, clips = sum(found["without_pair"].values()), found["clips"]
    if not clips:
        return None
    question = "What did the filter throw away?"
    reasons = sorted(found["without_pair"].items(), key=lambda item: -item[1])
    text = f"Each of {quantity(clips, 'clip')} has a pair"
    if lost:
        counted = ", ".join(f"{count} {reason}" for reason, count in reasons)
        text = f"Without a pair: {lost} of {quantity(clips, 'clip')} ({counted})"
    share = found.get("panel", {}).get("comparisons")
    if _one_votes(found):
        text += "; one score votes, so none is lost because votes disagree"
    elif share is not None:
        text += f"; {percent(1 - share)} of the comparisons are not unanimous"
    rows = found.get("breakdown", {}).get("degradation") or []
    if not lost or len(rows) < 2:
        return Answer(question, "good", f"{text}.")
    return _compare_degradations(question, text, rows)


def _compare_degradations(question: str, text: str, rows: Sequence[Audit]) -> Answer:
    """Whether kinds of clips lose alike; kinds of too few clips are left out."""
    judged = [row for row in rows if row["clips"] >= MIN_CLUSTERS_FOR_VERDICT]
    if len(judged) < 2:
        return Answer(question, "unknown", f"{text}.", undecided_text(rows[0]["clips"]))
    fewest, most = (f(judged, key=lambda row: row["yield"]) for f in (min, max))
    if fewest["high"] < most["low"]:
        told = (
            f"{percent(fewest['yield'])} of “{fewest['value']}” have one, "
            f"{percent(most['yield'])} of “{most['value']}”."
        )
        todo = f"“{fewest['value']}” is a smaller share of the pairs than of the clips."
        return Answer(question, "look", f"{text}. {told}", todo)
    apart = max(row["high"] for row in judged) - min(row["low"] for row in judged)
    if apart <= SIMILAR_YIELDS:
        return Answer(question, "good", f"{text}. No kind of degradation loses more.")
    clips = min(row["clips"] for row in judged)
    todo = f"{undecided_text(clips, round(clips * (apart / SIMILAR_YIELDS) ** 2))} (of each kind)"
    return Answer(question, "unknown", f"{text}. No kind clearly loses more.", todo)


def _improvement(found: Audit) -> Answer | None:
    question, clips = "Are candidates better than the noisy input?", found["improvement_clips"]
    known = {score: v for score, v in found["improvement"].items() if v is not None}
    if not known:
        return None
    clear = {score: side_of_threshold(v[1], v[2], clips[score]) for score, v in known.items()}
    worse = [score for score, one in clear.items() if one == -1]
    better = sum(one == 1 for one in clear.values())
    text = f"The mean candidate is clearly better on {better} of {len(known)} scores"
    if worse:
        todo = "The generator may harm the speech: listen, and see the table of means."
        return Answer(question, "look", f"{text}, clearly worse on {', '.join(worse)}.", todo)
    if 2 * better > len(known):
        return Answer(question, "good", f"{text}, clearly worse on none.")
    every = [
        clusters_needed(v[0], v[1], v[2], clips[score], 0.0)
        for score, v in known.items()
        if not clear[score]
    ]
    todo = undecided_text(max(clips.values()), min(filter(None, every), default=None))
    return Answer(question, "unknown", f"{text}, clearly worse on none.", todo)


def _duplicates(found: Audit) -> Answer | None:
    question, told = "Do candidates differ?", found["repeats"]
    if told["same"] is None:
        return None
    text = f"{100 * told['same']:.1f} % of comparisons are equal on all scores."
    bounds, clips = interval_of(told, "same"), told["clips"]
    clear = side_of_threshold(*bounds, clips, SAME_SHARE)
    if clear == -1:
        return Answer(question, "good", text)
    if clear == 1:
        return Answer(question, "look", text, "Does the generator heed its seed?")
    needs = clusters_needed(told["same"], *bounds, clips, SAME_SHARE)
    return Answer(question, "unknown", text, undecided_text(clips, needs))


def _leaks(found: Audit) -> Answer:
    question = "Are training and validation apart?"
    told = {k: v for k, v in found["leakage"].items() if k != "clips" and v["shared"]}
    if not told:
        splits = ", ".join(f"{count} {name}" for name, count in found["leakage"]["clips"].items())
        if len(found["leakage"]["clips"]) < 2:
            todo = (
                "Set corpus.validation: what is trained on these pairs needs others to be judged."
            )
            return Answer(question, "look", f"There is one split only ({splits}).", todo)
        return Answer(question, "good", f"No split shares a clip, speaker or recording ({splits}).")
    text = "; ".join(
        f"in several splits: {quantity(v['shared'], kind)}" for kind, v in told.items()
    )
    todo = "Set corpus.validation.by to speaker or source and build again."
    return Answer(question, "bad", f"{text}.", todo)
