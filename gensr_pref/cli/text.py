"""What a person reads at the end of a command. Plain text from plain data."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gensr_pref.auditing.format import format_interval, format_share
from gensr_pref.building.progress_bar import duration
from gensr_pref.config.run_file import Pairing, resolved
from gensr_pref.corpus.listing import LeftOut, describe
from gensr_pref.errors import quantity, typed
from gensr_pref.pairing.base import STOP_REASONS, Stop
from gensr_pref.untrusted.text import visible

_ROLES = ("noisy", "candidates", "chosen", "rejected")


def summary(counts: dict[str, Any], found: dict[str, Any]) -> str:
    """How much was made, the yield beside its chance level, what failed, what it cost."""
    rows = [
        ("clips", f"{counts['clips']}"),
        ("candidates", f"{counts['candidates']}"),
        ("pairs", f"{counts['pairs']} ({_rule(counts['pairing'])})"),
        ("yield", f"{format_share(counts['yield'])} of the clips have a pair"),
        ("by luck", by_luck(found["yield"])),
    ]
    if counts["without_pair"]:
        rows.append(("no pair", listed_reasons(counts["without_pair"])))
        if not counts["pairs"]:
            rows.append(("", _most_often(counts["without_pair"])))
    for stage, cost in counts["stages"].items():
        factor = cost.get("real_time_factor")
        ratio = "" if factor is None else f", {factor:g} s per second of audio"
        rows.append((stage, f"{cost['seconds']:.1f} s of work{ratio}"))
    for stage, reasons in counts["failures"].items():
        listed = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        rows.append(("left out", f"{listed} ({stage}; see failures/)"))
    rows += [("note", notice) for notice in counts["notices"]]
    return _columns(rows)


def by_luck(told: dict[str, Any]) -> str:
    """The yield on shuffled scores; why it is not known where the rule was not run."""
    if told.get("by_chance_reason") == "rule_not_run":
        return "not known: only rules of this package are run from a run directory"
    return f"{format_share(told['by_chance'])} if the scores were shuffled"


_SHOWN = 3  # names of missing files


def status(found: dict[str, Any]) -> str:
    """How far a build is."""
    rows = [("state", _state(found))]
    for stage, one in found["stages"].items():
        told = f"{one['clips']} of {quantity(found['clips'], 'clip')}"
        told += f", {quantity(one['workers'], 'process')} on {one['device']}"
        if "utilisation" in one:
            told += f", at work {one['utilisation']:.0%} of the time"
            told += f", {one['audio_hours_per_hour']:g} h of audio/h"
        rows.append((stage, told))
    told = quantity(found["pairs_of_clips"], "clip")
    rows.append(("pairs", f"{found['pairs']}, of {told} scored since the last start"))
    rows.append(("yield", format_share(found["yield"])))
    if found["seconds_left"] is not None and found["state"] == "running":
        rows.append(("left", duration(found["seconds_left"])))
    reasons = ", ".join(f"{count} {reason}" for reason, count in found["failures"].items())
    rows.append(("left out", reasons or "nothing"))
    rows.append(("shards", f"{found['restarted']} begun anew, {found['lost']} given up"))
    if found["missing"]:
        names = ", ".join(found["missing"][:_SHOWN])
        told = f"of what was written: {quantity(len(found['missing']), 'file')}"
        rows.append(("missing", f"{told}, such as {names}"))
    rows += [("note", notice) for notice in found["notices"]]
    return _columns(rows)


def _state(found: dict[str, Any]) -> str:
    seen = f"seen {duration(found['age_seconds'])} ago"
    if found["state"] == "starting":
        return f"starting: the directory is in use, and nothing is told yet (what follows {seen})"
    asked = "; the same build continues" if found["state"] in ("interrupted", "incomplete") else ""
    return f"{found['state']} ({seen}){asked}"


def plan(found: dict[str, Any]) -> str:
    """What an aimed number of pairs needs."""
    value, low, high = found["yield"]
    clips, fewest, most = found["clips"]
    pilot = found["pilot"]
    rows = [
        ("pilot", f"{quantity(pilot['pairs'], 'pair')} of {quantity(pilot['clips'], 'clip')}"),
        ("yield", f"{value:.1%} of the clips have a pair (95 %: {low:.1%} to {high:.1%})"),
        ("aim", quantity(found["pairs"], "pair")),
        ("clips", f"{_or_none(clips)} (95 %: {_or_none(fewest)} to {_or_none(most)})"),
        ("corpus", quantity(found["clips_in_corpus"], "clip")),
    ]
    for crew in found["crews"]:
        stages = " and ".join(crew["stages"])
        on = f"{quantity(crew['processes'], 'process')} on {crew['device']}"
        rows.append(("hours", f"{crew['hours']:.2f} h to {stages} with {on}"))
    rows.append(("slowest", f"{found['bottleneck']}: {_work(found)}"))
    rows.append(("disk", f"{found['disk_gb']:.2f} GB"))
    return _columns(rows)


def _work(found: dict[str, Any]) -> str:
    return ", ".join(f"{stage} {hours:.2f} h" for stage, hours in found["work_hours"].items())


def _or_none(count: int | None) -> str:
    return "no number" if count is None else str(count)


def _columns(rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"{name:<12}{value}" for name, value in rows)


def listed_reasons(reasons: dict[str, int]) -> str:
    """Why clips have no pair, the most frequent reason first."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {reason}" for reason, count in ordered)


