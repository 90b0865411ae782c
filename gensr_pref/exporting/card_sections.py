"""The text of a dataset card, section by section."""

from __future__ import annotations

import json
import re
from typing import Any

from gensr_pref.config.run_file import Pairing, dump_fields
from gensr_pref.errors import quantity
from gensr_pref.exporting.card_facts import CardFacts
from gensr_pref.exporting.licences import UNKNOWN
from gensr_pref.exporting.markdown import (
    code_block,
    escape,
    inline_code,
    link,
    markdown_table,
    number_text,
    share_text,
)
from gensr_pref.rundir.document import RunDocument

FIGURE = "agreement.png"
HOME = "gensr_pref"


def render_body(facts: CardFacts) -> str:
    """Return the card below its YAML."""
    every = [
        _title, _warnings, _content, _loading, _sources, _models, _panel, _rule, _agreement,
        _biases, _consent, _rebuild, _citation,
    ]  # fmt: skip
    return "\n\n".join(text for section in every if (text := section(facts))) + "\n"


def _title(facts: CardFacts) -> str:
    counts = facts.summary
    return (
        f"# {escape(facts.run.name)}\n\n"
        f"{quantity(counts['pairs'], 'preference pair')} for generative speech restoration. Each "
        "is a noisy "
        "clip (`prompt`) and two restorations of it, of which one (`chosen`) is better than the "
        "other (`rejected`) by the rule below. They are from "
        f"{quantity(counts['clips'], 'clip')} with "
        f"{quantity(counts['candidates'], 'restored candidate')}, judged by models and not by "
        "people."
    )


def _warnings(facts: CardFacts) -> str:
    barred = [part for part in facts.parts if part.is_non_commercial]
    bound = [part for part in facts.parts if part.is_restricted and not part.is_non_commercial]
    unknown = [
        p for p in facts.parts if p.licence == UNKNOWN and p.kind not in ("generator", "metric")
    ]
    lines = []
    if barred:
        named = ", ".join(f"{escape(p.name)} ({p.kind}, {inline_code(p.licence)})" for p in barred)
        lines.append(f"**Not for commercial use.** A licence that forbids it is of: {named}.")
    lines += [
        f"**Mind the licence of {escape(part.name)}** ({part.kind}): {escape(part.notice)}."
        for part in bound
    ]
    if unknown:
        named = ", ".join(escape(part.name) for part in unknown)
        lines.append(
            f"**Licence not stated** by whoever built this: {named}. Ask before you use it."
        )
    return "\n>\n".join(f"> {line}" for line in lines)


def _content(facts: CardFacts) -> str:
    hours = facts.summary["dataset"].get("hours", {})
    rows = [
        [inline_code(one.name), inline_code(split.name), str(split.rows), str(len(split.files)),
         number_text(hours.get(split.name)) if one is facts.tables[0] else ""]
        for one in facts.tables
        for split in one.splits
    ]  # fmt: skip
    columns = markdown_table(["config", "split", "rows", "files", "hours of noisy clips"], rows)
    notes = [
        "`prompt`, `chosen`, `rejected` are sound (16-bit FLAC, mono).",
        "`margins` says by how much chosen is better on every score; `chosen_scores` and "
        "`rejected_scores` the scores themselves.",
        "`chosen_tokens`, `chosen_latent` (and of rejected) are what the generator's own "
        "likelihood or error is computed on; latents are little-endian float16.",
        "`degradation` is what was done to clean speech to make the clip, as JSON.",
    ]
    if facts.form == "trl":
        notes = [
            "`chosen_ids` and `rejected_ids` are the tokens, frame by frame: the id of code c of "
            f"codebook g is g · {facts.codes} + c. `chosen` and `rejected` are the same as words "
            "`<|id|>`. `prompt` is empty: the noisy clip is in `noisy`.",
        ]
    return "\n".join(["## What is in it\n", columns, "", *(f"- {line}" for line in notes)])


def _loading(facts: CardFacts) -> str:
    name = facts.repository or "path/to/this/folder"
    if facts.form == "wav-jsonl":
        code_text = "import json\n\npairs = [json.loads(line) for line in open('train.jsonl')]"
        shown = code_block(code_text, "python")
        return f"## How to load it\n\n{shown}\n\nPaths in it are relative to this folder."
    lines = ["import datasets", "", f'pairs = datasets.load_dataset("{name}")']
    if len(facts.tables) > 1:
        lines.append(f'scores = datasets.load_dataset("{name}", "{facts.tables[1].name}")')
    return f"## How to load it\n\n{code_block(chr(10).join(lines), 'python')}"


