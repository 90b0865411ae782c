"""Writes an evaluation as text: tables for a terminal and for Markdown, and the verdicts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence

from gensr_pref.apply.evaluation_result import EvaluationResult, PolicyResult
from gensr_pref.apply.evaluation_verdict import Difference, outcome
from gensr_pref.auditing.format import format_bounds, format_interval
from gensr_pref.auditing.policy_comparison import ComparedScore
from gensr_pref.errors import quantity
from gensr_pref.statistics.verdicts import MIN_CLUSTERS_FOR_VERDICT

GROUPS = {
    True: "Scores that vote on pairs",
    False: "Hold-out scores, which choose no pairs",
}
_OVER = {"clip": "clips", "speaker": "speakers"}
_WIDTH = 100
_GAP = "  "


def terminal_text(result: EvaluationResult, width: int | None = None) -> str:
    """Return the text that the command prints.

    Args:
        width: characters of a line; None: those of the terminal.
    """
    width = width or shutil.get_terminal_size((_WIDTH, 24)).columns
    parts = [about(result)]
    for votes, title in GROUPS.items():
        scores = [score for score in result["scores"] if score["votes"] == votes]
        blocks = _blocks(result, scores, width)
        parts += [f"{title}\n\n{block}" for block in blocks[:1]] + blocks[1:]
    wins = _wins(result)
    return "\n\n".join([*parts, *([wins] if wins else []), *_verdicts(result), *_losses(result)])


def about(result: EvaluationResult) -> str:
    """Return what was compared, in a few sentences."""
    over = _OVER[result["over"]]
    speakers = f" of {quantity(result['speakers'], 'speaker')}" if result["speakers"] else ""
    return (
        f"{quantity(result['clips'], 'clip')}{speakers}, {quantity(result['samples'], 'sample')} "
        f"each from the same seeds. Differences from {result['base']}, with 95 % intervals over "
        f"{over}. Better: ▲, worse: ▼, if the interval excludes 0 and is over at least "
        f"{MIN_CLUSTERS_FOR_VERDICT} {over}."
    )


def arrow(higher_is_better: bool) -> str:
    """Return the arrow that shows the better direction of a score."""
    return "↑" if higher_is_better else "↓"


def _blocks(result: EvaluationResult, scores: Sequence[ComparedScore], width: int) -> list[str]:
    """Return tables of as many columns as fit side by side."""
    labels = [line for name in result["policies"] for line in _label(result, name)]
    first = ["", "noisy", *labels]
    left = max(map(len, first))
    blocks: list[list[list[str]]] = []
    room = 0
    for score in scores:
        cells = _column(result, score)
        needed = max(map(len, cells)) + len(_GAP)
        if needed > room:
            blocks.append([first])
            room = width - left
        blocks[-1].append(cells)
        room -= needed
    return [_align_columns(columns) for columns in blocks]


def _label(result: EvaluationResult, name: str) -> list[str]:
    """Return a policy's lines in the first column: name, difference, spread of its seeds."""
    policy = result["policies"][name]
    members = len(policy["members"])
    title = f"{name} ({members} seeds)" if members > 1 else name
    return [title] + [""] * (policy["role"] != "base") * (1 + (members > 1))


def _column(result: EvaluationResult, score: ComparedScore) -> list[str]:
    name = score["score"]
    cells = [f"{name} {arrow(score['higher_is_better'])}", number(result["noisy"][name])]
    for policy in result["policies"].values():
        statistics = policy["scores"][name]
        cells.append(number(statistics["mean"]))
        if policy["role"] != "base":
            cells.append(format_difference(statistics.get("difference"), score))
            if len(policy["members"]) > 1:
                cells.append(f"seeds ±{number(statistics.get('spread'))}")
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
    """Return a number with three decimals; a dash for None."""
    return "-" if value is None else f"{value:.3f}"


def format_difference(value: Difference, score: ComparedScore) -> str:
    """Return a difference with its bounds, and a mark if the interval bears a verdict."""
    marks = {1: " ▲", -1: " ▼", 0: ""}
    return format_interval(value, score["clusters"]) + marks[outcome(value, score)]


