"""Tests of rows by id, and of pairs joined with their clips, candidates and scores."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from gensr_pref import schema
from gensr_pref.errors import CorruptPartError
from gensr_pref.identity import clean_id, noisy_id
from gensr_pref.rundir import part_files, rows
from gensr_pref.schema import PAIR_ROLES, column
from tests.refusals import raises
from tests.small_run import rows as every_row

SCORES = ["loud", "clear"]
CLIPS = 20  # of each of the parts: more than are read at once


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Two parts; of a clip, three candidates, and a pair of each two neighbours in the table."""
    out = tmp_path_factory.mktemp("rows") / "run"
    for shard in range(2):
        names = [f"clip/{shard}-{number}" for number in range(CLIPS)]
        _write(out, "clips", shard, [_clip(name) for name in names], schema.CLIPS)
        candidates = [_candidate(name, index) for name in names for index in range(3)]
        _write(out, "candidates", shard, candidates, schema.CANDIDATES)
        ids = [row["candidate_id"] for row in candidates] + [noisy_id(name) for name in names]
        scores = [
            {"candidate_id": one, "clip_id": one.rsplit("/", 2)[0], "loud": float(place)}
            for place, one in enumerate(ids)
        ]
        _write(out, "scores", shard, scores, schema.scores_schema(["loud"], {}))
        pairs = [_pair(name, index) for index in range(2) for name in reversed(names)]
        _write(out, "pairs", shard, pairs, schema.pairs_schema(["loud"]))
    return out


def _write(out, table, shard, values, form) -> None:
    part_files.write(part_files.part(out, table, shard), values, form, {})


def _sound(name: str) -> dict:
    return {"bytes": name.encode(), "path": f"{name}.flac"}


def _clip(name: str) -> dict:
    return {
        "clip_id": name, "noisy": _sound(f"noisy {name}"), "clean": _sound(f"clean {name}"),
        "text": name.upper(), "split": "train", "sample_rate": 16000, "num_samples": 4,
        "source": "{}",
    }  # fmt: skip


def _candidate(name: str, index: int) -> dict:
    return {
        "candidate_id": f"{name}/g/{index}", "clip_id": name, "generator": "g", "revision": "r",
        "index": index, "seed": index, "sampling": "{}", "audio": _sound(f"{name} {index}"),
        "sample_rate": 16000, "num_samples": 4, "tokens": [[index, 7]],
        "latent": {"data": bytes([index, 0]), "shape": [1, 1]},
    }  # fmt: skip


def _pair(name: str, index: int, chosen: str | None = None) -> dict:
    return {
        "pair_id": f"{name}/rule/{index}", "clip_id": name,
        "chosen_id": chosen or f"{name}/g/{index}", "rejected_id": f"{name}/g/{index + 1}",
        "rule": "rule", "margins": {"loud": 0.5}, "rank": index,
    }  # fmt: skip


def _list(tables) -> list[dict]:
    return [row for table in tables for row in table.to_pylist()]


def test_pairs_have_the_sounds_and_scores_that_they_name(run) -> None:
    clips = {row["clip_id"]: row for row in every_row(run, "clips")}
    candidates = {row["candidate_id"]: row for row in every_row(run, "candidates")}
    loud = {row["candidate_id"]: row["loud"] for row in every_row(run, "scores")}
    columns = [*schema.pairs_schema(()).names, "prompt", *schema.CLIPS.names[2:]]
    fields = ("generator", "revision", "index", "seed", "sampling", "tokens", "latent")
    columns += [*PAIR_ROLES, *(f"{side}_{name}" for side in PAIR_ROLES for name in fields)]
    columns += [f"{role}_scores" for role in ("prompt", *PAIR_ROLES)]
    found = _list(rows.pairs(run, columns, SCORES))
    assert Counter(row["pair_id"] for row in found) == Counter(
        row["pair_id"] for row in every_row(run, "pairs")
    )
    for row in found:
        clip = clips[row["clip_id"]]
        assert list(row) == columns
        assert row["prompt"] == clip["noisy"]
        assert all(row[name] == clip[name] for name in schema.CLIPS.names[2:])
        assert row["margins"] == {"loud": 0.5, "clear": None}
        assert row["prompt_scores"] == {"loud": loud[noisy_id(row["clip_id"])], "clear": None}
        for side in PAIR_ROLES:
            candidate = candidates[row[f"{side}_id"]]
            assert row[side] == candidate["audio"]
            assert all(row[f"{side}_{name}"] == candidate[name] for name in fields)
            assert row[f"{side}_scores"] == {"loud": loud[row[f"{side}_id"]], "clear": None}


def test_clips_and_the_pairs_of_a_clip_keep_their_order(run) -> None:
    tables = list(rows.pairs(run, ["clip_id", "rank"]))
    clips = [row["clip_id"] for row in every_row(run, "clips")]
    assert [(row["clip_id"], row["rank"]) for row in _list(tables)] == [
        (clip, rank) for clip in clips for rank in range(2)
    ]
    of_table = [set(column(table, "clip_id")) for table in tables]
    assert max(map(len, of_table)) <= rows.CLIPS_AT_ONCE
    assert sum(map(len, of_table)) == len(clips)