def _sources(facts: CardFacts) -> str:
    known = {(c["of"], c["name"]): c for c in facts.run.credits}
    rows = []
    for part in facts.parts:
        if part.kind in ("generator", "metric"):
            continue
        one = known.get((part.kind, part.name), {})
        name = link(part.name, one["url"]) if one.get("url") else escape(part.name)
        rows.append([part.kind, name, inline_code(part.licence), escape(one.get("by") or "")])
    text = markdown_table(["", "work", "licence", "by"], rows)
    return f"## Recordings\n\n{text}\n\n{_degradation(facts.run)}"


def _degradation(run: RunDocument) -> str:
    degrade = run.corpus.get("degrade") or {}
    steps = [name for name, settings in degrade.items() if settings]
    if not steps:
        return "The clips are noisy as they were recorded."
    names = ", ".join(name.replace("_", " ") for name in steps)
    return f"Clean speech was degraded, in this order: {names}. `run.yaml` has the settings."


def _models(facts: CardFacts) -> str:
    licences = {part.name: part.licence for part in facts.parts if part.kind == "generator"}
    rows = [
        [inline_code(one["name"]), inline_code(one["revision"] or ""), str(one["candidates"]),
         inline_code(licences.get(one["name"], UNKNOWN))]
        for one in facts.summary["generators"]
    ]  # fmt: skip
    return "## Generators\n\n" + markdown_table(
        ["model", "revision", "candidates per clip", "licence"], rows
    )


def _panel(facts: CardFacts) -> str:
    rows = []
    for metric in facts.run.provenance.panel:
        votes = [score.name for score in metric.scores if score.votes]
        others = [score.name for score in metric.scores if not score.votes]
        rows.append([
            inline_code(metric.metric), inline_code(metric.model or UNKNOWN),
            inline_code(metric.licence or UNKNOWN), _codes(votes), _codes(others),
        ])  # fmt: skip
    head = ["metric", "model", "licence of its weights or code", "scores that vote", "others"]
    return "## Panel\n\n" + markdown_table(head, rows)


def _rule(facts: CardFacts) -> str:
    pairing, measured = facts.run.pairing, facts.audit["yield"]
    usual = dump_fields(Pairing())
    settings = {k: v for k, v in pairing.items() if k != "rule" and v != usual.get(k)}
    changes = inline_code(json.dumps(settings)) if settings else "with its usual settings"
    lines = [
        f"## Rule and yield\n\nRule {inline_code(pairing['rule'])}, {changes}.",
        f"{share_text(measured['joint'])} of the clips have a pair"
        f"{_interval(measured.get('joint_interval'))}.",
    ]
    if measured.get("by_chance") is not None:
        lines.append(f"With shuffled scores it would be {share_text(measured['by_chance'])}.")
    stops = facts.audit.get("without_pair") or {}
    if stops:
        reasons = ", ".join(f"{count} {inline_code(reason)}" for reason, count in stops.items())
        lines.append(f"Clips without a pair, by reason: {reasons}.")
    return " ".join(lines)


def _interval(pair: list[float] | None) -> str:
    return f" [{share_text(pair[0])}, {share_text(pair[1])}]" if pair else ""


def _agreement(facts: CardFacts) -> str:
    rows = [
        [
            *map(inline_code, row["scores"]),
            number_text(row["kendall_tau"]),
            share_text(row["agreement_rate"]),
        ]
        for row in facts.audit.get("agreement") or ()
    ]
    parts = ["## Do the judges agree?"]
    votes = facts.audit.get("panel", {}).get("effective_votes") or {}
    if votes.get("value") is not None:
        parts.append(
            f"{quantity(votes['votes'], 'vote')} count as {votes['value']:.1f} independent ones "
            "(effective "
            "number by participation ratio)."
        )
    if facts.has_figure:
        parts.append(f"![Kendall's tau between every two votes]({FIGURE})")
    if rows:
        parts.append(
            markdown_table(["vote", "vote", "Kendall's tau", "name the same winner"], rows)
        )
    return "\n\n".join([*parts, *_hold_out(facts), *_listening(facts)])


