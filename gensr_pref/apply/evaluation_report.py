"""An evaluation in words: the table for a terminal and for Markdown, and a verdict per policy."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gensr_pref.auditing.format import format_bounds, format_interval
from gensr_pref.errors import quantity
from gensr_pref.statistics.verdicts import (
    MIN_CLUSTERS_FOR_VERDICT,
    clusters_needed,
    side_of_threshold,
)

Told = dict[str, Any]
GROUPS = {
    True: "Scores that vote on pairs",
    False: "Hold-out scores, by which no pair is chosen",
}
_OVER = {"clip": "clips", "speaker": "speakers"}
_WIDTH = 100
_GAP = "  "


def terminal_text(found: Told, width: int | None = None) -> str:
    """What a person reads in a terminal."""
    width = width or shutil.get_terminal_size((_WIDTH, 24)).columns
    parts = [about(found)]
    for votes, title in GROUPS.items():
        scores = [one for one in found["scores"] if one["votes"] == votes]
        blocks = _blocks(found, scores, width)
        parts += [f"{title}\n\n{block}" for block in blocks[:1]] + blocks[1:]
    wins = _wins(found)
    return "\n\n".join([*parts, *([wins] if wins else []), *_verdicts(found), *_losses(found)])


def about(found: Told) -> str:
    """What was compared, in a sentence."""
    over = _OVER[found["over"]]
    speakers = f" of {quantity(found['speakers'], 'speaker')}" if found["speakers"] else ""
    return (
        f"{quantity(found['clips'], 'clip')}{speakers}, {quantity(found['samples'], 'sample')} "
        "each "
        "from the same seeds. "
        f"Differences from {found['base']}, with 95 % intervals over {over}. Better: ▲, worse: ▼, "
        f"where the interval is clear of 0 and of {MIN_CLUSTERS_FOR_VERDICT} {over} or more."
    )


def arrow(higher_is_better: bool) -> str:
    """The direction of a score."""
    return "↑" if higher_is_better else "↓"


def _blocks(found: Told, scores: Sequence[Told], width: int) -> list[str]:
    """Tables of as many columns as fit beside each other."""
    first = ["", "noisy"] + [line for name in found["policies"] for line in _label(found, name)]
    left = max(map(len, first))
    blocks: list[list[list[str]]] = []
    room = 0
    for score in scores:
        cells = _column(found, score)
        wide = max(map(len, cells)) + len(_GAP)
        if wide > room:
            blocks.append([first])
            room = width - left
        blocks[-1].append(cells)
        room -= wide
    return [_align_columns(columns) for columns in blocks]


def _label(found: Told, name: str) -> list[str]:
    """A policy's lines in the first column: itself, its difference, the spread of its seeds."""
    one = found["policies"][name]
    members = len(one["members"])
    title = f"{name} ({members} seeds)" if members > 1 else name
    return [title] + [""] * (one["role"] != "base") * (1 + (members > 1))


def _column(found: Told, score: Told) -> list[str]:
    name = score["score"]
    cells = [f"{name} {arrow(score['higher_is_better'])}", number(found["noisy"][name])]
    for policy in found["policies"].values():
        of = policy["scores"][name]
        cells.append(number(of["mean"]))
        if policy["role"] != "base":
            cells.append(difference(of.get("difference"), score))
            if len(policy["members"]) > 1:
                cells.append(f"seeds ±{number(of.get('spread'))}")
    return cells


def _align_columns(columns: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in columns]
    lines = [
        _GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in zip(*columns, strict=True)
    ]
    rule = _GAP.join("-" * width for width in widths)
    return "\n".join([lines[0], rule, *lines[1:]])


