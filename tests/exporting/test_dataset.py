"""Tests of the exported tables against the run."""

import json
import shutil
import uuid
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from gensr_pref import audio
from gensr_pref.building.pair import pair
from gensr_pref.errors import CorruptPartError, InputError
from gensr_pref.exporting import shard_writer, trl
from gensr_pref.exporting.columns import (
    export_candidates_schema,
    export_pairs_schema,
    yaml_features,
)
from gensr_pref.exporting.dataset import ExportOptions
from gensr_pref.exporting.export_run import PublishingOptions, export
from gensr_pref.rundir import part_files
from gensr_pref.schema import AUDIO, parse_facts, with_metadata
from gensr_pref.storage import objects
from gensr_pref.storage.location import parse_location
from tests.commands import run_command
from tests.parts import write_part
from tests.refusals import raises


def rows(out: Path, folder: str = "data") -> list[dict]:
    return [
        row | {"split": path.name.partition("-")[0]}
        for path in sorted((out / folder).glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


def table(run: Path, name: part_files.Table, key: str) -> dict[str, dict]:
    return {row[key]: row for row in part_files.read_all(run, name).to_pylist()}


def files(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    }


def test_every_row_is_a_pair_of_the_run_with_the_runs_bytes(built, exported) -> None:
    pairs, clips = table(built, "pairs", "pair_id"), table(built, "clips", "clip_id")
    candidates = table(built, "candidates", "candidate_id")
    scores = table(built, "scores", "candidate_id")
    found = rows(exported)
    assert sorted(row["pair_id"] for row in found) == sorted(pairs)
    assert {row["split"] for row in found} == {"train", "validation"}
    assert {len(row["chosen_tokens"] or []) for row in found} == {0, 2}
    for row in found:
        known, clip = pairs[row["pair_id"]], clips[row["clip_id"]]
        assert row["prompt"]["bytes"] == clip["noisy"]["bytes"]
        assert row["split"] == clip["split"]
        for name in ("text", "language", "speaker", "source", "degradation", "num_samples"):
            assert row[name] == clip[name]
        for name in ("chosen_id", "rejected_id", "margins", "rule", "rank"):
            assert row[name] == known[name]
        for side in ("chosen", "rejected"):
            one = candidates[row[f"{side}_id"]]
            assert row[side]["bytes"] == one["audio"]["bytes"]
            for name in ("generator", "revision", "seed", "sampling", "tokens", "latent"):
                assert row[f"{side}_{name}"] == one[name]
            for name, value in row[f"{side}_scores"].items():
                assert value == scores[row[f"{side}_id"]][name]
        noisy = scores[f"{row['clip_id']}/noisy/0"]
        assert row["prompt_scores"] == {name: noisy[name] for name in row["prompt_scores"]}


def test_a_clip_without_text_has_null(built, exported) -> None:
    texts = {row["clip_id"]: row["text"] for row in rows(exported)}
    silent = [clip for clip in texts if "only_participant" in clip]
    assert silent
    assert [texts[clip] for clip in silent] == [None] * len(silent)
    assert sum(text is None for text in texts.values()) == len(silent)


def test_the_same_run_gives_the_same_bytes(built, exported, tmp_path) -> None:
    export(built, tmp_path / "again", ExportOptions(), PublishingOptions(repository="us/small"))
    assert files(tmp_path / "again") == files(exported)


def test_all_candidates_are_exported_with_scores_and_failures(built, exported) -> None:
    scores = table(built, "scores", "candidate_id")
    found = {row["candidate_id"]: row for row in rows(exported, "candidates")}
    assert found.keys() == scores.keys()
    noisy = [row for row in found.values() if row["generator"] == "noisy"]
    assert len(noisy) == len({row["clip_id"] for row in found.values()})
    assert all(row["index"] is None and row["num_samples"] for row in noisy)
    for name, row in found.items():
        assert row["scores"] == {score: scores[name][score] for score in row["scores"]}
        assert row["failures"] == scores[name]["failures"]


def test_candidates_with_audio_have_the_runs_bytes(built, tmp_path) -> None:
    export(built, tmp_path / "out", ExportOptions(candidates="audio", clean=True))
    sounds = {
        name: row["audio"]["bytes"]
        for name, row in table(built, "candidates", "candidate_id").items()
    }
    clips = table(built, "clips", "clip_id")
    sounds |= {f"{name}/noisy/0": row["noisy"]["bytes"] for name, row in clips.items()}
    found = rows(tmp_path / "out", "candidates")
    assert {row["candidate_id"]: row["audio"]["bytes"] for row in found} == sounds
    for row in rows(tmp_path / "out"):
        assert row["clean"]["bytes"] == clips[row["clip_id"]]["clean"]["bytes"]


def test_golden_pairs_have_the_clean_clip_as_chosen(run_folder, tmp_path) -> None:
    pair(run_folder, ["rule=golden"])
    export(run_folder, tmp_path / "out", ExportOptions())
    clips = table(run_folder, "clips", "clip_id")
    found = rows(tmp_path / "out")
    assert found
    for row in found:
        assert row["chosen"]["bytes"] == clips[row["clip_id"]]["clean"]["bytes"]
        assert row["chosen_generator"] == "clean"
        assert row["chosen_seed"] is row["chosen_revision"] is row["chosen_scores"] is None
        assert row["rejected_generator"] in ("tokens", "hiss")


def test_schema_and_metadata_are_as_datasets_writes_them(exported) -> None:
    for path in exported.glob("*/*.parquet"):
        schema = pq.read_schema(path)
        features = datasets.Features.from_arrow_schema(schema)
        result = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        assert datasets.Features.from_dict(result) == features
        assert parse_facts(schema)["export"] == 1
        if path.parent.name == "data":
            assert isinstance(features["chosen"], datasets.Audio)


@pytest.mark.parametrize(
    "schema", [export_pairs_schema(["a", "b"], True), export_candidates_schema(["a"], True)]
)
def test_features_of_the_card_are_those_of_datasets(schema) -> None:
    known = datasets.Features.from_arrow_schema(with_metadata(schema, {}))
    assert yaml_features(schema) == known._to_yaml_list()


@pytest.mark.parametrize("config", ["default", "candidates"])
def test_load_dataset_reads_an_export_whole_and_streaming(exported, config, tmp_path) -> None:
    whole = datasets.load_dataset(str(exported), config, cache_dir=str(tmp_path))
    folder = {"default": "data", "candidates": "candidates"}[config]
    for split, read in whole.items():
        expected = [row for row in rows(exported, folder) if row["split"] == split]
        assert len(read) == len(expected)
        streamed = datasets.load_dataset(str(exported), config, split=split, streaming=True)
        for name, feature in read.features.items():
            assert streamed.features[name] == feature
            if isinstance(feature, datasets.Audio):
                read = read.cast_column(name, datasets.Audio(decode=False))
                streamed = streamed.cast_column(name, datasets.Audio(decode=False))
        assert list(read) == list(streamed)
        key = "pair_id" if config == "default" else "candidate_id"
        assert [row[key] for row in read] == [row[key] for row in expected]


def test_datasets_decodes_the_samples_of_the_run(built, exported, tmp_path) -> None:
    pytest.importorskip("torchcodec", reason="datasets decodes audio through torchcodec")
    read = datasets.load_dataset(str(exported), split="train", cache_dir=str(tmp_path))
    clips = table(built, "clips", "clip_id")
    for row in list(read)[:3]:
        decoded = row["prompt"].get_all_samples()
        wave = audio.read(clips[row["clip_id"]]["noisy"]["bytes"])
        assert decoded.sample_rate == wave.rate
        np.testing.assert_array_equal(decoded.data[0].numpy(), wave.wave)


def test_polars_reads_an_export(exported) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed (group dev)")
    read = polars.read_parquet(exported / "data" / "*.parquet")
    found = rows(exported)
    assert read["pair_id"].to_list() == [row["pair_id"] for row in found]
    assert read["chosen"].struct.field("bytes").to_list() == [r["chosen"]["bytes"] for r in found]


def test_duckdb_reads_an_export(exported) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed (group dev)")
    with duckdb.connect() as connection:
        read = connection.sql(
            "select pair_id, chosen.bytes, margins.roughness from read_parquet("
            f"'{exported}/data/*.parquet') order by pair_id"
        ).fetchall()
    expected = sorted(rows(exported), key=lambda row: row["pair_id"])
    assert read == [
        (row["pair_id"], row["chosen"]["bytes"], row["margins"]["roughness"]) for row in expected
    ]


def test_row_groups_and_pages_are_as_the_hub_recommends(exported) -> None:
    for path in exported.glob("*/*.parquet"):
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            about = file.metadata.row_group(group)
            assert about.total_byte_size < 100e6
            assert all(about.column(k).has_offset_index for k in range(about.num_columns))


def test_shards_and_row_groups_have_about_the_requested_size(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(shard_writer, "ROW_GROUP_BYTES", 30_000)
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("sound", AUDIO)])
    writer = shard_writer.ShardWriter(tmp_path, "train", schema, {}, 100_000)
    rng = np.random.default_rng(0)
    sounds = [{"bytes": rng.bytes(10_000), "path": None} for _ in range(35)]
    for start in range(0, 35, 7):
        some = {"id": range(start, start + 7), "sound": sounds[start : start + 7]}
        writer.add(pa.table(some, schema=schema))
    split = writer.close()
    names = [path.name for path in split.files]
    assert names == [f"train-{k:05d}-of-{len(names):05d}.parquet" for k in range(len(names))]
    assert len(names) in (4, 5)
    assert all(path.stat().st_size < 130_000 for path in split.files)
    read = pa.concat_tables([pq.read_table(path) for path in split.files])
    assert read.column("id").to_pylist() == list(range(35))
    assert read.column("sound").to_pylist() == sounds
    for path in split.files:
        about = pq.read_metadata(path)
        assert all(about.row_group(k).num_rows <= 3 for k in range(about.num_row_groups))


def test_an_interruption_leaves_no_partial_file(tmp_path) -> None:
    schema = pa.schema([pa.field("id", pa.int64())])
    writer = shard_writer.ShardWriter(tmp_path, "train", schema, {}, 10)
    writer.add(pa.table({"id": [1, 2, 3]}, schema=schema))
    writer._flush()
    writer.abandon(KeyboardInterrupt())
    assert list(tmp_path.iterdir()) == []


def test_wav_jsonl_has_the_samples_of_the_run(built, tmp_path) -> None:
    out = tmp_path / "out"
    export(built, out, ExportOptions("wav-jsonl"))
    candidates = table(built, "candidates", "candidate_id")
    lines = [
        json.loads(line)
        for name in ("train", "validation")
        for line in (out / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len(lines) == len(table(built, "pairs", "pair_id"))
    for row in lines:
        for side in ("chosen", "rejected"):
            wave, rate = soundfile.read(out / row[side], dtype="float32")
            sound = audio.read(candidates[row[f"{side}_id"]]["audio"]["bytes"])
            assert rate == sound.rate
            np.testing.assert_array_equal(wave, sound.wave)
        assert (out / row["prompt"]).is_file()
        assert not any(name.endswith("latent") for name in row)


def test_trl_has_ids_frame_by_frame_and_as_words(built, tmp_path) -> None:
    out = tmp_path / "out"
    export(built, out, ExportOptions("trl"))
    candidates = table(built, "candidates", "candidate_id")
    found = rows(out)
    assert found
    assert {row["chosen_generator"] for row in found} == {"tokens"}
    for row in found:
        first, second = candidates[row["chosen_id"]]["tokens"]
        both = zip(first, second, strict=True)
        assert row["chosen_ids"] == [one for a, b in both for one in (a, b + 16)]
        assert row["chosen"] == "".join(f"<|{one}|>" for one in row["chosen_ids"])
        assert (row["prompt"], row["prompt_ids"]) == ("", [])
    assert "g · 16 + c" in (out / "README.md").read_text(encoding="utf-8")


def test_trl_collates_an_export(built, tmp_path) -> None:
    pytest.importorskip("trl", reason="trl is not installed; it is no dependency")
    from trl.trainer.dpo_trainer import DataCollatorForPreference

    export(built, tmp_path / "out", ExportOptions("trl"))
    found = rows(tmp_path / "out")[:2]
    batch = DataCollatorForPreference(pad_token_id=0)(found)
    assert batch["input_ids"].shape == (4, 8)
    assert batch["input_ids"][0].tolist() == found[0]["chosen_ids"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")  # those of trl and transformers
def test_trl_trains_on_an_export(built, tmp_path) -> None:
    """One step of `DPOTrainer` from the columns of text: policy = reference gives ln 2."""
    trainers = pytest.importorskip("trl", reason="trl is not installed; it is no dependency")
    from tokenizers import Tokenizer, models
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    export(built, tmp_path / "out", ExportOptions("trl"))
    read = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path))
    words = Tokenizer(models.WordLevel({"<eos>": 0, "<pad>": 1}, unk_token="<eos>"))
    words.add_tokens([f"<|{k}|>" for k in range(32)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<eos>", pad_token="<pad>", unk_token="<eos>"
    )
    for row in read:
        assert [one - 2 for one in tokenizer(row["chosen"])["input_ids"]] == row["chosen_ids"]
    shape = GPT2Config(vocab_size=34, n_embd=8, n_layer=1, n_head=1, n_positions=32)
    GPT2LMHeadModel(shape).save_pretrained(tmp_path / "model")
    policy, reference = (GPT2LMHeadModel.from_pretrained(tmp_path / "model") for _ in range(2))
    settings = trainers.DPOConfig(
        output_dir=str(tmp_path / "dpo"), per_device_train_batch_size=2, max_steps=1, bf16=False,
        report_to=[], use_cpu=True, save_strategy="no", gradient_checkpointing=False,
    )  # fmt: skip
    trainer = trainers.DPOTrainer(
        model=policy,
        ref_model=reference,
        args=settings,
        train_dataset=read.select_columns(["prompt", "chosen", "rejected"]),
        processing_class=tokenizer,
    )
    assert trainer.train().training_loss == pytest.approx(np.log(2), abs=1e-5)


def test_trl_without_tokens_is_refused_before_the_audit(run_folder, tmp_path) -> None:
    for part in part_files.parts(run_folder, "candidates"):
        table = part_files.read(part)
        place = table.schema.get_field_index("tokens")
        field = table.schema.field("tokens")
        table = table.set_column(place, field, pa.nulls(len(table), field.type))
        write_part(part, table)
    shutil.rmtree(run_folder / "audit", ignore_errors=True)
    with raises(InputError, field="form", value="trl", problem="unsupported"):
        export(run_folder, tmp_path / "out", ExportOptions("trl"))
    assert not (run_folder / "audit").exists()


def test_trl_without_tokens_is_refused(built, monkeypatch) -> None:
    monkeypatch.setattr(part_files, "parts", lambda *_: [])
    with raises(InputError, field="form", value="trl", problem="unsupported"):
        trl.codebook_size(built)


def test_a_pair_whose_candidate_is_missing_is_refused(run_folder, tmp_path) -> None:
    for part in part_files.parts(run_folder, "candidates"):
        kept = part_files.read(part).slice(0, 1)
        write_part(part, kept)
    with raises(CorruptPartError, path="part-00000.parquet", problem="missing"):
        export(run_folder, tmp_path / "out", ExportOptions())
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run-copy"]


def test_a_folder_with_other_files_is_not_replaced(built, tmp_path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with raises(InputError, value="thesis.tex", path=tmp_path, problem="exists"):
        export(built, tmp_path, ExportOptions())
    assert (tmp_path / "thesis.tex").read_text(encoding="utf-8") == "years of work"


def test_an_export_replaces_the_earlier_one(built, tmp_path) -> None:
    export(built, tmp_path / "out", ExportOptions(candidates="none"))
    export(built, tmp_path / "out", ExportOptions("wav-jsonl"))
    assert not (tmp_path / "out" / "data").exists()
    assert (tmp_path / "out" / "train.jsonl").exists()


def test_a_run_without_pairs_is_refused(run_folder, tmp_path) -> None:
    pair(run_folder, ["margin.roughness=1000"])
    with raises(InputError, value="pairs", problem="empty"):
        export(run_folder, tmp_path / "out", ExportOptions())


def uploaded(run: Path, url: str) -> Path:
    """A copy of a run directory at a URL."""
    there = parse_location(url)
    for path in run.rglob("*"):
        if path.is_file() and path.name != ".lock":
            objects.write_object(there / path.relative_to(run).as_posix(), path.read_bytes())
    return there


def test_a_run_in_memory_gives_the_same_bytes(built, exported, tmp_path) -> None:
    there = uploaded(built, f"memory://{uuid.uuid4().hex}/run")
    export(there, tmp_path / "out", ExportOptions(), PublishingOptions(repository="us/small"))
    assert files(tmp_path / "out") == files(exported)


def test_a_run_on_a_server_gives_the_same_bytes(built, exported, tmp_path, bucket) -> None:
    there = uploaded(built, str(bucket))
    assert run_command("export", there, tmp_path / "out") == 0
    result, known = files(tmp_path / "out"), files(exported)
    assert {n: b for n, b in result.items() if n != "README.md"} == {
        n: b for n, b in known.items() if n != "README.md"
    }


def test_a_run_at_a_url_needs_a_local_key(built, tmp_path) -> None:
    there = uploaded(built, f"memory://{uuid.uuid4().hex}/run")
    with raises(InputError, path="run/anonymise.key", problem="unsupported"):
        export(there, tmp_path / "out", ExportOptions(), PublishingOptions("hash"))
    export(there, tmp_path / "out", ExportOptions(), PublishingOptions("hash", tmp_path / "key"))
