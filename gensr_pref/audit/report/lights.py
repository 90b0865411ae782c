"""The audit as a few answers with a traffic light each: what was found, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Audit = dict[str, Any]
Light = Literal["good", "look", "bad", "unknown"]

SAME_SHARE = 0.01  # of comparisons equal on all scores; our choice
FEW_VOTES = 0.5  # effective votes over votes; our choice
PEOPLE_AGREE = 0.72  # of answers agree with the pair, 15 % are ties: INTP, arXiv 2505.04113


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
        _yield(found),
        _votes(found),
        _people(found),
        _hold_out(found),
        _sides(found),
        _learnable(found),
        _better(found),
        _repeats(found),
        _leaks(found),
    ]
    return [answer for answer in asked if answer]


def _yield(found: Audit) -> Answer:
    question = "Are there more pairs than luck would give?"
    told = found["yield"]
    joint, luck, bounds = told["joint"], told["by_chance"], told["joint_interval"]
    if joint is None or luck is None or bounds is None:
        return Answer(question, "unknown", "The yield cannot be set beside luck here.")
    text = f"{_p(joint)} of the clips have a pair; {_p(luck)} would if the scores were shuffled."
    if bounds[0] > luck:
        return Answer(question, "good", text)
    if bounds[1] < luck:
        todo = "The votes contradict each other: look at their agreement, and at what vetoes most."
        return Answer(question, "look", text, todo)
    todo = (
        "Having a pair says nothing by itself here. Ask for margins (pair DIR margin.SCORE=…), or "
        "for fewer candidates, and look at the hold-out judges."
    )
    return Answer(question, "look", text, todo)


def _votes(found: Audit) -> Answer | None:
    told = found.get("panel", {}).get("effective_votes")
    if not told or told["votes"] < 2 or told["value"] is None:
        return None
    text = f"{told['votes']} votes count as {told['value']:.1f} independent ones."
    if told["value"] >= FEW_VOTES * told["votes"]:
        return Answer("How many judges are there really?", "good", text)
    todo = "Several votes say the same. Do not read unanimity of all as that many opinions."
    return Answer("How many judges are there really?", "look", text, todo)


def _people(found: Audit) -> Answer:
    question = "Would a person agree?"
    told = found.get("listening") or {}
    panel = told.get("panel") or {}
    if panel.get("agree") is None:
        return Answer(question, "unknown", "Nobody has listened yet.", "gensr-pref listen DIR")
    text = (
        f"{told['answers']} answers of {told['listeners']} listener(s): {_p(panel['agree'])} "
        f"prefer the chosen, {_p(panel['tie'])} hear no difference, {_p(panel['against'])} prefer "
        f"the rejected. INTP's listeners: {_p(PEOPLE_AGREE)} and 15 %."
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
    text = "; ".join(
        f"{row['score']} prefers the chosen in {_p(row['rate'])} of {row['pairs']} pairs"
        for row in rows
    )
    if against:
        names = ", ".join(row["score"] for row in against)
        return Answer(question, "bad", f"{text}.", f"Listen to the pairs that {names} contests.")
    if with_it:
        return Answer(question, "good", f"{text}.")
    todo = "No judge is clearly with the pairs or against them: more pairs, or larger margins."
    return Answer(question, "look", f"{text}.", todo)


def _sides(found: Audit) -> Answer:
    question = "Is the chosen side better by a shortcut?"
    rows = [row for row in found["sides"] if row["warns"]]
    if not any(row["pairs"] for row in found["sides"]):
        return Answer(question, "unknown", "No audio was looked at.", "gensr-pref audit DIR")
    if not rows:
        text = "Length, loudness, bandwidth, silence and what was drawn do not clearly differ."
        return Answer(question, "good", text)
    text = "; ".join(
        f"{row['property']}: {row['difference']:+.3g} [{row['low']:+.3g}, {row['high']:+.3g}]"
        for row in rows
    )
    todo = "Is that the point (less noise is quieter), or a shortcut that a model may take?"
    return Answer(question, "look", f"Chosen minus rejected, {text}.", todo)


def _learnable(found: Audit) -> Answer:
    question = "Is there anything to learn?"
    rows = [row for row in found["learnability"] if row["accuracy"] is not None]
    if not rows:
        todo = "At least 20 pairs of one generator are needed."
        return Answer(question, "unknown", "Too few pairs for the probe.", todo)
    text = "; ".join(
        f"{row['generator']}: a probe names {_p(row['accuracy'])} of unseen pairs' chosen, "
        f"{_p(row['shuffled_low'])} to {_p(row['shuffled_high'])} with labels shuffled"
        for row in rows
    )
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
        return Answer(question, "good", f"No split shares a clip, speaker or recording ({splits}).")
    text = "; ".join(f"{v['shared']} {kind}(s) are in several splits" for kind, v in told.items())
    todo = "Set corpus.validation.by to speaker or source and build again."
    return Answer(question, "bad", f"{text}.", todo)


def _p(value: float) -> str:
    return f"{100 * value:.0f} %"
