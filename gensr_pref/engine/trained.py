"""What the folder of a trained policy tells of its training: which scores chose its pairs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensr_pref import config
from gensr_pref.config import GeneratorUse, MetricUse, Pairing
from gensr_pref.engine.blueprint import votes_of
from gensr_pref.errors import InputError
from gensr_pref.metrics.panel import Panel
from gensr_pref.pairing.votes import cast_votes

RECIPE = "recipe.json"  # of a folder that `gensr-pref train` wrote


@dataclass(frozen=True)
class Trained:
    """What is known of how a policy was trained.

    Attributes:
        pairs: the run directory or dataset whose pairs it was trained on, where it is still there.
        random_labels: whether a coin decided which side was chosen.
    """

    pairs: Path | None = None
    random_labels: bool = False


def trained(use: GeneratorUse, home: Path) -> Trained:
    """Of the policy whose folder is the option ``checkpoint``; nothing where that tells nothing.

    Args:
        home: the folder that relative paths start from.
    """
    folder = home / str(use.options.get("checkpoint", ""))
    try:
        recipe = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
        pairs = recipe["pairs"]
        place = (folder / recipe.get("base", ".") / pairs["source"]["path"]).resolve()
        there = (place / "run.yaml").exists()
        return Trained(place if there else None, pairs.get("labels") == "random")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Trained()


def votes_in(document: dict[str, Any], base: Path) -> set[str]:
    """The scores that chose the pairs of a run; none where nothing votes (rule `golden`).

    Args:
        document: a run file, or ``run.yaml``.
        base: the folder that files named in a metric's options are relative to.

    Raises:
        InputError: it is not what a run file holds, or a metric cannot be had.
    """
    recorded = document.get("provenance", {}).get("panel")
    votes = votes_of(recorded or Panel(uses_in(document), base=base).facts()["metrics"])
    pairing = config.parse(document.get("pairing", {}), Pairing, "pairing")
    return {vote.score for vote in cast_votes(votes, pairing) if vote.votes}


def uses_in(document: dict[str, Any]) -> list[MetricUse]:
    """The panel section of a run file."""
    rows = enumerate(document.get("panel") or ())
    return [config.parse(row, MetricUse, f"panel.{place}") for place, row in rows]


def votes_of_training(found: Iterable[Trained]) -> tuple[set[str], list[str]]:
    """The scores that chose the pairs of any of several trainings, and where those pairs are."""
    places = sorted({one.pairs for one in found if one.pairs is not None})
    votes: set[str] = set()
    for place in places:
        try:
            votes |= votes_in(config.read_yaml(place / "run.yaml"), place)
        except InputError:  # a dataset without its run's panel
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
