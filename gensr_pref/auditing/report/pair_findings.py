"""Judges the pairs for the report: other judges, people, shortcuts, learnability."""

from __future__ import annotations

from collections.abc import Sequence

from gensr_pref.auditing.bias import SMALL_DELTA, Difference
from gensr_pref.auditing.document import Audit
from gensr_pref.auditing.learnability import GeneratorProbe
from gensr_pref.auditing.listening.answers import Listening
from gensr_pref.auditing.pairs import HoldOutRate
from gensr_pref.auditing.report.finding import Finding, Verdict, interval_of, undecided_text
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

LEARNABLE = 0.55  # accuracy of the probe below which there is little to learn; our choice
CLEAR_P = 0.05
PEOPLE_AGREE = 0.72  # share of answers that agree with the pair, 15 % are ties: arXiv 2505.04113
GOLDEN = (
    "The chosen is the clean target: the probe would need the features that the generator's "
    "encoder computes from it, and the audit runs no model"
)


def listeners_finding(audit: Audit) -> Finding:
    """Return whether people agree with the pairs, from the listening tests."""
    question = "Do people agree with the pairs?"
    listening = audit.get("listening") or {}
    panel = listening.get("panel")
    if not panel or panel["agree"] is None:
        text = _not_counted(listening) or "Nobody has listened yet."
        next_step = "Compare some pairs blind; it takes a few minutes: gensr-pref listen DIR"
        return Finding(question, "undecided", text, next_step)
    text = (
        f"{quantity(listening['answers'], 'answer')} of "
        f"{quantity(listening['listeners'], 'listener')}: {percent(panel['agree'])} "
        f"prefer the chosen, {percent(panel['tie'])} hear no difference, "
        f"{percent(panel['against'])} prefer the rejected. In INTP (arXiv 2505.04113): "
        f"{percent(PEOPLE_AGREE)} and 15 %. {_not_counted(listening)}"
    ).strip()
    bounds, clips = interval_of(panel, "of_decided"), panel["clips"]
    clear = side_of_threshold(*bounds, clips, 0.5)
    if clear == 1:
        return Finding(question, "good", text)
    if clear == -1:
        return Finding(question, "problem", text, "Do not train on these pairs; change the panel.")
    undecided = undecided_text(clips, clusters_needed(panel["of_decided"], *bounds, clips, 0.5))
    next_step = f"{undecided} Listen to more pairs: gensr-pref listen DIR"
    return Finding(question, "undecided", text, next_step)


def _not_counted(listening: Listening) -> str:
    """Return a sentence on the answers that do not count; empty if all do."""
    names = [row["listener"] for row in listening.get("catches") or [] if not row["counted"]]
    if not names:
        return ""
    count = quantity(listening["not_counted"], "answer")
    return f"Not counted: {count} of {join_words(names)}, who failed too many catch trials."


def hold_out_finding(audit: Audit) -> Finding:
    """Return whether the scores that did not vote agree with the pairs."""
    question = "Do the scores that did not vote agree?"
    rows = [row for row in audit["hold_out"] if row["rate"] is not None]
    if not rows:
        next_step = "Add a metric with `vote: false` to the panel, and build again."
        return Finding(question, "undecided", "Every score voted, so none can disagree.", next_step)
    by_side: dict[int, list[HoldOutRate]] = {1: [], 0: [], -1: []}
    for row in rows:
        by_side[side_of_threshold(*interval_of(row), row["clips"], 0.5)].append(row)
    labels = {1: "Prefers the chosen", 0: "Undecided", -1: "Prefers the rejected"}
    text = " ".join(f"{labels[side]}: {_rates(own)}." for side, own in by_side.items() if own)
    if by_side[-1]:
        names = join_words([row["score"] for row in by_side[-1]])
        next_step = f"Listen to pairs on which {names} prefers the rejected."
        return Finding(question, "problem", text, next_step)
    if by_side[1]:
        return Finding(question, "good", text)
    needs = [clusters_needed(row["rate"], *interval_of(row), row["clips"], 0.5) for row in rows]
    undecided = undecided_text(rows[0]["clips"], min(filter(None, needs), default=None))
    next_step = f"{undecided} Make more pairs, or set larger margins."
    return Finding(question, "undecided", text, next_step)