def _most_often(reasons: dict[str, int]) -> str:
    """What stopped most, where nothing is left."""
    reason = max(reasons, key=lambda one: reasons[one])
    return f"No clip has a pair. Most often the reason is {reason}: {STOP_REASONS[Stop(reason)]}"


def _rule(pairing: dict[str, Any]) -> str:
    """The rule and every setting that is not as usual, so that none is forgotten."""
    usual = resolved(Pairing())
    changed = [f"{k}={v}" for k, v in pairing.items() if k != "rule" and v != usual[k]]
    return ", ".join([pairing["rule"], *changed])


def incomplete(counts: dict[str, Any]) -> str:
    """What a run lacks and what to do about it."""
    if not counts["clips"] and counts["complete"]:
        return "no clip could be made of any recording; failures/ and summary.json say why"
    missing = counts["shards_expected"] - counts["shards"]
    lines = [f"  shard {one['shard']} ({one['stage']}): {one['why']}" for one in counts["lost"]]
    told = f"incomplete: {missing} of {quantity(counts['shards_expected'], 'shard')} missing"
    return "\n".join([f"{told}; the same build tries them again", *lines])


def means(found: dict[str, Any]) -> str:
    """Mean scores of the noisy input, all candidates, chosen and rejected."""
    rows = [
        {
            "mean score": score,
            **{role: number(of[role]) for role in _ROLES},
            "better than noisy by": format_interval(
                found["improvement"][score], found["improvement_clips"][score]
            ),
        }
        for score, of in found["means"].items()
    ]
    return table(rows)


def next_steps(
    out: Path, counts: dict[str, Any], found: dict[str, Any], said: Sequence[str] = ()
) -> str:
    """Where the dataset is and what to type next.

    Args:
        said: the settings of the `pair` call that made these pairs.
    """
    files = f"{out}/{'pairs' if counts['pairs'] else 'candidates'}/*.parquet"
    paired = (
        [
            f"  whether a person agrees:        {typed('gensr-pref', 'listen', out)}",
            "  a dataset to share:             "
            f"{typed('gensr-pref', 'export', out, f'{out}-dataset')}",
        ]
        if counts["pairs"]
        else []
    )
    return "\n".join(
        [
            f"The dataset is in {out} (clips, candidates, scores and pairs as Parquet). Next:",
            f"  how far the scores agree:       {typed('gensr-pref', 'audit', out)}",
            *paired,
            f"  pairs again, under other rules: {typed('gensr-pref', 'pair', out)} "
            f"{_other_pairs(counts['pairing'], found, said)}",
            "  in Python:                      "
            f'datasets.load_dataset("parquet", data_files={json.dumps(files)})["train"]',
        ]
    )


def _other_pairs(pairing: dict[str, Any], found: dict[str, Any], said: Sequence[str]) -> str:
    """Settings that find pairs in this run, for they are taken from it.

    A margin of half the median of a vote's margins leaves half of the pairs at least; without
    one, ranking by a score finds a pair wherever candidates differ.
    """
    ranks = pairing["score"] if pairing["rule"] == "top_bottom" else None
    voting = [ranks] if ranks else list(found["yield"]["alone"])
    for score in voting if pairing["rule"] in _WITH_MARGINS else ():
        told = found["margins"][score]
        if told and told["quantiles"][2] > 0:
            setting = f"margin.{score}"
            kept = [
                one for one in said if one.partition("=")[0].removeprefix("pairing.") != setting
            ]
            return " ".join(
                [*map(shlex.quote, kept), f"{setting}={_short(told['quantiles'][2] / 2)}"]
            )
    return f"rule=top_bottom score={next(iter(voting or found['means']))}"