def _verdicts(result: EvaluationResult) -> list[str]:
    return [policy["verdict"] for policy in result["policies"].values() if policy["verdict"]]


def _wins(result: EvaluationResult) -> str:
    """Return the shares of samples that beat the base's sample of the same seed."""
    lines = []
    for name, policy in result["policies"].items():
        shares = policy.get("unanimous")
        if shares and shares["comparisons"]:
            lines.append(
                f"{name}: on all votes at once better in {shares['wins']:.1%}, worse in "
                f"{shares['losses']:.1%} of {quantity(shares['comparisons'], 'sample')}"
            )
    return "\n".join(lines)


def _losses(result: EvaluationResult) -> list[str]:
    """Return what failed, and how many clips the comparison therefore leaves out."""
    lines = [
        f"{name}: {count} {reason}"
        for name, policy in result["policies"].items()
        for reason, count in _failure_counts(policy)
    ]
    left_out = [
        f"{score['score']} {score['left_out']}" for score in result["scores"] if score["left_out"]
    ]
    if left_out:
        lines.append(
            "Clips left out for all policies, because one of them has no score there: "
            f"{', '.join(left_out)}"
        )
    return ["\n".join(lines)] if lines else []


def _failure_counts(policy: PolicyResult) -> Iterator[tuple[str, int]]:
    """Yield what a policy lacks, and how often."""
    yield from policy["failures"].items()
    for score, reasons in policy["nulls"].items():
        for reason, count in reasons.items():
            yield f"{score}: {reason}", count


def markdown(result: EvaluationResult) -> str:
    """Return the evaluation as a Markdown page: one row per policy, one column per score."""
    parts = [f"# {result['name']}", about(result)]
    parts.append(f"Clips: {result['from']}. Votes: as in {result['votes_from']}.")
    for votes, title in GROUPS.items():
        scores = [score for score in result["scores"] if score["votes"] == votes]
        if scores:
            parts += [f"## {title}", _table(result, scores, _cell)]
    others = [name for name, policy in result["policies"].items() if policy["role"] != "base"]
    parts += ["![differences from the base, with intervals](evaluation.svg)", "## Win rates",
              "Share of samples that beat the base's sample of the same seed; a tie is half a win.",
              _table(result, result["scores"], _win, others), _wins(result), "## In words",
              *_verdicts(result), *_losses(result)]  # fmt: skip
    return "\n\n".join(filter(None, parts)) + "\n"


def _table(
    result: EvaluationResult,
    scores: Sequence[ComparedScore],
    cell: Callable[[PolicyResult, ComparedScore], str],
    policies: Sequence[str] | None = None,
) -> str:
    heads = [f"{score['score']} {arrow(score['higher_is_better'])}" for score in scores]
    rows = [["", *heads], ["---"] * (len(scores) + 1)]
    if policies is None:
        rows.append(["noisy", *(number(result["noisy"][score["score"]]) for score in scores)])
    for name in policies or result["policies"]:
        policy = result["policies"][name]
        rows.append([_label(result, name)[0], *(cell(policy, score) for score in scores)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cell(policy: PolicyResult, score: ComparedScore) -> str:
    statistics = policy["scores"][score["score"]]
    if policy["role"] == "base":
        return number(statistics["mean"])
    text = format_difference(statistics.get("difference"), score)
    clear = outcome(statistics.get("difference"), score)
    deviation = statistics.get("spread")
    spread = f"<br>seeds ±{deviation:.3f}" if deviation is not None else ""
    return f"{number(statistics['mean'])}<br>{f'**{text}**' if clear else text}{spread}"


def _win(policy: PolicyResult, score: ComparedScore) -> str:
    rate = policy["scores"][score["score"]].get("win_rate")
    if rate is None:
        return "-"
    return f"{rate[0]:.1%} {format_bounds(rate[1], rate[2], score['clusters'], '{:.1%}')}"