def _rates(rows: Sequence[HoldOutRate]) -> str:
    texts = [
        f"{row['score']} (the chosen wins in {percent(row['rate'])} of "
        f"{quantity(row['pairs'], 'pair')})"
        if index == 0
        else f"{row['score']} ({percent(row['rate'])})"
        for index, row in enumerate(rows)
    ]
    return join_words(texts)


def shortcut_finding(audit: Audit) -> Finding:
    """Return whether chosen and rejected differ in properties other than quality."""
    question = "Could a model learn a shortcut?"
    rows = [row for row in audit["sides"] if row["pairs"]]
    if not rows:
        return Finding(question, "undecided", "No audio was analysed.", "gensr-pref audit DIR")
    warned = [row for row in rows if row["warns"]]
    harmless = [row for row in rows if row["harmless"] and is_sound(row["property"])]
    names = join_words([property_name(row["property"]) for row in harmless])
    rest = f" No relevant difference in {names}." if names else ""
    if warned:
        text = f"The chosen is {join_words([describe_difference(row) for row in warned])}.{rest}"
        next_step = (
            "Is this part of being better (less noise is quieter), or a shortcut that a model may "
            "learn instead?"
        )
        return Finding(question, "check", text, next_step)
    unsure = [row for row in rows if not row["harmless"]]
    if not unsure:
        return Finding(question, "good", rest.strip() or "No relevant difference.")
    names = join_words([property_name(row["property"]) for row in unsure])
    text = f"No clear difference in {names}, but there may be one.{rest}"
    most = max(unsure, key=lambda row: _clips_for_harmless(row) or 0)
    next_step = undecided_text(most["clips"], _clips_for_harmless(most))
    return Finding(question, "undecided", text, next_step)


def _clips_for_harmless(row: Difference) -> int | None:
    """Return about how many clips would show whether a property has at least a small effect."""
    delta = row["cliffs_delta"]
    edge = -SMALL_DELTA if delta is not None and delta < 0 else SMALL_DELTA
    return clusters_needed(delta, row["delta_low"], row["delta_high"], row["clips"], edge)


def learnability_finding(audit: Audit) -> Finding:
    """Return whether a model can learn the preference, from the accuracy of the probe."""
    question = "Can a model learn the preference?"
    rows = [row for row in audit["learnability"] if row["accuracy"] is not None]
    if not rows and audit.get("golden"):
        next_step = "The probe needs pairs of two candidates."
        return Finding(question, "undecided", f"{GOLDEN}.", next_step)
    if not rows:
        next_step = "The probe needs at least 20 pairs of one generator."
        return Finding(question, "undecided", "Too few pairs for the probe.", next_step)
    rates = [
        f"{percent(row['accuracy'])} for {row['generator']} ({percent(row['shuffled_low'])} to "
        f"{percent(row['shuffled_high'])} with shuffled labels)"
        for row in rows
    ]
    text = f"A simple probe identifies the chosen of unseen pairs in {join_words(rates)}"
    few = [row["generator"] for row in audit["learnability"] if row["accuracy"] is None]
    if few:
        text += f"; too few pairs of {join_words(few)}"
    learnable = [row for row in rows if is_learnable(row)]
    unlearnable = [row for row in rows if row not in learnable and is_unlearnable(row)]
    if len(learnable) == len(rows):
        return Finding(question, "good", f"{text}.")
    if unlearnable:
        next_step = (
            "Make candidates that differ in what a model can control: temperature, steps, guidance."
        )
        verdict: Verdict = "problem" if len(unlearnable) == len(rows) else "check"
        return Finding(question, verdict, f"{text}.", next_step)
    row = next(row for row in rows if row not in learnable)
    needs = clusters_needed(row["accuracy"], *interval_of(row), row["clips"], LEARNABLE)
    return Finding(question, "undecided", f"{text}.", undecided_text(row["clips"], needs))


def is_learnable(row: GeneratorProbe) -> bool:
    """Return whether the probe is clearly better than with shuffled labels."""
    p_value = row["p_value"]
    enough = row["clips"] >= MIN_CLUSTERS_FOR_VERDICT
    return enough and p_value is not None and p_value <= CLEAR_P


def is_unlearnable(row: GeneratorProbe) -> bool:
    """Return whether the accuracy of the probe is clearly below `LEARNABLE`."""
    return side_of_threshold(*interval_of(row), row["clips"], LEARNABLE) == -1