def _hold_out(facts: CardFacts) -> list[str]:
    rows = [
        [inline_code(row["score"]), share_text(row["rate"]),
         _interval([row["low"], row["high"]]).strip() if row["low"] is not None else "too few"]
        for row in facts.audit.get("hold_out") or ()
    ]  # fmt: skip
    if not rows:
        return []
    text = (
        "Scores that took no part, and in what share of the pairs they prefer the chosen (one half "
        "is chance):"
    )
    return [text, markdown_table(["score", "prefers chosen", "interval"], rows)]


def _bounds(row: dict[str, Any]) -> list[float] | None:
    return None if row["low"] is None else [row["low"], row["high"]]


def _listening(facts: CardFacts) -> list[str]:
    answers = facts.audit.get("listening") or {}
    if not answers.get("answers"):
        return ["No person has judged these pairs."]
    panel = answers.get("panel") or {}
    bounds = _interval(panel.get("agree_interval"))
    return [
        f"People gave {quantity(answers['answers'], 'answer')}; "
        f"{share_text(panel.get('agree'))}{bounds} prefer the chosen."
    ]


def _biases(facts: CardFacts) -> str:
    bullets = [
        f"Chosen differs from rejected in {inline_code(row['property'])}: Cohen's d "
        f"{number_text(row['cohens_d'])}, Cliff's delta {number_text(row['cliffs_delta'])}. "
        "A model may learn that instead."
        for row in facts.audit.get("sides") or ()
        if row["warns"]
    ]
    bullets += [
        f"A linear probe names the chosen of unseen pairs of {inline_code(row['generator'])} in "
        f"{share_text(row['accuracy'])}{_interval(_bounds(row))} of cases; with labels "
        f"shuffled, in {share_text(row['shuffled'])}."
        for row in facts.audit.get("learnability") or ()
        if row["accuracy"] is not None
    ]
    for kind, shared in (facts.audit.get("leakage") or {}).items():
        if kind != "clips" and shared["shared"]:
            bullets.append(f"In several splits: {quantity(shared['shared'], escape(kind))}.")
    bullets += [escape(notice) for notice in facts.summary["notices"]]
    bullets.append(
        "Preferences are those of the panel; what it cannot hear, the pairs do not know."
    )
    return "## Known biases and limits\n\n" + "\n".join(f"- {line}" for line in bullets)


def _consent(facts: CardFacts) -> str:
    if facts.anonymised is None:
        return ""
    how = {
        "hash": "Speakers and recordings have pseudonyms under a secret that is not published.",
        "drop": "Speakers and recordings are not named.",
    }[facts.anonymised]
    return (
        f"## Privacy\n\n{how} Clip ids are pseudonyms too; seeds, and what was drawn from them, "
        "are left out. Voices are not altered, and what is said is in `text`."
    )


def _rebuild(facts: CardFacts) -> str:
    version = inline_code(f"gensr_pref {facts.run.provenance.gensr_pref}".strip())
    fingerprint = inline_code(facts.run.provenance.fingerprint)
    made = f"Made with {version}; the run's fingerprint is {fingerprint}."
    if facts.anonymised is not None:
        return (
            f"## How it was built\n\n{made} `run.yaml` has the settings. It cannot be built again "
            "from them: the seed is withheld, as with it a guess of a recording could be checked."
        )
    command = code_block("gensr-pref build run.yaml --out RUN\ngensr-pref export RUN OUT", "sh")
    return (
        f"## How to build it again\n\n{made} Put the recordings where `run.yaml` looks for them:"
        f"\n\n{command}"
    )


def _citation(facts: CardFacts) -> str:
    key = re.sub(r"\W+", "_", facts.run.name).strip("_") or "dataset"
    title = re.sub(r"[{}\\%#&$~^_]", " ", facts.run.name)
    where = (
        f"\n  howpublished = {{Hugging Face dataset {facts.repository}}},"
        if facts.repository
        else ""
    )
    entry = f"@misc{{{key},\n  title = {{{title}}},{where}\n  note = {{Built with {HOME}}}\n}}"
    cited = [one["cite"] for one in facts.run.credits if one.get("cite")]
    also = (
        ["", "And of what it is made of:", "", *(f"- {escape(text)}" for text in cited)]
        if cited
        else []
    )
    return "\n".join([f"## Citation\n\n{code_block(entry, 'bibtex')}", *also])


def _codes(names: list[str]) -> str:
    return ", ".join(map(inline_code, names))