def number(value: float | None) -> str:
    """Three decimals; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


def difference(value: Sequence[float | None] | None, score: Told) -> str:
    """A difference with its bounds, marked where they bear a verdict."""
    marks = {1: " ▲", -1: " ▼", 0: ""}
    return format_interval(value, score["clusters"]) + marks[outcome(value, score)]


def outcome(value: Sequence[float | None] | None, score: Told) -> int:
    """1 where a difference's interval lies on the better side of 0, -1 on the worse, else 0.

    Args:
        score: its row of ``scores``: the direction, and how many clusters the interval is over.
    """
    if value is None:
        return 0
    clear = side_of_threshold(value[1], value[2], score["clusters"])
    return clear if score["higher_is_better"] else -clear


def verdict(found: Told, name: str) -> str:
    """What became of a policy, in sentences; empty for the base."""
    one = found["policies"][name]
    if one["role"] == "base":
        return ""
    sentences = []
    for votes, group in ((True, "voting scores"), (False, "hold-out scores")):
        scores = [score for score in found["scores"] if score["votes"] == votes]
        if scores:
            sentences.append(f"On the {group} it is {_outcomes(one, scores)}.")
    return " ".join([f"{name} against {found['base']}:", *sentences, *_control(found, name)])


def _outcomes(policy: Told, scores: Sequence[Told]) -> str:
    by: dict[int, list[str]] = {1: [], -1: [], 0: []}
    for score in scores:
        value = policy["scores"][score["score"]].get("difference")
        clear = outcome(value, score)
        by[clear].append(score["score"] if clear else _describe_undecided(value, score))
    words = {1: "better in", -1: "worse in", 0: "undecided in"}
    return "; ".join(f"{words[key]} {_join_names(names)}" for key, names in by.items() if names)


def _describe_undecided(value: Sequence[float | None] | None, score: Told) -> str:
    """A score with how many clusters there are, and about how many would decide."""
    clusters = score["clusters"]
    needs = clusters_needed(value[0], value[1], value[2], clusters, 0.0) if value else None
    if clusters < MIN_CLUSTERS_FOR_VERDICT:
        needs = max(needs or 0, MIN_CLUSTERS_FOR_VERDICT)
    return f"{score['score']} (n = {clusters}{f', needs about {needs}' if needs else ''})"


def _control(found: Told, name: str) -> Iterator[str]:
    """Whether the controls did what a policy did."""
    if found["policies"][name]["role"] == "control":
        yield "It is a control: such differences come without training on the pairs."
        return
    moved = _clear_differences(found, name)
    controls = [n for n, one in found["policies"].items() if one["role"] == "control"]
    if not moved or not controls:
        return
    same = {control: sorted(moved & _clear_differences(found, control)) for control in controls}
    told = [f"{control} is {_sides(scores)} too" for control, scores in same.items() if scores]
    quiet = [control for control, scores in same.items() if not scores]
    if told:
        yield f"Of these, {' and '.join(told)}: so much is not the training's."
    if quiet:
        yield f"{_join_names(quiet)} did none of this clearly."


def _clear_differences(found: Told, name: str) -> set[tuple[int, str]]:
    """(side, score) of every difference that is clear of 0."""
    scores = found["policies"][name]["scores"]
    told = {
        (outcome(scores[one["score"]].get("difference"), one), one["score"])
        for one in found["scores"]
    }
    return {(side_of_threshold, score) for side_of_threshold, score in told if side_of_threshold}


def _sides(moved: Sequence[tuple[int, str]]) -> str:
    words = {1: "better in", -1: "worse in"}
    parts = [
        (word, [score for one, score in moved if one == side_of_threshold])
        for side_of_threshold, word in words.items()
    ]
    return ", ".join(f"{word} {_join_names(names)}" for word, names in parts if names)


def _join_names(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _verdicts(found: Told) -> list[str]:
    return [one["verdict"] for one in found["policies"].values() if one["verdict"]]


def _wins(found: Told) -> str:
    """Shares of samples that beat the base's from the same seed."""
    lines = []
    for name, one in found["policies"].items():
        told = one.get("unanimous")
        if told and told["comparisons"]:
            lines.append(
                f"{name}: on all votes at once better {told['wins']:.1%}, worse "
                f"{told['losses']:.1%} of {quantity(told['comparisons'], 'sample')}"
            )
    return "\n".join(lines)


def _losses(found: Told) -> list[str]:
    """What failed, and which clips therefore left the comparison."""
    lines = [
        f"{name}: {count} {what}"
        for name, one in found["policies"].items()
        for what, count in _counts(one)
    ]
    out = [f"{one['score']} {one['left_out']}" for one in found["scores"] if one["left_out"]]
    if out:
        lines.append(f"Clips left out for all, as a policy has no score there: {', '.join(out)}")
    return ["\n".join(lines)] if lines else []


def _counts(policy: Told) -> Iterator[tuple[str, int]]:
    """What is missing of a policy, and how often."""
    yield from policy["failures"].items()
    for score, reasons in policy["nulls"].items():
        for reason, count in reasons.items():
            yield f"{score}: {reason}", count


def markdown(found: Told) -> str:
    """The evaluation as a page: the paper's table, a row per system and a column per score."""
    parts = [f"# {found['name']}", about(found)]
    parts.append(f"Clips: {found['from']}. Votes: as in {found['votes_from']}.")
    for votes, title in GROUPS.items():
        scores = [one for one in found["scores"] if one["votes"] == votes]
        if scores:
            parts += [f"## {title}", _table(found, scores, _cell)]
    compared = [name for name, one in found["policies"].items() if one["role"] != "base"]
    parts += ["![differences from the base, with intervals](evaluation.svg)", "## Win rates",
              "Share of samples that beat the base's sample of the same seed; a tie is half a win.",
              _table(found, found["scores"], _win, compared), _wins(found), "## In words",
              *_verdicts(found), *_losses(found)]  # fmt: skip
    return "\n\n".join(filter(None, parts)) + "\n"


def _table(
    found: Told,
    scores: Sequence[Told],
    cell: Callable[[Told, Told], str],
    policies: Sequence[str] | None = None,
) -> str:
    heads = [f"{one['score']} {arrow(one['higher_is_better'])}" for one in scores]
    rows = [["", *heads], ["---"] * (len(scores) + 1)]
    if policies is None:
        rows.append(["noisy", *(number(found["noisy"][one["score"]]) for one in scores)])
    for name in policies or found["policies"]:
        policy = found["policies"][name]
        rows.append([_label(found, name)[0], *(cell(policy, score) for score in scores)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cell(policy: Told, score: Told) -> str:
    of = policy["scores"][score["score"]]
    if policy["role"] == "base":
        return number(of["mean"])
    told = difference(of.get("difference"), score)
    clear = outcome(of.get("difference"), score)
    spread = f"<br>seeds ±{of['spread']:.3f}" if of.get("spread") is not None else ""
    return f"{number(of['mean'])}<br>{f'**{told}**' if clear else told}{spread}"


def _win(policy: Told, score: Told) -> str:
    rate = policy["scores"][score["score"]].get("win_rate")
    if rate is None:
        return "-"
    return f"{rate[0]:.1%} {format_bounds(rate[1], rate[2], score['clusters'], '{:.1%}')}"
