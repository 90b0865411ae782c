"""Tests of recordings in Parquet tables."""

from __future__ import annotations

import importlib.util
import unicodedata
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gensr_pref import schema
from gensr_pref.audio import flac
from gensr_pref.config.run_file import HuggingFaceSource, ParquetSource
from gensr_pref.corpus import table_sources
from gensr_pref.corpus.base import Source
from gensr_pref.corpus.sources import list_recordings, open_source
from gensr_pref.errors import ConfigError, SourceError
from gensr_pref.schema import Reason
from tests.refusals import raises

RATE = 16000


def tone(number: int, samples: int = RATE) -> bytes:
    return flac(np.full(samples, 0.01 * (number + 1), np.float32), RATE)


def level(source: Source, item: Any) -> int:
    """Which of the tones it is."""
    sound, _ = source.read(item, 10, 100)
    assert len(sound.wave) == 100
    return round(float(sound.wave[0]) * 100) - 1


def parquet(path: Path, rows: list[dict[str, Any]], group: int = 2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = pa.array([row["audio"] for row in rows], type=rows[0].get("type", schema.AUDIO))
    columns = {"audio": audio, "text": pa.array([row["text"] for row in rows])}
    pq.write_table(pa.table(columns), path, row_group_size=group)


def struct(number: int, **more: Any) -> dict[str, Any]:
    return {"bytes": tone(number), "path": None, **more}


def source_of(base: Path, path: str, **columns: str) -> Source:
    return open_source(ParquetSource(path=path, columns={"audio": "audio", **columns}), base)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["data", "data/*.parquet", "data/**/*.parquet"])
def test_rows_of_several_files(tmp_path: Path, path: str) -> None:
    parquet(tmp_path / "data/a.parquet", [{"audio": struct(n), "text": f"t{n}"} for n in range(5)])
    parquet(
        tmp_path / "data/b.parquet",
        [{"audio": struct(n, path=f"x/é {n}.flac"), "text": ""} for n in range(5, 8)],
    )
    source = source_of(tmp_path, path, text="text")
    items, failures = list_recordings(source)
    assert failures == []
    assert [item.source_id for item in items[:2]] == ["a/000000", "a/000001"]
    assert items[5].source_id == "b/000000-é 5.flac"
    assert [item.text for item in items[4:6]] == ["t4", None]
    assert [level(source, item) for item in reversed(items)] == list(range(7, -1, -1))


def test_cells_of_any_type_are_read_as_in_a_manifest(tmp_path: Path) -> None:
    cells = {
        "text": pa.array([0.0, float("nan"), 1984.0]),
        "speaker": pa.array([7, None, 8], pa.int64()),
        "language": pa.array(["eng", " ", "cmn_hans_cn"]).dictionary_encode(),
    }
    sounds = pa.array([struct(n) for n in range(3)], schema.AUDIO)
    pq.write_table(pa.table({"audio": sounds, **cells}), tmp_path / "a.parquet")
    items, _ = list_recordings(source_of(tmp_path, "a.parquet", **{name: name for name in cells}))
    assert [(item.text, item.speaker, item.language) for item in items] == [
        ("0", "7", "en"),
        (None, None, None),
        ("1984", "8", "zh"),
    ]


@pytest.mark.parametrize(
    "cells", [pa.array([True]), pa.array([["a"]]), pa.array([{"a": 1}]), pa.array([b"a"])]
)
def test_cells_that_are_no_text_are_refused_with_their_row(tmp_path: Path, cells: Any) -> None:
    sounds = pa.array([struct(0)], schema.AUDIO)
    pq.write_table(pa.table({"audio": sounds, "said": cells}), tmp_path / "a.parquet")
    with raises(
        SourceError,
        field="corpus.source.path",
        place="a.parquet, row 0",
        value="said",
        problem="invalid",
    ):
        list_recordings(source_of(tmp_path, "a.parquet", text="said"))


def test_paths_match_names_that_look_the_same(tmp_path: Path) -> None:
    written, there = (unicodedata.normalize(form, "\u00e9.flac") for form in ("NFC", "NFD"))
    (tmp_path / there).write_bytes(tone(4))
    rows = [{"audio": written, "text": "", "type": pa.string()}]
    parquet(tmp_path / "a.parquet", rows)
    source = source_of(tmp_path, "a.parquet")
    [item], _ = list_recordings(source)
    assert level(source, item) == 4