def test_columns_have_the_types_of_the_tables(run) -> None:
    columns = ["chosen_tokens", "rejected", "prompt", "num_samples", "chosen_scores"]
    (first, *_) = rows.pairs(run, columns, SCORES)
    assert first.schema.types == [
        schema.CANDIDATES.field("tokens").type, schema.AUDIO, schema.AUDIO, pa.int64(),
        pa.struct([(name, pa.float32()) for name in SCORES]),
    ]  # fmt: skip


def test_only_the_given_pairs_are_read(run) -> None:
    table = part_files.read_all(run, "pairs", ["clip_id", "chosen_id", "rejected_id"])
    some = table.take([CLIPS // 2, 3])
    found = _list(rows.pairs(run, ["chosen_id", "chosen"], table=some))
    assert [row["chosen_id"] for row in found] == column(some, "chosen_id")


def test_every_part_is_read_once_and_audio_only_if_it_is_wanted(run, monkeypatch) -> None:
    opened: Counter = Counter()
    batches = part_files.batches

    def counted(path, columns, *rest):
        opened[path.parent.name, path.name, *columns] += 1
        return batches(path, columns, *rest)

    monkeypatch.setattr(part_files, "batches", counted)
    assert _list(rows.pairs(run, ["prompt", "chosen_tokens"]))
    assert opened == Counter(
        {
            (table, f"part-0000{shard}.parquet", *columns): 1
            for table, columns in {
                "clips": ("clip_id", "noisy"),
                "candidates": ("candidate_id", "tokens"),
            }.items()
            for shard in range(2)
        }
    )


def test_a_clean_target_has_the_sound_of_its_clip_and_no_facts_of_a_candidate(run) -> None:
    name = "clip/0-3"
    pairs = [_pair(name, 0, clean_id(name)), _pair(name, 1)]
    table = pa.Table.from_pylist(pairs, schema=schema.pairs_schema(["loud"]))
    columns = ["chosen", "chosen_generator", "chosen_seed", "chosen_tokens", "chosen_scores"]
    golden, other = _list(rows.pairs(run, columns, SCORES, table))
    assert golden == {
        "chosen": _sound(f"clean {name}"), "chosen_generator": "clean", "chosen_seed": None,
        "chosen_tokens": None, "chosen_scores": None,
    }  # fmt: skip
    assert (other["chosen"], other["chosen_generator"]) == (_sound(f"{name} 1"), "g")


@pytest.mark.parametrize(
    ("pair", "part", "named"),
    [
        (_pair("clip/0-3", 7), "candidates/part-00000.parquet", "clip/0-3/g/7"),
        (_pair("clip/9-9", 0), "clips", "clip/9-9"),
    ],
)
def test_a_pair_that_names_a_missing_clip_or_candidate_is_refused(run, pair, part, named) -> None:
    table = pa.Table.from_pylist([pair], schema=schema.pairs_schema(["loud"]))
    with raises(CorruptPartError, path=run / part, value=named):
        list(rows.pairs(run, ["chosen"], table=table))


def test_an_unknown_column_is_refused_before_anything_is_read(tmp_path) -> None:
    with pytest.raises(ValueError, match="chosen_sound"):
        next(rows.pairs(tmp_path, ["chosen", "chosen_sound"]))


def test_rows_are_found_by_id_in_the_order_of_the_parts(run) -> None:
    ids = ["clip/1-4/g/2", "clip/0-1/g/0", "nobody", "clip/0-1/g/2"]
    parts = part_files.parts(run, "candidates")
    tables = list(rows.find_rows(parts, ids, ["candidate_id", "audio", "unheard_of"]))
    found = _list(tables)
    assert [row["candidate_id"] for row in found] == [ids[1], ids[3], ids[0]]
    assert [row["audio"] for row in found] == [
        _sound(text) for text in ("clip/0-1 0", "clip/0-1 2", "clip/1-4 2")
    ]
    assert {*tables[0].column_names} == {"candidate_id", "audio"}
    by_id = rows.rows_by_id(parts, ids, ["candidate_id", "audio"])
    assert by_id == {row["candidate_id"]: row for row in found}


def test_of_a_part_without_wanted_rows_only_the_ids_are_read(run, monkeypatch) -> None:
    opened = []
    batches = part_files.batches
    monkeypatch.setattr(
        part_files, "batches", lambda path, *rest: opened.append(path) or batches(path, *rest)
    )
    first, second = part_files.parts(run, "clips")
    assert rows.rows_by_id([first, second], ["clip/1-0"], ["clip_id", "noisy"])
    assert opened == [second]


def test_scores_that_a_part_lacks_are_null(run) -> None:
    (part, _) = part_files.parts(run, "scores")
    scores = rows.PartScores(part, SCORES)
    assert scores.table.column("failures").null_count == len(scores.table)
    ids = pa.array(["clip/0-0/g/1", "nobody"])
    assert scores.structs(ids).to_pylist() == [{"loud": 1.0, "clear": None}, None]
    assert column(scores.only(ids).table, "candidate_id") == ["clip/0-0/g/1"]
    assert rows.PartScores(part, []).structs(ids).to_pylist() == [{}, None]
