"""Pairs from the scores that are on disk; seconds, however the scores were made."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from gensr_pref.building import open_run
from gensr_pref.building.summary import Summary, write_summary
from gensr_pref.config.run_file import Pairing, dump_fields, override, parse, require_list
from gensr_pref.errors import InputError, Problem
from gensr_pref.pairing.base import PairRule, Stop, Vote, wants_clean
from gensr_pref.pairing.columns import ScoreColumns, add_clean_targets, columns
from gensr_pref.pairing.pairs import pair_clips, pairs_table
from gensr_pref.pairing.rules import built_in_rule, find_rule
from gensr_pref.pairing.votes import drop_idle, votes_of_panel, votes_of_run
from gensr_pref.rundir import ledger, part_files
from gensr_pref.rundir.document import RunDocument
from gensr_pref.rundir.integrity import MADE_BEFORE_PAIRS, SCORES, check
from gensr_pref.storage.location import parse_location


def pair(out: str | Path, overrides: Sequence[str] = ()) -> Summary:
    """Make a run's pairs again under other settings of ``pairing``.

        pair("runs/first", ["margin.wer=0.05"])

    They change the section that the run was built with, whatever earlier calls changed. What of
    that section would do nothing under them is left out.

    Returns:
        What ``summary.json`` holds.

    Raises:
        InputError: not a run directory, a setting that is not allowed, or a rule of someone's own
            that no override names.
    """
    require_list(overrides)
    out = parse_location(out)
    open_run.read_document(out)  # before the lock, which would make a directory of a wrong name
    with open_run.locked(out):
        document = _with_settings(open_run.read_document(out), overrides)
        write_pairs(out, document, rule_of(out, document, overrides))
        open_run.write_document(out, document)
        return write_summary(out, document)


def rule_of(out: Path, document: RunDocument, overrides: Sequence[str]) -> PairRule:
    """Return the rule of a run's pairs; it is loaded only if it is built in or the user names it.

    Args:
        document: what ``run.yaml`` holds, its pairing section under the overrides.
        overrides: ``key=value`` as `pair` takes them.

    Raises:
        InputError: only ``run.yaml`` names the rule and it is not built in, or it is unavailable.
    """
    name = document.pairing["rule"]
    if names_rule(overrides):
        return find_rule(name)
    rule = built_in_rule(name)
    if rule is None:
        raise InputError(
            f"its run.yaml names the rule {name!r}, which is not part of this package. Code "
            f"that a run directory names is not run. If it is yours, say so: rule={name}",
            path=out,
            value=name,
            problem=Problem.UNSAFE,
        )
    return rule


def names_rule(overrides: Sequence[str]) -> bool:
    """Whether the user's own settings of the pairing section name the rule."""
    return any(one.removeprefix("pairing.").partition("=")[0] == "rule" for one in overrides)


def write_pairs(out: Path, document: RunDocument, rule: PairRule) -> None:
    """Write the pairs table as one part, so that it changes all at once.

    Its metadata counts, by reason, the clips that have no pair (``stops``).

    Args:
        rule: of the pairing section of `document`, loaded.
    """
    contents = check(out, MADE_BEFORE_PAIRS)
    pairing = parse(document.pairing, Pairing, field="pairing")
    found = candidates(out, votes_of_run(document))
    if wants_clean(rule):
        found = add_clean_targets(found, clips_with_clean(out))
    made = pair_clips(found, rule, pairing)
    stops = {str(stop): count for stop, count in made.stops.items()}
    unscored = ledger.Stamps(out).count_rows("clips") - len(found.clip_ids)
    if unscored > 0:
        stops[str(Stop.NO_CANDIDATE)] = unscored
    facts = {**document.facts(), "pairing": document.pairing, "stops": stops}
    path = part_files.part(out, "pairs", 0)
    _report_replaced(out, path)
    written = part_files.write_table(
        path, pairs_table(found, made, pairing.rule), {**facts, SCORES: contents.digest("scores")}
    )
    ledger.note_parts(out, {ledger.part_name(path): written})


def _report_replaced(out: Path, path: Path) -> None:
    """Say on stderr that the pairs which are about to be replaced are not those that were made."""
    stamps = ledger.Stamps(out)
    if stamps.get(path) is None:
        return
    if not stamps.exists(path):
        print(f"{path}: is missing, and is made again", file=sys.stderr)
    elif stamps.find_changed([path]):
        print(f"{path}: is not what was written, and is made again", file=sys.stderr)


def candidates(out: Path, votes: Sequence[Vote]) -> ScoreColumns:
    """The scored candidates of a run as columns; the parts with audio are not opened."""
    names = [vote.score for vote in votes]
    scores = part_files.read_all(out, "scores", ["candidate_id", "clip_id", *names])
    return columns(scores, None, votes)


def clips_with_clean(out: Path) -> list[str]:
    """The ids of the clips that have a clean target; reads no audio."""
    return [
        clip
        for path in part_files.parts(out, "clips")
        for batch in part_files.batches(path, ["clip_id", "clean.path"], rows=4096)
        for clip in batch.filter(batch.column("clean").is_valid()).column("clip_id").to_pylist()
    ]


def _with_settings(document: RunDocument, overrides: Sequence[str]) -> RunDocument:
    """Return the document under the settings of one call; the section of the build is noted."""
    before = document.provenance.pairing
    built = document.pairing if before is None else before
    bare = [assignment.removeprefix("pairing.") for assignment in overrides]
    asked = parse(override(built, bare), Pairing, field="pairing")
    named = {assignment.partition("=")[0] for assignment in bare}
    pairing = dump_fields(drop_idle(votes_of_panel(document.provenance.panel), asked, named))
    return document.with_provenance(pairing=built).model_copy(update={"pairing": pairing})