def test_only_one_row_group_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(tmp_path / "a.parquet", [{"audio": struct(n), "text": ""} for n in range(6)])
    source = source_of(tmp_path, "a.parquet")
    items, _ = list_recordings(source)
    table_sources._row_group.cache_clear()
    groups: list[int] = []
    whole = pq.ParquetFile.read_row_group

    def counted(self: Any, group: int, **options: Any) -> Any:
        groups.append(group)
        return whole(self, group, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    assert level(source, items[4]) == 4
    assert level(source, items[5]) == 5
    assert groups == [2]


def test_bytes_and_paths(tmp_path: Path) -> None:
    rows = [{"audio": tone(3), "text": "", "type": pa.binary()}]
    parquet(tmp_path / "bytes.parquet", rows)
    source = source_of(tmp_path, "bytes.parquet")
    assert [level(source, item) for item in list_recordings(source)[0]] == [3]

    (tmp_path / "wav").mkdir()
    (tmp_path / "wav/é.flac").write_bytes(tone(4))
    places = ["wav/é.flac", "wav/no.flac", "../outside.flac", None]
    parquet(
        tmp_path / "paths.parquet",
        [{"audio": place, "text": "", "type": pa.string()} for place in places],
    )
    source = source_of(tmp_path, "paths.parquet")
    items, failures = list_recordings(source)
    assert [level(source, item) for item in items] == [4]
    assert items[0].source_id == "paths/000000-é.flac"
    assert [failure.reason for failure in failures] == [Reason.MISSING] * 3
    assert "is not below" in failures[1].detail


def test_clean_counterparts_and_bad_rows(tmp_path: Path) -> None:
    audio = [struct(0), struct(1), struct(2), {"bytes": b"no audio", "path": None}, None]
    clean = [struct(9), {"bytes": tone(1, 2 * RATE), "path": None}, None, struct(3), struct(4)]
    table = {"audio": pa.array(audio, schema.AUDIO), "clean": pa.array(clean, schema.AUDIO)}
    pq.write_table(pa.table(table), tmp_path / "pairs.parquet")
    source = source_of(tmp_path, "pairs.parquet", clean="clean")
    (item,), failures = list_recordings(source)
    assert [failure.reason for failure in failures] == [
        Reason.LENGTH_MISMATCH,
        Reason.MISSING,
        Reason.UNREADABLE,
        Reason.MISSING,
    ]
    _, reference = source.read(item, 0, RATE)
    assert reference is not None
    assert reference.wave[0] == pytest.approx(0.1, abs=1e-4)


def test_malformed_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_text("no parquet")
    with raises(SourceError, field="corpus.source.path", path="bad.parquet", problem="unreadable"):
        list_recordings(source_of(tmp_path, "bad.parquet"))
    for path in ("none.parquet", "*.pq"):
        with raises(SourceError, field="corpus.source.path", problem="missing"):
            list_recordings(source_of(tmp_path, path))
    parquet(tmp_path / "a.parquet", [{"audio": struct(0), "text": ""}])
    with raises(ConfigError, field="corpus.source.columns.text", value="txt", problem="unknown"):
        list_recordings(source_of(tmp_path, "a.parquet", text="txt"))


@pytest.fixture
def hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library, with its cache below tmp_path and no network."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its imports
        import datasets
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    return datasets


def rows_of(base: Path, path: str, **options: Any) -> Source:
    columns = {"audio": "audio", "text": "text"}
    return open_source(HuggingFaceSource(path=path, columns=columns, **options), base)  # type: ignore[arg-type]


def test_saved_dataset(tmp_path: Path, hugging_face: Any) -> None:
    rows = {"audio": [struct(n) for n in range(3)], "text": ["a", None, "c"], "other": [1, 2, 3]}
    whole = hugging_face.Dataset.from_dict(rows).cast_column("audio", hugging_face.Audio())
    whole.save_to_disk(tmp_path / "one")
    hugging_face.DatasetDict({"dev": whole}).save_to_disk(tmp_path / "many")
    for source in (rows_of(tmp_path, "one"), rows_of(tmp_path, "many", split="dev")):
        items, failures = list_recordings(source)
        assert failures == []
        assert [item.text for item in items] == ["a", None, "c"]
        assert [level(source, item) for item in items] == [0, 1, 2]
    assert items[1].source_id == "dev/000001"
    with raises(ConfigError, field="corpus.source.split", value="train", problem="unknown"):
        list_recordings(rows_of(tmp_path, "many"))


def test_folder_of_parquet(tmp_path: Path, hugging_face: Any) -> None:
    table = schema.with_metadata(
        pa.schema([pa.field("audio", schema.AUDIO), pa.field("text", pa.string())]), {}
    )
    columns = {
        "audio": pa.array([struct(n) for n in range(3)], schema.AUDIO),
        "text": ["", "b", ""],
    }
    (tmp_path / "set").mkdir()
    pq.write_table(
        pa.table(columns, schema=table), tmp_path / "set/validation-00000-of-00001.parquet"
    )
    source = rows_of(tmp_path, "set", split="validation")
    items, _ = list_recordings(source)
    assert [level(source, item) for item in items] == [0, 1, 2]
    with pytest.raises(SourceError, match=r"datasets cannot load 'set'.*train"):
        list_recordings(rows_of(tmp_path, "set", split="train"))


def test_folder_of_audio_files_is_another_kind(tmp_path: Path, hugging_face: Any) -> None:
    """`datasets` encodes loose files through torchcodec, which is not asked of anybody."""
    if importlib.util.find_spec("torchcodec"):
        pytest.skip("torchcodec is installed, so that datasets can read the folder")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/take.flac").write_bytes(tone(1))
    with pytest.raises(SourceError, match=r"torchcodec.*kind: folder"):
        list_recordings(rows_of(tmp_path, "set"))


def test_missing_dataset_is_refused(tmp_path: Path, hugging_face: Any) -> None:
    with raises(SourceError, field="corpus.source", value="no/where", problem="unreadable"):
        list_recordings(rows_of(tmp_path, "no/where"))
