"""Tests of the pairs of whole tables, against an independent implementation in pandas."""

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gensr_pref import schema
from gensr_pref.config.run_file import Pairing
from gensr_pref.errors import ConfigError
from gensr_pref.pairing.base import Vote
from gensr_pref.pairing.columns import columns
from gensr_pref.pairing.pairs import make_pairs
from gensr_pref.pairing.unanimous import unanimous
from gensr_pref.pairing.votes import apply_pairing_settings
from tests.refusals import raises

PANEL = [
    Vote("ovrl", True, True),
    Vote("sim", True, True),
    Vote("wer", False, True, ties=True),
    Vote("pesq", True, False),
]


def table(seed: int, clips: int = 40, candidates: int = 6) -> tuple[pa.Table, dict[str, str]]:
    """Scores in quarters, so that ties happen, with nulls and a noisy row per clip."""
    rng = np.random.default_rng(seed)
    rows, generators = [], {}
    for clip in range(clips):
        for index in range(-1, candidates):
            label = "noisy" if index < 0 else "ab"[index % 2]
            name = f"c{clip}/{label}/{max(index, 0)}"
            if index >= 0:
                generators[name] = label
            scores = {
                vote.score: None if rng.random() < 0.05 else float(rng.integers(0, 8) / 4)
                for vote in PANEL
            }
            rows.append({"candidate_id": name, "clip_id": f"c{clip}", **scores, "failures": None})
    form = schema.scores_schema([vote.score for vote in PANEL], {})
    return pa.Table.from_pylist(rows, schema=form), generators


def pandas_pairs(scores, generators, pairing, panel=PANEL) -> list[tuple]:
    """The unanimous rule again, in another way: a self-join of the scores table."""
    frame = scores.to_pandas().drop(columns="failures")
    frame = frame[frame.candidate_id.isin(generators)].assign(
        generator=lambda rows: rows.candidate_id.map(generators), order=range(len(generators))
    )
    names = [vote.score for vote in panel]
    within = frame.groupby(["clip_id", "generator"])[names].var(ddof=0)
    spread = np.sqrt(within.mean())
    both = frame.merge(frame, on=["clip_id", "generator"], suffixes=("", "_r"))
    both = both[both.candidate_id != both.candidate_id_r]
    stands, won, margins = True, False, []
    for vote in panel:
        if not vote.votes:
            continue
        sign = 1 if vote.higher_is_better else -1
        gap = sign * (both[vote.score] - both[f"{vote.score}_r"])
        limit = pairing.margin.get(vote.score, 0)
        ties = pairing.tie.get(vote.score, "allow" if vote.ties else "veto") == "allow"
        stands = stands & ((gap > limit) | (ties & (gap.abs() <= limit)))
        won = won | (gap > limit)
        margins.append((gap / spread[vote.score]).where(gap > limit, np.inf))
    for score, floor in pairing.min.items():
        stands = stands & (both[score] >= floor)
    both = both.assign(strength=pd.concat(margins, axis=1).min(axis=1))[stands & won]
    both = both.sort_values(["strength", "order", "order_r"], ascending=[False, True, True])
    best = both.groupby("clip_id").head(pairing.pairs_per_clip)
    return sorted(zip(best.candidate_id, best.candidate_id_r, strict=True))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "pairing",
    [
        Pairing(),
        Pairing(pairs_per_clip=3),
        Pairing(margin={"ovrl": 0.25}, tie={"ovrl": "allow", "wer": "veto"}),
        Pairing(min={"sim": 1.0}),
    ],
)
def test_pairs_equal_those_of_pandas(seed, pairing):
    scores, generators = table(seed)
    rows = make_pairs(
        scores, generators, apply_pairing_settings(PANEL, pairing), unanimous, pairing
    )
    found = sorted((row["chosen_id"], row["rejected_id"]) for row in rows)
    assert found
    assert found == pandas_pairs(scores, generators, pairing)


def test_rows_fit_the_schema_and_are_ranked():
    scores, generators = table(0)
    rows = make_pairs(scores, generators, PANEL, unanimous, Pairing(pairs_per_clip=3))
    form = schema.pairs_schema([vote.score for vote in PANEL])
    assert pa.Table.from_pylist(rows, schema=form).num_rows == len(rows)
    for _, clip in itertools.groupby(rows, key=lambda row: row["clip_id"]):
        ranks = [row["rank"] for row in clip]
        assert ranks == list(range(len(ranks)))
        assert len(ranks) <= 3
    assert len({row["pair_id"] for row in rows}) == len(rows)


def test_noisy_rows_are_never_paired():
    scores, generators = table(1)
    rows = make_pairs(scores, generators, PANEL, unanimous, Pairing(pairs_per_clip=99))
    assert all("noisy" not in row["chosen_id"] + row["rejected_id"] for row in rows)


def test_no_candidates_give_no_pairs():
    scores, _ = table(0)
    assert make_pairs(scores, {}, PANEL, unanimous, Pairing()) == []


def test_votes_can_be_named():
    votes = apply_pairing_settings(
        PANEL, Pairing(votes=["pesq"], margin={"pesq": 0.5}, max={"wer": 0.2})
    )
    assert [vote.score for vote in votes if vote.votes] == ["pesq"]
    assert votes[3].margin == 0.5
    assert votes[2].ceiling == 0.2


@pytest.mark.parametrize("section", ["margin", "min", "max"])
def test_unknown_score_in_the_rule(section):
    with raises(ConfigError, field=f"pairing.{section}.ovlr", value="ovlr", problem="unknown"):
        apply_pairing_settings(PANEL, Pairing(**{section: {"ovlr": 1.0}}))


def test_panel_without_votes():
    with raises(ConfigError, field="pairing.votes", problem="empty"):
        apply_pairing_settings(PANEL, Pairing(votes=[]))


@pytest.mark.parametrize("mixed", [False, True])
def test_generators_are_read_from_ids(mixed):
    """With the rows of a clip together, and with all rows in any order."""
    scores, generators = table(3)
    if mixed:
        scores = scores.take(np.random.default_rng(0).permutation(len(scores)))
    told, said = (columns(scores, which, PANEL) for which in (generators, None))
    assert said.ids.equals(told.ids)
    assert said.clip_ids.equals(told.clip_ids)
    assert [said.clip_ids[k].as_py() for k in said.clip] == [
        name.split("/")[0] for name in said.ids.to_pylist()
    ]
    for name in ("clip", "generators", "scores", "spreads"):
        assert np.array_equal(getattr(said, name), getattr(told, name), equal_nan=name == "scores")


def test_pairs_do_not_depend_on_the_size_of_a_block(monkeypatch):
    scores, generators = table(4)
    pairing = Pairing(across_generators=True, pairs_per_clip=3)
    whole = make_pairs(scores, generators, PANEL, unanimous, pairing)
    monkeypatch.setattr("gensr_pref.pairing.columns.BLOCK", 1)
    assert make_pairs(scores, generators, PANEL, unanimous, pairing) == whole
    assert whole
