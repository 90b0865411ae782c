"""Policies side by side on held-out clips: a build without pairs, then statistics of its tables."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gensr_pref.apply import catalogue, evaluation_report
from gensr_pref.apply.default_panel import choose_panel
from gensr_pref.apply.evaluation_clips import HeldOutClips, find_clips
from gensr_pref.apply.evaluation_file import PLACEBO, Evaluation, policy_of
from gensr_pref.apply.evaluation_scores import read_scores
from gensr_pref.apply.training_record import (
    document_panel,
    document_votes,
    read_training,
    training_votes,
    with_votes,
)
from gensr_pref.auditing.policy_comparison import compare_policies
from gensr_pref.building import open_run
from gensr_pref.building.build import build
from gensr_pref.building.summary import Summary
from gensr_pref.config import plugins, run_file
from gensr_pref.config.run_file import GeneratorUse, MetricUse, Pairing, Run, load_any
from gensr_pref.corpus.sources import has_clean
from gensr_pref.errors import ConfigError, Problem, parameter
from gensr_pref.generators.registry import label_of, make_generator
from gensr_pref.metrics.panel import Panel
from gensr_pref.rundir import part_files
from gensr_pref.untrusted.text import escape_all

RULE = "none"
ROLES = ("base", "policy", "control")  # in the order of tables
COMMON = "common"  # the label whose seeds all policies but the placebo draw


def evaluate(
    wanted: Evaluation | Mapping[str, Any] | str | Path,
    out: str | Path,
    *,
    base: str | Path | None = None,
) -> tuple[Summary, dict[str, Any]]:
    """Sample, score and compare, or continue; a policy that is added later is all that is done.

        evaluate("evaluation.yaml", "runs/evaluation")

    Args:
        wanted: the evaluation file, its data, or a checked `Evaluation`.
        out: a run directory, as of a build; ``evaluation.json``, ``.md`` and ``.svg`` lie in it.
        base: the folder that relative paths start from; None: the evaluation file's folder, or the
            working folder where `wanted` is no file.

    Returns:
        What ``summary.json`` and what ``evaluation.json`` hold.

    Raises:
        InputError: before any work.
        StorageError: the directory cannot be written.
    """
    wanted, home = load_any(wanted, Evaluation, base)
    out = Path(out)
    plugins.search(home)
    held = _clips(wanted, home, out)
    generators = _generators(wanted, home)
    panel, votes_from = _panel(wanted, held, home)
    run = Run(
        name=wanted.name,
        seed=wanted.seed if wanted.seed is not None else held.seed,
        corpus=held.corpus,
        generators=_with_earlier(out, generators),
        panel=panel,
        pairing=Pairing(rule=RULE, across_generators=True),
        engine=wanted.engine,
    )
    summary = build(run, out, base=home)
    asked = run.model_copy(update={"generators": generators})
    found = _compare(wanted, asked, home, out) if part_files.parts(out, "scores") else {}
    if found:
        found |= {"from": held.description, "votes_from": votes_from}
        _write(out, found)
    return summary, found


def _clips(wanted: Evaluation, home: Path, out: Path) -> HeldOutClips:
    if wanted.clips is not None:
        held = find_clips(home / wanted.clips, home, out, wanted.limit)
    else:
        assert wanted.corpus is not None
        held = HeldOutClips(wanted.corpus, description="the evaluation file's corpus")
    limited = held.corpus.model_copy(update={"limit": wanted.limit or held.corpus.limit})
    return replace(held, corpus=limited)


def _generators(wanted: Evaluation, home: Path) -> list[GeneratorUse]:
    """All that sample: the policies on common seeds, and the base once more on its own.

    Raises:
        ConfigError: fewer than two policies, a label that is there twice or reserved, a base or
            control that is none of them.
    """
    uses = [
        _label_generator(use, place, wanted, home) for place, use in enumerate(wanted.generators)
    ]
    labels = [str(use.name) for use in uses]
    _require_own(labels)
    policies = list(dict.fromkeys(map(policy_of, labels)))
    base = wanted.base or policies[0]
    _require_two(policies, base, wanted)
    first = next(use for use in uses if policy_of(str(use.name)) == base)
    if wanted.placebo and not _knows_clips(first):
        uses.append(first.model_copy(update={"name": PLACEBO, "seeds": None}))
    return uses


def _require_own(labels: Sequence[str]) -> None:
    for label in labels:
        if labels.count(label) > 1:
            raise ConfigError(
                f"{label!r} is there twice. Give each a label of its own; models that "
                f"were trained alike from different seeds are {label}@1, {label}@2, ...",
                field="generators",
                value=label,
                problem=Problem.DUPLICATE,
            )
        if policy_of(label) == PLACEBO:
            raise ConfigError(
                f"{label!r} is what the base with other seeds is called",
                field="generators",
                value=label,
                problem=Problem.CONFLICT,
            )


def _require_two(policies: Sequence[str], base: str, wanted: Evaluation) -> None:
    if len(policies) < 2:
        raise ConfigError(
            f"{policies[0]!r} is the only policy, so there is nothing to compare it "
            "with. Give a base and one more",
            field="generators",
            value=policies,
            problem=Problem.EMPTY,
        )
    for field, name in (("base", base), *(("controls", name) for name in wanted.controls)):
        if name not in policies:
            raise ConfigError(f"no policy {name!r}.", field=field, value=name, known=policies)
    if base in wanted.controls:
        raise ConfigError(
            f"{base!r} is the base", field="controls", value=base, problem=Problem.CONFLICT
        )


def _label_generator(use: GeneratorUse, place: int, wanted: Evaluation, home: Path) -> GeneratorUse:
    """A generator with its label, its number of samples and the common seeds.

    One that looks its outputs up has one, unless its entry in the evaluation file says otherwise.
    """
    label = label_of(use, make_generator(use, f"generators.{place}", home))
    usual = 1 if _knows_clips(use) else wanted.samples
    count = use.candidates if "candidates" in use.model_fields_set else usual
    return use.model_copy(update={"name": label, "candidates": count, "seeds": COMMON})


def _with_earlier(out: Path, uses: Sequence[GeneratorUse]) -> list[GeneratorUse]:
    """Return the generators of an earlier evaluation in the same folder, then the new ones.

    A generator that this call does not name stays at its index, so that no part is rewritten.

    Raises:
        ConfigError: a generator that this call does not name would run code from outside this
            package.
    """
    if not (out / "run.yaml").exists():
        return list(uses)
    there = open_run.read_document(out).generators
    earlier = [run_file.parse(one, GeneratorUse, "run.yaml") for one in there]
    whole = {str(use.name): use for use in earlier}
    asked = [(use.use, use.options) for use in uses]
    for label in whole.keys() - {str(use.name) for use in uses}:
        if (whole[label].use, whole[label].options) not in asked:
            _require_own_kind(out, label, whole[label])
    for use in uses:
        label = str(use.name)
        before = whole[label].candidates if label in whole else 0
        most = max(use.candidates, before)
        whole[label] = use.model_copy(update={"candidates": most})
    return list(whole.values())


def _require_own_kind(out: Path, label: str, use: GeneratorUse) -> None:
    """Refuse a generator of an earlier evaluation that this call does not name, if it is code.

    What lies there may be a stranger's: `command` runs programs, `folder` reads files of this
    machine, a class does anything.
    """
    if use.use not in plugins.built_in("generator") - {"command", "folder"} or plugins.names_code(
        use.options
    ):
        raise ConfigError(
            f"an earlier evaluation had {label!r} ({use.use}), which is code that is not "
            "run because a folder names it. Name it again, or choose another folder",
            path=out,
            value=label,
            problem=Problem.UNSAFE,
        )


def _knows_clips(use: GeneratorUse) -> bool:
    """Whether a generator looks its candidates up, so that seeds mean nothing to it."""
    return hasattr(plugins.find("generator", use.use, "generators"), "candidates_of")


def _panel(wanted: Evaluation, held: HeldOutClips, home: Path) -> tuple[list[MetricUse], str]:
    """The metrics, those scores voting that chose the pairs; and how that is known.

    Raises:
        InputError: an unknown metric or score, or one that needs what the clips do not have.
    """
    clean = has_clean(held.corpus)
    document = held.document if held.document and held.document.get("panel") else None
    if wanted.panel is not None:
        uses = list(wanted.panel)
    elif document is not None:
        uses = document_panel(document, held.own)
    else:
        columns = getattr(held.corpus.source, "columns", None)
        uses = choose_panel(None, [], clean, texts=columns is not None and columns.text is not None)
    votes, places = training_votes(read_training(use, home) for use in wanted.generators)
    told = f"the pairs of {', '.join(places)}" if votes else ""
    if not votes and document is not None:
        votes, told = document_votes(document, home, held.own), "the run of the clips"
    uses = with_votes(uses, votes, home)
    for name in wanted.hold_out or ():
        uses = _remove_vote(uses, name, home)
    if not clean:
        _require_no_clean(uses, home)
    return uses, told or "the panel"


def _remove_vote(uses: Sequence[MetricUse], name: str, home: Path) -> list[MetricUse]:
    """The panel with a metric, or one of its scores, without a vote; added if it is not there."""
    metrics = {use.metric: use for use in uses}
    if name in metrics:
        return [use.model_copy(update={"vote": False}) if use.metric == name else use
                for use in uses]  # fmt: skip
    for member in Panel(list(uses), base=home).members:
        voting = [score.name for score in member.scores if score.votes]
        if name in [score.name for score in member.scores]:
            left = [score for score in voting if score != name]
            return [use.model_copy(update={"vote": left}) if use == member.use else use
                    for use in uses]  # fmt: skip
    known = {row["metric"]: row["metric"] for row in catalogue.metrics()}
    known |= {row["score"]: row["metric"] for row in catalogue.metrics()}
    if name not in known and ":" not in name:
        raise ConfigError(
            f"no metric or score {name!r}.", field="hold_out", value=name, known=known
        )
    return [*uses, MetricUse(metric=known.get(name, name), vote=False)]


def _require_no_clean(uses: Sequence[MetricUse], home: Path) -> None:
    for member in Panel(list(uses), base=home).members:
        if "clean" in member.metric.spec.needs:
            raise ConfigError(
                f"{member.use.metric!r} needs clean speech, which these clips do not have. "
                f"Leave it out ({parameter('panel')}, {parameter('hold_out')}), or give clips with "
                "clean counterparts",
                field="panel",
                value=member.use.metric,
                problem=Problem.CONFLICT,
            )


def _compare(wanted: Evaluation, run: Run, home: Path, out: Path) -> dict[str, Any]:
    """What ``evaluation.json`` holds."""
    measured, missing = read_scores(out, run.generators)
    policies: dict[str, list[int]] = defaultdict(list)
    for place, label in enumerate(measured.labels):
        policies[policy_of(label)].append(place)
    base = wanted.base or next(iter(policies))
    controls = [*wanted.controls, *_randomly_labelled(wanted, home)]
    roles = {name: _role(name, base, controls) for name in policies}
    ordered = {
        name: policies[name] for name in sorted(policies, key=lambda n: ROLES.index(roles[n]))
    }
    compared = compare_policies(measured, ordered, base, wanted.over == "speaker")
    told: dict[str, Any] = {**compared}
    for name, one in told["policies"].items():
        labels = [measured.labels[place] for place in ordered[name]]
        one["role"] = roles[name]
        one["members"] = labels
        one["failures"] = _sum_counts(missing.failures[label] for label in labels)
        scores = {score for label in labels for score in missing.nulls[label]}
        one["nulls"] = {
            score: _sum_counts(missing.nulls[label][score] for label in labels)
            for score in sorted(scores)
        }
    found = {
        "name": run.name,
        "base": base,
        "clips": len(measured.speakers),
        "speakers": len(set(measured.speakers) - {None}),
        "samples": max(measured.samples),
        "over": wanted.over,
        "seed": run.seed,
        **told,
    }
    for name in found["policies"]:
        found["policies"][name]["verdict"] = evaluation_report.verdict(found, name)
    return found


def _randomly_labelled(wanted: Evaluation, home: Path) -> list[str]:
    """The policies whose folders say that a coin chose the sides of their pairs."""
    return [policy_of(use.name or use.use) for use in wanted.generators
            if read_training(use, home).random_labels]  # fmt: skip


def _role(name: str, base: str, controls: Sequence[str]) -> str:
    if name == base:
        return "base"
    return "control" if name == PLACEBO or name in controls else "policy"


def _sum_counts(counts: Iterable[Counter[str]]) -> dict[str, int]:
    whole: Counter[str] = Counter()
    for one in counts:
        whole.update(one)
    return dict(sorted(whole.items()))


def _write(out: Path, found: dict[str, Any]) -> None:
    from gensr_pref.auditing.forest_plot import forest_plot

    part_files.write_text(
        out / "evaluation.json", json.dumps(found, indent=2, allow_nan=False) + "\n"
    )
    part_files.write_text(out / "evaluation.md", evaluation_report.markdown(escape_all(found)))
    part_files.write_text(out / "evaluation.svg", forest_plot(found))
