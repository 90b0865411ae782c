"""Reads the tables of a run directory that an audit needs; audio stays on the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.auditing.base import Array, Mask, Pairs, Rows, ScoredCandidates
from gensr_pref.config.run_file import Pairing, parse
from gensr_pref.errors import InputError, Problem, command_line
from gensr_pref.identity import noisy_id
from gensr_pref.pairing.base import Vote, orient_scores, within_bounds
from gensr_pref.pairing.columns import ScoreColumns, columns, score_matrix
from gensr_pref.pairing.votes import apply_pairing_settings, votes_of_panel, votes_of_run
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import RunDocument
from gensr_pref.rundir.integrity import Contents, check
from gensr_pref.rundir.json_columns import parse_steps
from gensr_pref.schema import PAIR_ROLES, column

NOT_DEGRADED = "none"  # in place of the steps of a degradation
_CLIP_COLUMNS = ("speaker", "language", "split", "source", "degradation")


@dataclass(frozen=True)
class RunTables:
    """The tables of a run as arrays.

    Attributes:
        contents: the parts of the run directory.
        document: the contents of ``run.yaml``.
        pairing: its pairing section.
        clips: the clips table without audio.
        scores: the scores table.
        candidates: ids, generators, index and sampling of the candidates table.
        pairs_table: ids of the pairs.
        columns: the scored candidates with the panel's votes.
        order: rows of `columns` in the order of `judged`.
        judged: the same candidates as arrays for the statistics.
    """

    contents: Contents
    document: RunDocument
    pairing: Pairing
    clips: pa.Table
    scores: pa.Table
    candidates: pa.Table
    pairs_table: pa.Table
    columns: ScoreColumns
    order: Rows
    judged: ScoredCandidates

    @property
    def out(self) -> Path:
        """The run directory."""
        return self.contents.out

    @cached_property
    def ids(self) -> pa.Array:
        """[R] candidate ids, in the order of `judged`."""
        return self.columns.ids.take(pa.array(self.order))

    @cached_property
    def generators(self) -> npt.NDArray[np.str_]:
        """[R] generators, in the order of `judged`."""
        return self.columns.generators[self.order]

    @cached_property
    def pairs(self) -> Pairs:
        """The pairs, as rows of `judged`."""
        clip = _indices(self.pairs_table, "clip_id", self.clips.column("clip_id"))
        chosen, rejected = (_indices(self.pairs_table, f"{s}_id", self.ids) for s in PAIR_ROLES)
        value = self.judged.value
        both = (chosen >= 0) & (rejected >= 0)
        margins = np.where(both[:, None], value[chosen] - value[rejected], np.nan)
        return Pairs(clip, chosen, rejected, margins)

    @cached_property
    def judged_by_rule(self) -> ScoredCandidates:
        """The same candidates, where the scores that the pair rule used are those that vote."""
        cast = votes_of_run(self.document)
        used = [vote.votes or _has_bound(vote) for vote in cast]
        return replace(self.judged, votes=np.array(used, dtype=bool))

    @cached_property
    def properties(self) -> dict[str, list[str | None]]:
        """Properties of the clips, one value per clip; None where unknown."""
        return {
            "degradation": _map_column(self.clips, "degradation", _degradation_name),
            "speaker": list(column(self.clips, "speaker")),
            "language": list(column(self.clips, "language")),
            "split": list(column(self.clips, "split")),
        }


def load_tables(out: Path) -> RunTables:
    """Read the tables of a run directory.

    Raises:
        InputError: the directory is no run, or one without scores or pairs.
        PartsError: the parts of the run do not belong together.
        StorageError: a table cannot be read.
    """
    contents = check(out)
    document = contents.document
    if not contents.parts["scores"]:
        raise InputError(
            "there are no scores yet. Run the same build again to finish it",
            path=out,
            value="scores",
            problem=Problem.EMPTY,
        )
    if not contents.parts["pairs"]:
        raise InputError(
            f"there are no pairs yet. Run: {command_line('gensr-pref', 'pair', out)}",
            path=out,
            value="pairs",
            problem=Problem.EMPTY,
        )
    pairing = parse(document.pairing, Pairing, field="pairing")
    votes = panel_votes(document, pairing)
    names = [vote.score for vote in votes]
    scores = part_files.read_all(out, "scores", ["candidate_id", "clip_id", *names])
    candidate_columns = ["candidate_id", "clip_id", "generator", "index", "sampling"]
    candidates = part_files.read_all(out, "candidates", candidate_columns)
    clips = part_files.read_all(out, "clips", ["clip_id", *_CLIP_COLUMNS])
    pairs = part_files.read_all(out, "pairs", ["clip_id", "chosen_id", "rejected_id"])
    scored = columns(scores, candidates, votes)
    order, judged = _judged_candidates(scored, clips, pairing)
    return RunTables(
        contents, document, pairing, clips, scores, candidates, pairs, scored, order, judged
    )


def panel_votes(document: RunDocument, pairing: Pairing) -> list[Vote]:
    """Return how each score would count under the rule `unanimous`, whatever the run's rule is.

    If no score of the panel votes, the scores that the rule uses do.
    """
    panel = votes_of_panel(document.provenance.panel)
    if pairing.rule in ("top_bottom", "weighted", "golden") and any(vote.votes for vote in panel):
        pairing = Pairing(min=pairing.min, max=pairing.max)
    return apply_pairing_settings(panel, pairing)


def raw_scores(run: RunTables) -> tuple[Array, Rows, Mask]:
    """Return [K, M] raw scores, [K] clip numbers and [K] whether a row is a noisy input."""
    names = [vote.score for vote in run.columns.votes]
    noisy = pc.ends_with(run.scores.column("candidate_id"), noisy_id(""))
    clip = _indices(run.scores, "clip_id", run.clips.column("clip_id"))
    known = clip >= 0
    is_noisy = noisy.to_numpy()
    return score_matrix(run.scores, names)[known], clip[known], is_noisy[known]


def _judged_candidates(
    scored: ScoreColumns, clips: pa.Table, pairing: Pairing
) -> tuple[Rows, ScoredCandidates]:
    number = _indices(pa.table({"clip_id": scored.clip_ids}), "clip_id", clips.column("clip_id"))
    clip = number[scored.clip]
    names, label = np.unique(scored.generators, return_inverse=True)
    group = clip if pairing.across_generators else clip * max(len(names), 1) + label
    order = np.argsort(group, kind="stable")
    order = order[clip[order] >= 0]  # an incomplete run may lack a clip's row
    ballot = scored.ballot(order)
    votes = scored.votes
    return order, ScoredCandidates(
        value=orient_scores(ballot),
        clip=clip[order],
        group=group[order],
        within_bounds=within_bounds(ballot),
        clips=len(clips),
        names=[vote.score for vote in votes],
        votes=np.array([vote.votes for vote in votes], dtype=bool),
        margin=np.array([vote.margin for vote in votes]),
        ties=np.array([vote.ties for vote in votes], dtype=bool),
        spreads=scored.spreads,
    )


def _has_bound(vote: Vote) -> bool:
    return vote.floor is not None or vote.ceiling is not None


def _indices(table: pa.Table, name: str, among: pa.Array | pa.ChunkedArray) -> Rows:
    """Return the index of each value of a column in a list; -1 if it is absent."""
    known = among.combine_chunks() if isinstance(among, pa.ChunkedArray) else among
    index = pc.fill_null(pc.index_in(table.column(name), value_set=known), -1)
    return np.asarray(index.to_numpy().astype(np.int64))


def _map_column(table: pa.Table, name: str, read: Callable[[str], str]) -> list[str | None]:
    values: Sequence[str | None] = column(table, name)
    return [None if value is None else read(value) for value in values]


def _degradation_name(degradation: str) -> str:
    steps = [step["step"] for step in parse_steps(degradation) if step["step"] != "gain"]
    return "+".join(steps) or NOT_DEGRADED
