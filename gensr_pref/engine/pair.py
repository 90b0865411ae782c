"""Pairs from the scores that are on disk; seconds, however the scores were made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gensr_pref import schema, shards
from gensr_pref.config import Pairing, override, parse, resolved
from gensr_pref.engine import rundir
from gensr_pref.engine.blueprint import find_rule, votes_of
from gensr_pref.engine.summary import write_summary
from gensr_pref.pairing.base import Vote
from gensr_pref.pairing.pairs import cast_votes, make


def pair(out: Path, overrides: list[str]) -> dict[str, Any]:
    """Make a run's pairs again under other settings of ``pairing`` (``margin.wer=0.05``).

    Returns:
        What ``summary.json`` holds.

    Raises:
        InputError: not a run directory, or a setting that is not allowed.
    """
    rundir.document(out)  # before the lock, which would make a directory of a wrong name
    with rundir.locked(out):
        document = rundir.document(out)
        document["pairing"] = _changed(document["pairing"], overrides)
        write_pairs(out, document)
        rundir.record(out, document)
        return write_summary(out, document)


def write_pairs(out: Path, document: dict[str, Any]) -> None:
    """Write the pairs table as one part, so that it changes all at once."""
    pairing = parse(document["pairing"], Pairing, "pairing")
    votes = votes_for(document)
    rows = make(
        shards.read_all(out, "scores"),
        generators(out),
        votes,
        find_rule(pairing.rule),
        pairing,
    )
    facts = {**document["provenance"], "run": document["name"], "pairing": document["pairing"]}
    form = schema.pairs_schema(vote.score for vote in votes)
    shards.write(shards.part(out, "pairs", 0), rows, form, facts)


def votes_for(document: dict[str, Any]) -> list[Vote]:
    """How each score counts in a run, from its ``run.yaml``.

    Raises:
        ConfigError: the pairing section names a score that the panel does not give.
    """
    pairing = parse(document["pairing"], Pairing, "pairing")
    return cast_votes(votes_of(document["provenance"]["panel"]), pairing)


def generators(out: Path) -> dict[str, str]:
    """The generator of every candidate, by candidate id."""
    table = shards.read_all(out, "candidates", ["candidate_id", "generator"])
    ids, labels = (schema.column(table, name) for name in ("candidate_id", "generator"))
    return dict(zip(ids, labels, strict=True))


def _changed(pairing: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    bare = [assignment.removeprefix("pairing.") for assignment in overrides]
    return resolved(parse(override(pairing, bare), Pairing, "pairing"))
