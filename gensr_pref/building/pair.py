"""Makes the pairs of a run from its scores, within seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gensr_pref.building import open_run
from gensr_pref.building.summary import Summary, write_summary
from gensr_pref.config.run_file import Pairing, dump_fields, override, parse, require_list
from gensr_pref.errors import InputError, Problem
from gensr_pref.pairing.base import NoPairReason, PairRule, Vote, wants_clean
from gensr_pref.pairing.columns import ScoreColumns, add_clean_targets, columns
from gensr_pref.pairing.pairs import pair_clips, pairs_table
from gensr_pref.pairing.rules import built_in_rule, find_rule
from gensr_pref.pairing.votes import drop_ignored, votes_of_panel, votes_of_run
from gensr_pref.rundir import ledger, part_files
from gensr_pref.rundir.document import RunDocument
from gensr_pref.rundir.integrity import MADE_BEFORE_PAIRS, SCORES, Contents, check
from gensr_pref.storage.location import parse_location


def pair(
    out: str | Path,
    overrides: Sequence[str] = (),
    report: Callable[[str], None] = lambda line: None,
) -> Summary:
    """Make a run's pairs again with other settings of ``pairing``.

        pair("runs/first", ["margin.wer=0.05"])

    The overrides change the section that the run was built with; those of earlier calls are not
    remembered. Settings of that section that would have no effect now are left out.

    Args:
        out: the run directory, or its URL.
        overrides: settings of the pairing section, as ``key=value``.
        report: called with a line for the user when everything is checked and the work begins.

    Returns:
        The content of ``summary.json``.

    Raises:
        InputError: not a run directory, a setting that is not allowed, or a rule that is not built
            in and that no override names.
    """
    require_list(overrides)
    out = parse_location(out)
    open_run.read_document(out)  # first, because the lock would create a mistyped directory
    with open_run.lock_run(out):
        document = _with_settings(open_run.read_document(out), overrides)
        rule = rule_of(out, document, overrides)
        votes_of_run(document)  # refuses a score that the panel does not give
        contents = check(out, MADE_BEFORE_PAIRS)
        report(f"{out}: making the pairs again from the scores")
        write_pairs(out, document, rule, contents)
        open_run.write_document(out, document)
        return write_summary(out, document)


def rule_of(out: Path, document: RunDocument, overrides: Sequence[str]) -> PairRule:
    """Return the rule of a run's pairs; it is loaded only if it is built in or the user names it.

    Args:
        document: content of ``run.yaml``, with the overrides applied to its pairing section.
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
    """Return whether the user's own settings of the pairing section name the rule."""
    named = (assignment.removeprefix("pairing.").partition("=")[0] for assignment in overrides)
    return "rule" in named


def write_pairs(
    out: Path, document: RunDocument, rule: PairRule, contents: Contents | None = None
) -> None:
    """Write the pairs table as a single part, so that it is replaced at once.

    Its metadata counts, by reason, the clips that have no pair (``stops``).

    Args:
        rule: the rule that the pairing section of `document` names.
        contents: contents of the run directory, if they have been checked; None: check them.
    """
    contents = contents or check(out, MADE_BEFORE_PAIRS)
    pairing = parse(document.pairing, Pairing, field="pairing")
    scored = candidates(out, votes_of_run(document))
    if wants_clean(rule):
        scored = add_clean_targets(scored, clips_with_clean(out))
    pairs = pair_clips(scored, rule, pairing)
    without_pair = {str(reason): count for reason, count in pairs.reasons.items()}
    unscored = ledger.Stamps(out).count_rows("clips") - len(scored.clip_ids)
    if unscored > 0:
        without_pair[str(NoPairReason.NO_CANDIDATE)] = unscored
    facts = {**document.facts(), "pairing": document.pairing, "stops": without_pair}
    path = part_files.part(out, "pairs", 0)
    _report_replaced(out, path)
    written = part_files.write_table(
        path, pairs_table(scored, pairs, pairing.rule), {**facts, SCORES: contents.digest("scores")}
    )
    ledger.record_parts(out, {ledger.part_name(path): written})


def _report_replaced(out: Path, path: Path) -> None:
    """Report on stderr that the pairs to be replaced are missing or damaged."""
    stamps = ledger.Stamps(out)
    if stamps.get(path) is None:
        return
    if not stamps.exists(path):
        print(f"{path}: is missing, and is made again", file=sys.stderr)
    elif stamps.find_changed([path]):
        print(f"{path}: is not what was written, and is made again", file=sys.stderr)


def candidates(out: Path, votes: Sequence[Vote]) -> ScoreColumns:
    """Return the scored candidates of a run as columns, without opening parts with audio."""
    names = [vote.score for vote in votes]
    scores = part_files.read_all(out, "scores", ["candidate_id", "clip_id", *names])
    return columns(scores, None, votes)


def clips_with_clean(out: Path) -> list[str]:
    """Return the ids of the clips that have a clean target, without reading audio."""
    return [
        clip
        for path in part_files.parts(out, "clips")
        for batch in part_files.batches(path, ["clip_id", "clean.path"], rows=4096)
        for clip in batch.filter(batch.column("clean").is_valid()).column("clip_id").to_pylist()
    ]


def _with_settings(document: RunDocument, overrides: Sequence[str]) -> RunDocument:
    """Return the document with the settings of one call; it also keeps the build's section."""
    before = document.provenance.pairing
    built = document.pairing if before is None else before
    bare = [assignment.removeprefix("pairing.") for assignment in overrides]
    requested = parse(override(built, bare), Pairing, field="pairing")
    named = {assignment.partition("=")[0] for assignment in bare}
    pairing = dump_fields(drop_ignored(votes_of_panel(document.provenance.panel), requested, named))
    return document.with_provenance(pairing=built).model_copy(update={"pairing": pairing})
