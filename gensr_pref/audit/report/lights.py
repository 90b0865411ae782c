"""The audit as a few answers with a traffic light each: what was found, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gensr_pref.audit.report.advice import larger_margins
from gensr_pref.audit.report.words import (
    by_how_much,
    is_sound,
    listed,
    named,
    percent,
)
from gensr_pref.errors import quantity

Audit = dict[str, Any]
Light = Literal["good", "look", "bad", "unknown"]

SAME_SHARE = 0.01  # of comparisons equal on all scores; our choice
FEW_VOTES = 0.5  # effective votes over votes; our choice
BY_LUCK = 0.9  # of the clips, beyond which having a pair says nothing by itself; our choice
IDLE = 0.05  # of the comparisons that the others decide, a vote stops fewer; our choice
PEOPLE_AGREE = 0.72  # of answers agree with the pair, 15 % are ties: INTP, arXiv 2505.04113
GOLDEN = (
    "The chosen is the clean target: the probe would need what the generator's encoder makes of "
    "it, and the audit runs no model"
)


@dataclass(frozen=True)
class Answer:
    """One question about the pairs.

    Attributes:
        question: as a newcomer would ask it.
        light: ``good``; ``look``: judge for yourself; ``bad``; ``unknown``: not enough data.
        found: one sentence with the numbers.
        todo: what to do now; empty where nothing.
    """

    question: str
    light: Light
    found: str
    todo: str = ""


def answers(found: Audit) -> list[Answer]:
    """Every question of the page's summary, in the order of the page."""
    asked = [
        _agreement(found),
        _votes(found),
        _decides(found),
        _thrown_away(found),
        _people(found),
        _hold_out(found),
        _sides(found),
        _learnable(found),
        _better(found),
        _repeats(found),
        _leaks(found),
    ]
    return [answer for answer in asked if answer]


def _agreement(found: Audit) -> Answer:
    question = "Do the scores agree by more than luck?"
    told = found["yield"]
    joint, luck, bounds = told["joint"], told["by_chance"], told["joint_interval"]
    if _one_votes(found) and joint is not None:
        text = (
            f"One score votes, so nothing is to agree. {percent(joint)} of the clips have a pair."
        )
        todo = "What it is worth, other judges say: the scores that took no part, and people."
        return Answer(question, "look", text, todo)
    if joint is None or luck is None or bounds is None:
        return Answer(question, "unknown", "The yield cannot be set beside luck here.")
    text = f"{_compared(found)}{percent(joint)} of the clips have a pair, {percent(luck)} by luck."
    if bounds[0] > luck and luck < BY_LUCK:
        return Answer(question, "good", text)
    if bounds[1] < luck:
        todo = "The votes contradict each other: look at their agreement, and at what vetoes most."
        return Answer(question, "look", text, todo)
    todo = "Having a pair says nothing by itself here: so many candidates find one by luck."
    return Answer(question, "look", text, f"{todo} {larger_margins(found)}".strip())


def _compared(found: Audit) -> str:
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
    if told["value"] >= FEW_VOTES * told["votes"]:
        return Answer("How many judges are there really?", "good", text)
    todo = "Several votes say the same. Do not read unanimity of all as that many opinions."
    return Answer("How many judges are there really?", "look", text, todo)


def _decides(found: Audit) -> Answer | None:
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
    idle = [row["score"] for row in told if row["alone_against"] < IDLE]
    if not idle:
        return Answer(question, "good", text)
    todo = f"{listed(idle)} hardly ever objects where the others agree: no vote of its own."
    return Answer(question, "look", text, todo)


def _thrown_away(found: Audit) -> Answer | None:
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
    fewest, most = (f(rows, key=lambda r: r["yield"], default=None) for f in (min, max))
    if not fewest or not most or fewest["high"] >= most["low"]:
        even = " No kind of degradation clearly loses more." if lost else ""
        return Answer(question, "good", f"{text}.{even}")
    told = (
        f"{percent(fewest['yield'])} of “{fewest['value']}” have one, {percent(most['yield'])} of "
    )
    todo = f"“{fewest['value']}” is a smaller share of the pairs than of the clips."
    return Answer(question, "look", f"{text}. {told}“{most['value']}”.", todo)


def _people(found: Audit) -> Answer:
    question = "Would a person agree?"
    told = found.get("listening") or {}
    panel = told.get("panel") or {}
    if panel.get("agree") is None:
        todo = "Judge some pairs blind, some minutes: gensr-pref listen DIR"
        return Answer(question, "unknown", "Nobody has listened yet.", todo)
    text = (
        f"{quantity(told['answers'], 'answer')} of {quantity(told['listeners'], 'listener')}: "
        f"{percent(panel['agree'])} "
        f"prefer the chosen, {percent(panel['tie'])} hear no difference, "
        f"{percent(panel['against'])} prefer the rejected. INTP's listeners: "
        f"{percent(PEOPLE_AGREE)} and 15 %."
    )
    low, high = panel["of_decided_interval"] or (0.0, 1.0)
    if low > 0.5:
        return Answer(question, "good", text)
    if high < 0.5:
        return Answer(question, "bad", text, "Do not train on these pairs; change the panel.")
    return Answer(question, "look", text, "Too few answers to tell: listen to more pairs.")


