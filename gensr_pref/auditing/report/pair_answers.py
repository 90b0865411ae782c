"""Answers about the pairs themselves: other judges, people, shortcuts, learnability."""

from __future__ import annotations

from collections.abc import Sequence

from gensr_pref.auditing.bias import SMALL_DELTA
from gensr_pref.auditing.report.answer import Answer, Audit, interval_of, undecided_text
from gensr_pref.auditing.report.format import (
    describe_difference,
    is_sound,
    join_words,
    percent,
    property_name,
)
from gensr_pref.errors import quantity
from gensr_pref.statistics.verdicts import (
    MIN_CLUSTERS_FOR_VERDICT,
    clusters_needed,
    side_of_threshold,
)

LEARNABLE = 0.55  # accuracy of the probe, below which there is little to learn; our choice
CLEAR_P = 0.05
PEOPLE_AGREE = 0.72  # of answers agree with the pair, 15 % are ties: INTP, arXiv 2505.04113
GOLDEN = (
    "The chosen is the clean target: the probe would need what the generator's encoder makes of "
    "it, and the audit runs no model"
)


def listeners_answer(found: Audit) -> Answer:
    """Answer from what listeners preferred."""
    question = "Would a person agree?"
    told = found.get("listening") or {}
    panel = told.get("panel") or {}
    if panel.get("agree") is None:
        todo = "Judge some pairs blind, some minutes: gensr-pref listen DIR"
        return Answer(question, "unknown", _not_counted(told) or "Nobody has listened yet.", todo)
    text = (
        f"{quantity(told['answers'], 'answer')} of {quantity(told['listeners'], 'listener')}: "
        f"{percent(panel['agree'])} "
        f"prefer the chosen, {percent(panel['tie'])} hear no difference, "
        f"{percent(panel['against'])} prefer the rejected. INTP's listeners: "
        f"{percent(PEOPLE_AGREE)} and 15 %. {_not_counted(told)}"
    ).strip()
    bounds, clips = interval_of(panel, "of_decided"), panel["clips"]
    clear = side_of_threshold(*bounds, clips, 0.5)
    if clear == 1:
        return Answer(question, "good", text)
    if clear == -1:
        return Answer(question, "bad", text, "Do not train on these pairs; change the panel.")
    todo = undecided_text(clips, clusters_needed(panel["of_decided"], *bounds, clips, 0.5))
    return Answer(question, "unknown", text, f"{todo} Listen to more pairs: gensr-pref listen DIR")


def _not_counted(told: Audit) -> str:
    """Whose answers do not count; empty where all do."""
    out = [one["listener"] for one in told.get("catches") or [] if not one["counted"]]
    if not out:
        return ""
    many = quantity(told["not_counted"], "answer")
    return f"Not counted: {many} of {join_words(out)}, who failed too many catch trials."


def hold_out_answer(found: Audit) -> Answer:
    """Answer from the scores that took no part."""
    question = "Would another judge agree?"
    rows = [row for row in found["hold_out"] if row["rate"] is not None]
    if not rows:
        todo = "Add a metric with `vote: false` to the panel, and score again."
        return Answer(question, "unknown", "Every score took part, so none can object.", todo)
    by: dict[int, list[Audit]] = {1: [], 0: [], -1: []}
    for row in rows:
        by[side_of_threshold(*interval_of(row), row["clips"], 0.5)].append(row)
    said = {1: "for the chosen", 0: "undecided", -1: "for the rejected"}
    text = "; ".join(f"{said[clear]}: {_rates(those)}" for clear, those in by.items() if those)
    text = f"Scores that took no part are {text}."
    if by[-1]:
        names = join_words([row["score"] for row in by[-1]])
        return Answer(question, "bad", text, f"Listen to the pairs that {names} contests.")
    if by[1]:
        return Answer(question, "good", text)
    every = [clusters_needed(row["rate"], *interval_of(row), row["clips"], 0.5) for row in rows]
    todo = undecided_text(rows[0]["clips"], min(filter(None, every), default=None))
    return Answer(question, "unknown", text, f"{todo} More pairs, or larger margins.")


def _rates(rows: Sequence[Audit]) -> str:
    told = [
        f"{row['score']} (prefers the chosen in {percent(row['rate'])} of "
        f"{quantity(row['pairs'], 'pair')})"
        if place == 0
        else f"{row['score']} ({percent(row['rate'])})"
        for place, row in enumerate(rows)
    ]
    return join_words(told)


def shortcut_answer(found: Audit) -> Answer:
    """Answer from what else differs between the sides."""
    question = "Is the chosen side better by a shortcut?"
    rows = [row for row in found["sides"] if row["pairs"]]
    if not rows:
        return Answer(question, "unknown", "No audio was looked at.", "gensr-pref audit DIR")
    warned = [row for row in rows if row["warns"]]
    harmless = [row for row in rows if row["harmless"] and is_sound(row["property"])]
    even = join_words([property_name(row["property"]) for row in harmless])
    rest = f" No difference that matters in {even}." if even else ""
    if warned:
        text = f"The chosen is {join_words([describe_difference(row) for row in warned])}.{rest}"
        todo = "Is that the point (less noise is quieter), or a shortcut that a model may take?"
        return Answer(question, "look", text, todo)
    unsure = [row for row in rows if not row["harmless"]]
    if not unsure:
        return Answer(question, "good", rest.strip() or "Nothing differs that matters.")
    names = join_words([property_name(row["property"]) for row in unsure])
    text = f"No clear difference in {names}, but one may be there.{rest}"
    most = max(unsure, key=lambda row: _for_harmless(row) or 0)
    return Answer(question, "unknown", text, undecided_text(most["clips"], _for_harmless(most)))


def _for_harmless(row: Audit) -> int | None:
    """About how many clips would tell whether a property differs by a small effect."""
    delta = row["cliffs_delta"]
    edge = SMALL_DELTA if delta >= 0 else -SMALL_DELTA
    return clusters_needed(delta, row["delta_low"], row["delta_high"], row["clips"], edge)


def learnability_answer(found: Audit) -> Answer:
    """Answer from the probe on the generator's own representation."""
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
    text = f"A probe names the chosen of pairs it has not seen: {join_words(told)}"
    few = [row["generator"] for row in found["learnability"] if row["accuracy"] is None]
    if few:
        text += f"; too few pairs of {join_words(few)}"
    learnt = [row for row in rows if is_learnable(row)]
    idle = [row for row in rows if row not in learnt and is_unlearnable(row)]
    if len(learnt) == len(rows):
        return Answer(question, "good", f"{text}.")
    if idle:
        todo = "Let candidates differ in what a model can own: temperature, steps, guidance."
        return Answer(question, "bad" if len(idle) == len(rows) else "look", f"{text}.", todo)
    row = next(row for row in rows if row not in learnt)
    needs = clusters_needed(row["accuracy"], *interval_of(row), row["clips"], LEARNABLE)
    return Answer(question, "unknown", f"{text}.", undecided_text(row["clips"], needs))


def is_learnable(row: Audit) -> bool:
    """Whether the probe is clearly better than with shuffled labels."""
    return bool(row["clips"] >= MIN_CLUSTERS_FOR_VERDICT and row["p_value"] <= CLEAR_P)


def is_unlearnable(row: Audit) -> bool:
    """Whether the probe is clearly hardly better than a coin."""
    return side_of_threshold(*interval_of(row), row["clips"], LEARNABLE) == -1
