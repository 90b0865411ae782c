"""The generators of an evaluation: their labels, their seeds, and those of earlier calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gensr_pref.apply.evaluation_file import PLACEBO, Evaluation, policy_of
from gensr_pref.building import open_run
from gensr_pref.config import plugins, run_file
from gensr_pref.config.run_file import GeneratorUse
from gensr_pref.errors import ConfigError, Problem
from gensr_pref.generators.registry import label_of, make_generator

COMMON = "common"  # the label whose seeds all policies but the placebo use


def label_generators(wanted: Evaluation, home: Path) -> list[GeneratorUse]:
    """Return the policies with common seeds, and a placebo: the base with seeds of its own.

    Raises:
        ConfigError: there are fewer than two policies, a label is repeated or reserved, or the base
            or a control is not a policy.
    """
    uses = [
        _label_generator(use, index, wanted, home) for index, use in enumerate(wanted.generators)
    ]
    labels = [str(use.name) for use in uses]
    _require_distinct(labels)
    policies = list(dict.fromkeys(map(policy_of, labels)))
    base = wanted.base or policies[0]
    _require_comparable(policies, base, wanted)
    first = next(use for use in uses if policy_of(str(use.name)) == base)
    if wanted.placebo and not _ignores_seeds(first):
        uses.append(first.model_copy(update={"name": PLACEBO, "seeds": None}))
    return uses


def _label_generator(use: GeneratorUse, index: int, wanted: Evaluation, home: Path) -> GeneratorUse:
    """Return a generator with its label, its number of samples and the common seeds.

    A generator of existing outputs gives one sample, unless its entry in the file sets a number.
    """
    label = label_of(use, make_generator(use, f"generators.{index}", home))
    default = 1 if _ignores_seeds(use) else wanted.samples
    count = use.candidates if "candidates" in use.model_fields_set else default
    return use.model_copy(update={"name": label, "candidates": count, "seeds": COMMON})


def _ignores_seeds(use: GeneratorUse) -> bool:
    """Return whether a generator looks up existing outputs, which do not depend on seeds."""
    return hasattr(plugins.find("generator", use.use, "generators"), "candidates_of")


def _require_distinct(labels: Sequence[str]) -> None:
    for label in labels:
        if labels.count(label) > 1:
            raise ConfigError(
                f"{label!r} is there twice. Give each its own label; if they are the same "
                f"training from several seeds, call them {label}@1, {label}@2, ...",
                field="generators",
                value=label,
                problem=Problem.DUPLICATE,
            )
        if policy_of(label) == PLACEBO:
            raise ConfigError(
                f"{label!r} is reserved for the base with other seeds",
                field="generators",
                value=label,
                problem=Problem.CONFLICT,
            )


def _require_comparable(policies: Sequence[str], base: str, wanted: Evaluation) -> None:
    if len(policies) < 2:
        raise ConfigError(
            f"{policies[0]!r} is the only policy, so there is nothing to compare it "
            "with. Give a base and at least one other",
            field="generators",
            value=policies,
            problem=Problem.EMPTY,
        )
    for field, name in (("base", base), *(("controls", name) for name in wanted.controls)):
        if name not in policies:
            raise ConfigError(f"no policy {name!r}.", field=field, value=name, known=policies)
    if base in wanted.controls:
        raise ConfigError(
            f"{base!r} is the base and cannot be a control",
            field="controls",
            value=base,
            problem=Problem.CONFLICT,
        )


def add_earlier(out: Path, uses: Sequence[GeneratorUse]) -> list[GeneratorUse]:
    """Return the generators of an earlier evaluation in the same folder, then the new ones.

    A generator that this call does not name stays at its index, so that no part is rewritten.

    Raises:
        ConfigError: a generator that this call does not name would run code from outside this
            package.
    """
    if not (out / "run.yaml").exists():
        return list(uses)
    recorded = open_run.read_document(out).generators
    earlier = [run_file.parse(entry, GeneratorUse, "run.yaml") for entry in recorded]
    by_label = {str(use.name): use for use in earlier}
    named = [(use.use, use.options) for use in uses]
    for label in by_label.keys() - {str(use.name) for use in uses}:
        if (by_label[label].use, by_label[label].options) not in named:
            _require_built_in(out, label, by_label[label])
    for use in uses:
        label = str(use.name)
        before = by_label[label].candidates if label in by_label else 0
        count = max(use.candidates, before)
        by_label[label] = use.model_copy(update={"candidates": count})
    return list(by_label.values())


def _require_built_in(out: Path, label: str, use: GeneratorUse) -> None:
    """Refuse a generator of an earlier evaluation that this call does not name, if it is code.

    The folder may be someone else's: `command` runs programs, `folder` reads files of this machine,
    a class can do anything.
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