def _hold_out(found: Audit) -> Answer:
    question = "Would another judge agree?"
    rows = [row for row in found["hold_out"] if row["low"] is not None]
    if not rows:
        todo = "Add a metric with `vote: false` to the panel, and score again."
        return Answer(question, "unknown", "Every score took part, so none can object.", todo)
    against = [row for row in rows if row["high"] < 0.5]
    with_it = [row for row in rows if row["low"] > 0.5]
    unsure = [row for row in rows if row not in [*with_it, *against]]
    said = [("for the chosen", with_it), ("undecided", unsure), ("for the rejected", against)]
    text = "; ".join(f"{what}: {_rates(those)}" for what, those in said if those)
    text = f"Scores that took no part are {text}"
    if against:
        names = listed([row["score"] for row in against])
        return Answer(question, "bad", f"{text}.", f"Listen to the pairs that {names} contests.")
    if with_it:
        return Answer(question, "good", f"{text}.")
    todo = "No judge is clearly with the pairs or against them: more pairs, or larger margins."
    return Answer(question, "look", f"{text}.", todo)


def _rates(rows: Sequence[Audit]) -> str:
    told = [
        f"{row['score']} (prefers the chosen in {percent(row['rate'])} of "
        f"{quantity(row['pairs'], 'pair')})"
        if place == 0
        else f"{row['score']} ({percent(row['rate'])})"
        for place, row in enumerate(rows)
    ]
    return listed(told)


def _sides(found: Audit) -> Answer:
    question = "Is the chosen side better by a shortcut?"
    rows = [row for row in found["sides"] if row["warns"]]
    if not any(row["pairs"] for row in found["sides"]):
        return Answer(question, "unknown", "No audio was looked at.", "gensr-pref audit DIR")
    even = [
        named(row["property"])
        for row in found["sides"]
        if is_sound(row["property"]) and row["pairs"] and not row["warns"]
    ]
    rest = f" No clear difference in {listed(even)}." if even else ""
    if not rows:
        return Answer(question, "good", rest.strip() or "Nothing clearly differs.")
    text = f"The chosen is {listed([by_how_much(row) for row in rows])}.{rest}"
    todo = "Is that the point (less noise is quieter), or a shortcut that a model may take?"
    return Answer(question, "look", text, todo)


def _learnable(found: Audit) -> Answer:
    question = "Is there anything to learn?"
    rows = [row for row in found["learnability"] if row["accuracy"] is not None]
    if not rows and found.get("golden"):
        return Answer(question, "unknown", f"{GOLDEN}.", "Pairs of two candidates can be probed.")
    if not rows:
        todo = "At least 20 pairs of one generator are needed."
        return Answer(question, "unknown", "Too few pairs for the probe.", todo)
    told = [
        f"{row['generator']} {percent(row['accuracy'])} ({percent(row['shuffled_low'])} to "
        f"{percent(row['shuffled_high'])} with labels shuffled)"
        for row in rows
    ]
    text = f"A probe names the chosen of pairs it has not seen: {listed(told)}"
    few = [row["generator"] for row in found["learnability"] if row["accuracy"] is None]
    if few:
        text += f"; too few pairs of {listed(few)}"
    at_luck = [row for row in rows if row["accuracy"] <= row["shuffled_high"]]
    if not at_luck:
        return Answer(question, "good", f"{text}.")
    todo = "Let candidates differ in what a model can own: temperature, steps, guidance."
    return Answer(question, "bad" if len(at_luck) == len(rows) else "look", f"{text}.", todo)


def _better(found: Audit) -> Answer | None:
    known = {score: v for score, v in found["improvement"].items() if v is not None}
    worse = [score for score, (_, _, high) in known.items() if high < 0]
    if not known:
        return None
    question = "Are candidates better than the noisy input?"
    better = sum(low > 0 for _, low, _ in known.values())
    text = f"The mean candidate is clearly better on {better} of {len(known)} scores"
    if not worse:
        return Answer(question, "good" if better else "look", f"{text}.")
    todo = "The generator may harm the speech: listen, and see the table of means."
    return Answer(question, "look", f"{text}, clearly worse on {', '.join(worse)}.", todo)


def _repeats(found: Audit) -> Answer | None:
    same = found["repeats"]["same"]
    if same is None:
        return None
    text = f"{100 * same:.1f} % of comparisons are equal on all scores."
    if same <= SAME_SHARE:
        return Answer("Do candidates differ?", "good", text)
    return Answer("Do candidates differ?", "look", text, "Does the generator heed its seed?")


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
