"""What the folder of a trained policy tells of its training: which scores chose its pairs."""

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
from gensr_pref.pairing.votes import cast_votes, votes_of_panel
from gensr_pref.rundir.document import MetricRecord, Section
from gensr_pref.storage import files
from gensr_pref.untrusted import documents

RECIPE = "recipe.json"  # of a folder that `gensr-pref train` wrote


@dataclass(frozen=True)
class TrainingRecord:
    """What is known of how a policy was trained.

    Attributes:
        pairs: the run directory or dataset whose pairs it was trained on, where it is still there.
        random_labels: whether a coin decided which side was chosen.
    """

    pairs: Path | None = None
    random_labels: bool = False


def read_training(use: GeneratorUse, home: Path) -> TrainingRecord:
    """Of the policy whose folder is the option ``checkpoint``; nothing where that tells nothing.

    Args:
        home: the folder that relative paths start from.
    """
    folder = home / str(use.options.get("checkpoint", ""))
    try:
        recipe = documents.parse_json(files.read_text(folder / RECIPE))
        pairs = recipe["pairs"]
        place = (folder / recipe.get("base", ".") / pairs["source"]["path"]).resolve()
        there = (place / "run.yaml").exists()
        return TrainingRecord(place if there else None, pairs.get("labels") == "random")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return TrainingRecord()


def document_votes(document: Section, base: Path, own: bool = False) -> set[str]:
    """The scores that chose the pairs of a run; none where nothing votes (rule `golden`).

    Args:
        document: a run file, or ``run.yaml``, whose recorded votes count.
        base: the folder that files named in a metric's options are relative to.
        own: as of `document_panel`.

    Raises:
        InputError: the document is not a run file, or a metric is unavailable.
    """
    provenance = document.get("provenance")
    recorded = provenance.get("panel") if isinstance(provenance, dict) else None
    if recorded:
        panel = _records(recorded)
    else:
        panel = [one.record for one in Panel(document_panel(document, own), base=base).members]
    return _votes(panel, document.get("pairing", {}))


def _records(recorded: Any) -> list[MetricRecord]:
    try:
        return [MetricRecord.model_validate(one) for one in recorded]
    except (ValidationError, TypeError) as error:
        raise RunMismatchError(
            "its provenance is not what a build writes", path="run.yaml", problem=Problem.DAMAGED
        ) from error


def _votes(panel: Iterable[MetricRecord], section: Section) -> set[str]:
    pairing = run_file.parse(section, Pairing, field="pairing")
    return {vote.score for vote in cast_votes(votes_of_panel(panel), pairing) if vote.votes}


def document_panel(document: Section, own: bool = False) -> list[MetricUse]:
    """The panel section of the run, dataset or run file that the clips are of.

    Args:
        document: a run file, or ``run.yaml``.
        own: whether it is a run file that the user named, so that it may name any plugin.

    Raises:
        ConfigError: a metric, or an option of one, names code that is no part of this package. It
            may be a stranger's, and is not run for being named there.
    """
    rows = enumerate(document.get("panel") or ())
    uses = [run_file.parse(row, MetricUse, field=f"panel.{place}") for place, row in rows]
    for place, use in enumerate(() if own else uses):
        known = use.metric in plugins.built_in("metric")
        if not known or plugins.names_code(use.options):
            raise ConfigError(
                f"panel.{place} names {use.metric!r}"
                f"{f' with {use.options}' if use.options else ''}, which runs code that is no "
                "part of this package. What the clips come with is not run: if it is yours, name "
                f"it as the panel ({parameter('panel')}, or `panel` of the evaluation file)",
                field="clips",
                value=use.metric,
                problem=Problem.UNSAFE,
            )
    return uses


def training_votes(found: Iterable[TrainingRecord]) -> tuple[set[str], list[str]]:
    """The scores that chose the pairs of any of several trainings, and where those pairs are."""
    places = sorted({one.pairs for one in found if one.pairs is not None})
    votes: set[str] = set()
    for place in places:
        try:
            document = open_run.read_document(place)
            if panel := document.provenance.panel:  # else a dataset without its run's panel
                votes |= _votes(panel, document.pairing)
        except InputError:
            continue
    return votes, [str(place) for place in places]


def with_votes(uses: Sequence[MetricUse], votes: set[str], base: Path) -> list[MetricUse]:
    """A panel in which just these scores vote; as it is where it gives none of them."""
    members = Panel(list(uses), base=base).members
    if not votes & {score.name for member in members for score in member.scores}:
        return list(uses)
    return [
        member.use.model_copy(
            update={"vote": [score.name for score in member.scores if score.name in votes]}
        )
        for member in members
    ]
