"""Compares policies on held-out clips: a build without pairs, then statistics of its tables."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gensr_pref.apply import evaluation_report
from gensr_pref.apply.evaluation_clips import HeldOutClips, find_clips
from gensr_pref.apply.evaluation_file import PLACEBO, Evaluation, policy_of
from gensr_pref.apply.evaluation_panel import choose_voting_panel
from gensr_pref.apply.evaluation_policies import add_earlier, label_generators
from gensr_pref.apply.evaluation_result import EvaluationResult, PolicyResult, Role
from gensr_pref.apply.evaluation_scores import MissingScores, read_scores
from gensr_pref.apply.evaluation_verdict import verdict
from gensr_pref.apply.training_record import read_training
from gensr_pref.auditing.policy_comparison import compare_policies
from gensr_pref.building.build import build
from gensr_pref.building.summary import Summary
from gensr_pref.config import plugins
from gensr_pref.config.run_file import Pairing, Run, load_any
from gensr_pref.rundir import part_files
from gensr_pref.untrusted.text import escape_all

RULE = "none"
ROLES: tuple[Role, ...] = ("base", "policy", "control")  # in the order of tables


def evaluate(
    wanted: Evaluation | Mapping[str, Any] | str | Path,
    out: str | Path,
    *,
    base: str | Path | None = None,
) -> tuple[Summary, EvaluationResult]:
    """Sample, score and compare policies, or continue; only what is new is computed.

        evaluate("evaluation.yaml", "runs/evaluation")

    Args:
        wanted: the evaluation file, its data, or a checked `Evaluation`.
        out: a run directory, as of a build, with ``evaluation.json``, ``.md`` and ``.svg`` in it.
        base: folder that relative paths start from; None: the evaluation file's folder, or the
            working folder if `wanted` is not a file.

    Returns:
        The contents of ``summary.json`` and of ``evaluation.json``.

    Raises:
        InputError: an input is wrong; raised before any work.
        StorageError: the directory cannot be written.
    """
    wanted, home = load_any(wanted, Evaluation, base)
    out = Path(out)
    plugins.search(home)
    clips = _clips(wanted, home, out)
    generators = label_generators(wanted, home)
    panel, votes_from = choose_voting_panel(wanted, clips, home)
    run = Run(
        name=wanted.name,
        seed=wanted.seed if wanted.seed is not None else clips.seed,
        corpus=clips.corpus,
        generators=add_earlier(out, generators),
        panel=panel,
        pairing=Pairing(rule=RULE, across_generators=True),
        engine=wanted.engine,
    )
    summary = build(run, out, base=home)
    if not part_files.parts(out, "scores"):
        return summary, {}
    result = _compare(wanted, run.model_copy(update={"generators": generators}), home, out)
    result["from"] = clips.description
    result["votes_from"] = votes_from
    _write(out, result)
    return summary, result


def _clips(wanted: Evaluation, home: Path, out: Path) -> HeldOutClips:
    if wanted.clips is not None:
        clips = find_clips(home / wanted.clips, home, out, wanted.limit)
    else:
        assert wanted.corpus is not None
        clips = HeldOutClips(wanted.corpus, description="the evaluation file's corpus")
    limit = wanted.limit or clips.corpus.limit
    return replace(clips, corpus=clips.corpus.model_copy(update={"limit": limit}))


def _compare(wanted: Evaluation, run: Run, home: Path, out: Path) -> EvaluationResult:
    """Compare the policies with the base."""
    scores, missing = read_scores(out, run.generators)
    members: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(scores.labels):
        members[policy_of(label)].append(index)
    base = wanted.base or next(iter(members))
    controls = [*wanted.controls, *_policies_of_random_labels(wanted, home)]
    roles = {name: _role(name, base, controls) for name in members}
    names = sorted(members, key=lambda name: ROLES.index(roles[name]))
    ordered = {name: members[name] for name in names}
    comparison = compare_policies(scores, ordered, base, wanted.over == "speaker")
    policies: dict[str, PolicyResult] = {}
    for name, statistics in comparison["policies"].items():
        labels = [scores.labels[index] for index in ordered[name]]
        policies[name] = {
            **statistics,
            "role": roles[name],
            "members": labels,
            "failures": _sum_counts(missing.failures[label] for label in labels),
            "nulls": _sum_nulls(missing, labels),
            "verdict": "",
        }
    result: EvaluationResult = {
        "name": run.name,
        "base": base,
        "clips": len(scores.speakers),
        "speakers": len(set(scores.speakers) - {None}),
        "samples": max(scores.samples),
        "over": wanted.over,
        "seed": run.seed,
        "scores": comparison["scores"],
        "noisy": comparison["noisy"],
        "policies": policies,
    }
    for name, policy in policies.items():
        policy["verdict"] = verdict(result, name)
    return result


def _policies_of_random_labels(wanted: Evaluation, home: Path) -> list[str]:
    """Return the policies whose folders say that their pairs had random labels."""
    return [policy_of(use.name or use.use) for use in wanted.generators
            if read_training(use, home).random_labels]  # fmt: skip


def _role(name: str, base: str, controls: Sequence[str]) -> Role:
    if name == base:
        return "base"
    return "control" if name == PLACEBO or name in controls else "policy"


def _sum_nulls(missing: MissingScores, labels: Sequence[str]) -> dict[str, dict[str, int]]:
    scores = {score for label in labels for score in missing.nulls[label]}
    return {
        score: _sum_counts(missing.nulls[label][score] for label in labels)
        for score in sorted(scores)
    }


def _sum_counts(counts: Iterable[Counter[str]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


def _write(out: Path, result: EvaluationResult) -> None:
    from gensr_pref.auditing.forest_plot import forest_plot

    part_files.write_text(
        out / "evaluation.json", json.dumps(result, indent=2, allow_nan=False) + "\n"
    )
    part_files.write_text(out / "evaluation.md", evaluation_report.markdown(escape_all(result)))
    part_files.write_text(out / "evaluation.svg", forest_plot(result))
