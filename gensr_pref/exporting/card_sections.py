"""The text of a dataset card, section by section."""

from __future__ import annotations

import json
import re

from gensr_pref.config.run_file import Pairing, dump_fields
from gensr_pref.corpus.leakage import list_leaks
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
    sections = [
        _title, _warnings, _content, _loading, _sources, _models, _panel, _rule, _agreement,
        _biases, _consent, _rebuild, _citation,
    ]  # fmt: skip
    return "\n\n".join(text for section in sections if (text := section(facts))) + "\n"


def _title(facts: CardFacts) -> str:
    counts = facts.summary
    return (
        f"# {escape(facts.run.name)}\n\n"
        f"{quantity(counts['pairs'], 'preference pair')} for generative speech restoration. Each "
        "has a noisy clip (`prompt`) and two restorations of it, of which one (`chosen`) is better "
        "than the other (`rejected`) by the rule below. They are from "
        f"{quantity(counts['clips'], 'clip')} with "
        f"{quantity(counts['candidates'], 'restored candidate')}, judged by models and not by "
        "people."
    )


def _warnings(facts: CardFacts) -> str:
    non_commercial = [part for part in facts.parts if part.is_non_commercial]
    restricted = [part for part in facts.parts if part.is_restricted and not part.is_non_commercial]
    unknown = [
        p for p in facts.parts if p.licence == UNKNOWN and p.kind not in ("generator", "metric")
    ]
    lines = []
    if non_commercial:
        names = ", ".join(
            f"{escape(p.name)} ({p.kind}, {inline_code(p.licence)})" for p in non_commercial
        )
        lines.append(f"**Not for commercial use.** The licences of these forbid it: {names}.")
    lines += [
        f"**Note the licence of {escape(part.name)}** ({part.kind}): {escape(part.notice)}."
        for part in restricted
    ]
    if unknown:
        names = ", ".join(escape(part.name) for part in unknown)
        lines.append(f"**Unknown licence:** {names}. Ask before you use it.")
    return "\n>\n".join(f"> {line}" for line in lines)


def _content(facts: CardFacts) -> str:
    hours = facts.summary["dataset"].get("hours", {})
    rows = [
        [inline_code(table.name), inline_code(split.name), str(split.rows), str(len(split.files)),
         number_text(hours.get(split.name)) if table is facts.tables[0] else ""]
        for table in facts.tables
        for split in table.splits
    ]  # fmt: skip
    columns = markdown_table(["config", "split", "rows", "files", "hours of noisy clips"], rows)
    notes = [
        "`prompt`, `chosen` and `rejected` are audio (16-bit FLAC, mono).",
        "`margins` states by how much chosen is better on each score; `chosen_scores` and "
        "`rejected_scores` are the scores themselves.",
        "The generator's own likelihood or error is computed from `chosen_tokens` or "
        "`chosen_latent` (likewise for rejected); latents are little-endian float16.",
        "`degradation` lists the degradations that were applied to clean speech, as JSON.",
    ]
    if facts.form == "trl":
        notes = [
            "`chosen_ids` and `rejected_ids` are the tokens, frame by frame: code c of codebook g "
            f"has the id g · {facts.codes} + c. `chosen` and `rejected` contain the same ids as "
            "words `<|id|>`. `prompt` is empty: the noisy clip is in `noisy`.",
        ]
    return "\n".join(["## What is in it\n", columns, "", *(f"- {line}" for line in notes)])


def _loading(facts: CardFacts) -> str:
    name = facts.repository or "path/to/this/folder"
    if facts.form == "wav-jsonl":
        code_text = "import json\n\npairs = [json.loads(line) for line in open('train.jsonl')]"
        block = code_block(code_text, "python")
        return f"## How to load it\n\n{block}\n\nPaths in the rows are relative to this folder."
    lines = ["import datasets", "", f'pairs = datasets.load_dataset("{name}")']
    if len(facts.tables) > 1:
        lines.append(f'scores = datasets.load_dataset("{name}", "{facts.tables[1].name}")')
    return f"## How to load it\n\n{code_block(chr(10).join(lines), 'python')}"


def _sources(facts: CardFacts) -> str:
    credits = {(credit["of"], credit["name"]): credit for credit in facts.run.credits}
    rows = []
    for part in facts.parts:
        if part.kind in ("generator", "metric"):
            continue
        credit = credits.get((part.kind, part.name), {})
        name = link(part.name, credit["url"]) if credit.get("url") else escape(part.name)
        rows.append([part.kind, name, inline_code(part.licence), escape(credit.get("by") or "")])
    text = markdown_table(["", "work", "licence", "by"], rows)
    return f"## Recordings\n\n{text}\n\n{_degradation(facts.run)}"


def _degradation(run: RunDocument) -> str:
    degrade = run.corpus.get("degrade") or {}
    steps = [name for name, settings in degrade.items() if settings]
    if not steps:
        return "The clips were recorded with their noise."
    names = ", ".join(name.replace("_", " ") for name in steps)
    return f"Clean speech was degraded in this order: {names}. `run.yaml` has the settings."