_WITH_MARGINS = ("unanimous", "top_bottom")


def _short(value: float) -> str:
    """Two digits that count, and no exponent, which YAML might take for text."""
    return np.format_float_positional(value, precision=2, fractional=False, trim="-")


def scored(found: dict[str, Any]) -> str:
    """The mean of every score of every system, and why some are null."""
    rows = [
        {
            "score": score,
            **{system: number(of["scores"][score]["mean"]) for system, of in systems.items()},
        }
        for systems in [found["systems"]]
        for score in next(iter(systems.values()))["scores"]
    ]
    files = ", ".join(f"{of['files']} of {system}" for system, of in found["systems"].items())
    nulls = [
        {"null": score, "system": system, "files": count, "reason": reason}
        for system, of in found["systems"].items()
        for score, what in of["scores"].items()
        for reason, count in what["null"].items()
    ]
    parts = [f"Files: {files}. Means over those that have the score:", table(rows)]
    return "\n\n".join([*parts, *([table(nulls)] if nulls else []), f"Written to {found['out']}"])


def given_up(found: dict[str, Any]) -> str:
    """What ended the process that scored it."""
    lines = [
        f"  {one['file']} of {one['system']}, {one.get('metric', 'all metrics')}: {one['why']}"
        for one in found["lost"]
    ]
    return "\n".join(["some scores could not be had and are null:", *lines])


def any_score(found: dict[str, Any]) -> bool:
    """Whether there is a number in what `score` made."""
    scores = [score for of in found["systems"].values() for score in of["scores"].values()]
    return any(score["count"] for score in scores)


def restored(found: dict[str, Any]) -> str:
    """How many files `restore` made, and where."""
    lines = [f"{found['restored']} restored, {found['skipped']} there already: {found['out']}"]
    if found["unjudged"]:
        lines.append(
            "not scored, so that their first candidate was taken: "
            f"{quantity(found['unjudged'], 'piece')}"
        )
    lines += [
        f"{one['file']}: beyond full scale, scaled by {one['gain']:.3f}" for one in found["scaled"]
    ]
    lines += describe([LeftOut(**one) for one in found["left_out"]])
    return "\n".join([*lines, *(f"note: {notice}" for notice in found["notices"])])


def not_restored(found: dict[str, Any]) -> str:
    """Which files `restore` could not make, and why."""
    lines = [f"  {one['file']}: {one['reason']} ({one['detail']})" for one in found["failed"]]
    return "\n".join(["some files could not be restored:", *lines])


def listed(rows: Sequence[dict[str, Any]], name: str, *below: str) -> str:
    """Rows as a table, with what is too long for a column in lines below it.

    Args:
        name: the column that says whose line it is.
        below: the columns that become lines; empty ones do not.
    """
    lines = dict.fromkeys(f"{row[name]}: {row[key]}" for key in below for row in rows if row[key])
    kept = [{key: value for key, value in row.items() if key not in below} for row in rows]
    return "\n".join([table(kept), *(["", *lines] if lines else [])])


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as aligned columns; numbers to the right."""
    if not rows:
        return "(none)"
    told = [list(rows[0]), *(list(row.values()) for row in rows)]
    cells = [[visible(_cell(value)) for value in line] for line in told]
    width = [max(len(line[k]) for line in cells) for k in range(len(cells[0]))]
    right = [all(_numeric(line[k]) for line in cells[1:]) for k in range(len(width))]
    lines = [
        "  ".join(
            cell.rjust(w) if r else cell.ljust(w)
            for cell, w, r in zip(line, width, right, strict=True)
        ).rstrip()
        for line in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * w for w in width), *lines[1:]])


def _cell(value: Any) -> str:
    return (", ".join(map(str, value)) or "-") if isinstance(value, list) else str(value)


def _numeric(text: str) -> bool:
    return text.rstrip("%").lstrip("-").replace(".", "", 1).isdigit() or text == "-"


def number(value: float | None) -> str:
    """Three decimals; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"
