"""Reads from a trained policy's folder which scores chose its training pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gensr_pref.building import open_run
from gensr_pref.config import plugins, run_file
from gensr_pref.config.run_file import GeneratorUse, MetricUse, Pairing
from gensr_pref.errors import ConfigError, InputError, Problem, RunMismatchError, parameter
from gensr_pref.metrics.panel import Panel
from gensr_pref.pairing.votes import apply_pairing_settings, votes_of_panel
from gensr_pref.rundir.document import MetricRecord, Section
from gensr_pref.storage import files
from gensr_pref.untrusted import documents

RECIPE = "recipe.json"  # in a folder that `gensr-pref train` wrote


@dataclass(frozen=True)
class TrainingRecord:
    """How a policy was trained, as far as its folder says.

    Attributes:
        pairs: the run directory or dataset whose pairs it was trained on, if it still exists.
        random_labels: whether the chosen side of each pair was random.
    """

    pairs: Path | None = None
    random_labels: bool = False


def read_training(use: GeneratorUse, home: Path) -> TrainingRecord:
    """Read how a policy was trained from the folder that its option ``checkpoint`` names.

    The record is empty if the option is missing or the folder has no readable recipe.

    Args:
        home: folder that relative paths start from.
    """
    folder = home / str(use.options.get("checkpoint", ""))
    try:
        recipe = documents.parse_json(files.read_text(folder / RECIPE))
        pairs = recipe["pairs"]
        run = (folder / recipe.get("base", ".") / pairs["source"]["path"]).resolve()
        exists = (run / "run.yaml").exists()
        return TrainingRecord(run if exists else None, pairs.get("labels") == "random")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return TrainingRecord()


def document_votes(document: Section, base: Path, own: bool = False) -> set[str]:
    """Return the scores that chose the pairs of a run; none if nothing votes (rule `golden`).

    Args:
        document: a run file, or ``run.yaml``, whose recorded votes count.
        base: folder that files in a metric's options are relative to.
        own: as in `document_panel`.

    Raises:
        InputError: the document is not a run file, or a metric is unavailable.
    """
    provenance = document.get("provenance")
    recorded = provenance.get("panel") if isinstance(provenance, dict) else None
    if recorded:
        panel = _records(recorded)
    else:
        panel = [
            member.record for member in Panel(document_panel(document, own), base=base).members
        ]
    return _votes(panel, document.get("pairing", {}))


def _records(recorded: Any) -> list[MetricRecord]:
    try:
        return [MetricRecord.model_validate(record) for record in recorded]
    except (ValidationError, TypeError) as error:
        raise RunMismatchError(
            "its provenance does not have the form that a build writes",
            path="run.yaml",
            problem=Problem.DAMAGED,
        ) from error


def _votes(panel: Iterable[MetricRecord], section: Section) -> set[str]:
    pairing = run_file.parse(section, Pairing, field="pairing")
    return {
        vote.score for vote in apply_pairing_settings(votes_of_panel(panel), pairing) if vote.votes
    }


def document_panel(document: Section, own: bool = False) -> list[MetricUse]:
    """Return the panel of the run, dataset or run file that the clips are from.

    Args:
        document: a run file, or ``run.yaml``.
        own: whether it is a run file that the user named, so that it may name any plugin.

    Raises:
        ConfigError: a metric, or an option of one, names code outside of this package. The code may
            be someone else's, and is not run because a document names it.
    """
    rows = enumerate(document.get("panel") or ())
    uses = [run_file.parse(row, MetricUse, field=f"panel.{index}") for index, row in rows]
    for index, use in enumerate(() if own else uses):
        known = use.metric in plugins.built_in("metric")
        if not known or plugins.names_code(use.options):
            raise ConfigError(
                f"panel.{index} names {use.metric!r}"
                f"{f' with {use.options}' if use.options else ''}, which runs code that is not "
                "part of this package. Code that the clips' run names is not run. If it is yours, "
                f"name it in the panel ({parameter('panel')}, or `panel` of the evaluation file)",
                field="clips",
                value=use.metric,
                problem=Problem.UNSAFE,
            )
    return uses


def training_votes(records: Iterable[TrainingRecord]) -> tuple[set[str], list[str]]:
    """Return the scores that chose the pairs of any training, and the paths of those pairs."""
    runs = sorted({record.pairs for record in records if record.pairs is not None})
    votes: set[str] = set()
    for run in runs:
        try:
            document = open_run.read_document(run)
            if panel := document.provenance.panel:  # else a dataset without its run's panel
                votes |= _votes(panel, document.pairing)
        except InputError:
            continue
    return votes, [str(run) for run in runs]


def with_votes(uses: Sequence[MetricUse], votes: set[str], base: Path) -> list[MetricUse]:
    """Return a panel in which exactly these scores vote; unchanged if it has none of them."""
    members = Panel(list(uses), base=base).members
    if not votes & {score.name for member in members for score in member.scores}:
        return list(uses)
    return [
        member.use.model_copy(
            update={"vote": [score.name for score in member.scores if score.name in votes]}
        )
        for member in members
    ]