def _models(facts: CardFacts) -> str:
    licences = {part.name: part.licence for part in facts.parts if part.kind == "generator"}
    rows = [
        [inline_code(row["name"]), inline_code(row["revision"] or ""), str(row["candidates"]),
         inline_code(licences.get(row["name"], UNKNOWN))]
        for row in facts.summary["generators"]
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
    pairing, yields = facts.run.pairing, facts.audit["yield"]
    defaults = dump_fields(Pairing())
    settings = {k: v for k, v in pairing.items() if k != "rule" and v != defaults.get(k)}
    changes = inline_code(json.dumps(settings)) if settings else "with its default settings"
    lines = [
        f"## Rule and yield\n\nRule {inline_code(pairing['rule'])}, {changes}.",
        f"{share_text(yields['joint'])} of the clips have a pair"
        f"{_interval(yields.get('joint_interval'))}.",
    ]
    if yields.get("by_chance") is not None:
        lines.append(f"With shuffled scores it would be {share_text(yields['by_chance'])}.")
    without_pair = facts.audit.get("without_pair") or {}
    if without_pair:
        reasons = ", ".join(
            f"{count} {inline_code(reason)}" for reason, count in without_pair.items()
        )
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
            f"{quantity(votes['votes'], 'vote')} count as {votes['value']:.1f} independent votes "
            "(effective number by participation ratio)."
        )
    if facts.has_figure:
        parts.append(f"![Kendall's tau between every two votes]({FIGURE})")
    if rows:
        parts.append(markdown_table(["vote", "vote", "Kendall's tau", "same winner"], rows))
    return "\n\n".join([*parts, *_hold_out(facts), *_listening(facts)])


def _hold_out(facts: CardFacts) -> list[str]:
    rows = [
        [inline_code(row["score"]), share_text(row["rate"]),
         _interval(_bounds(row["low"], row["high"])).strip() or "too few"]
        for row in facts.audit.get("hold_out") or ()
    ]  # fmt: skip
    if not rows:
        return []
    text = (
        "Scores that did not choose the pairs, and the share of the pairs in which they prefer the "
        "chosen candidate (one half is chance):"
    )
    return [text, markdown_table(["score", "prefers chosen", "interval"], rows)]


def _bounds(low: float | None, high: float | None) -> list[float] | None:
    return None if low is None or high is None else [low, high]


def _listening(facts: CardFacts) -> list[str]:
    answers = facts.audit.get("listening") or {}
    if not answers.get("answers"):
        return ["No person has judged these pairs."]
    panel = answers.get("panel")
    agree = share_text(panel.get("agree") if panel else None)
    bounds = _interval(panel.get("agree_interval") if panel else None)
    return [
        f"People gave {quantity(answers['answers'], 'answer')}; {agree}{bounds} prefer the chosen."
    ]


def _biases(facts: CardFacts) -> str:
    bullets = [
        f"Chosen differs from rejected in {inline_code(row['property'])}: Cohen's d "
        f"{number_text(row['cohens_d'])}, Cliff's delta {number_text(row['cliffs_delta'])}. "
        "A model may learn this difference instead."
        for row in facts.audit.get("sides") or ()
        if row["warns"]
    ]
    bullets += [
        f"A linear probe finds the chosen candidate in {share_text(row['accuracy'])}"
        f"{_interval(_bounds(row['low'], row['high']))} of unseen pairs of "
        f"{inline_code(row['generator'])}; with shuffled labels, in {share_text(row['shuffled'])}."
        for row in facts.audit.get("learnability") or ()
        if row["accuracy"] is not None
    ]
    if leakage := facts.audit.get("leakage"):
        bullets += [
            f"In several splits: {quantity(leak['shared'], kind)}."
            for kind, leak in list_leaks(leakage).items()
        ]
    bullets += [escape(notice) for notice in facts.summary["notices"]]
    bullets.append(
        "Preferences are those of the panel: the pairs say nothing about what it does not measure."
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
        f"## Privacy\n\n{how} Clip ids are pseudonyms too. Seeds and values drawn from them are "
        "left out. Voices are not altered, and `text` has the spoken words."
    )


def _rebuild(facts: CardFacts) -> str:
    version = inline_code(f"gensr_pref {facts.run.provenance.gensr_pref}".strip())
    fingerprint = inline_code(facts.run.provenance.fingerprint)
    origin = f"Built with {version}; the run's fingerprint is {fingerprint}."
    if facts.anonymised is not None:
        return (
            f"## How it was built\n\n{origin} `run.yaml` has the settings. The dataset cannot be "
            "built again from them: the seed is withheld, because it could confirm a guessed name."
        )
    command = code_block("gensr-pref build run.yaml --out RUN\ngensr-pref export RUN OUT", "sh")
    return (
        f"## How to build it again\n\n{origin} Put the recordings where `run.yaml` expects them, "
        f"then:\n\n{command}"
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
    lines = [f"## Citation\n\n{code_block(entry, 'bibtex')}"]
    citations = [credit["cite"] for credit in facts.run.credits if credit.get("cite")]
    if citations:
        lines += ["", "Please also cite the recordings:", ""]
        lines += [f"- {escape(text)}" for text in citations]
    return "\n".join(lines)


def _codes(names: list[str]) -> str:
    return ", ".join(map(inline_code, names))
