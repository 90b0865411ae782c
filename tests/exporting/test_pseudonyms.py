"""Tests of pseudonyms, and of exports without names of speakers and recordings."""

import json
import stat

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gensr_pref.errors import InputError
from gensr_pref.exporting import pseudonym_order, pseudonyms, redacted_facts
from gensr_pref.exporting.dataset import ExportOptions
from gensr_pref.exporting.export_run import PublishingOptions, export
from gensr_pref.exporting.pseudonyms import Pseudonyms
from gensr_pref.rundir import part_files
from tests.refusals import raises

ONE, OTHER = Pseudonyms("hash", b"1" * 32), Pseudonyms("hash", b"2" * 32)


def test_a_pseudonym_depends_on_the_secret_the_kind_and_the_name() -> None:
    made = {
        one.pseudonym(kind, name)
        for one in (ONE, OTHER)
        for kind in ("speaker", "clip")
        for name in ("anna", "bert")
    }
    assert len(made) == 8
    assert ONE.pseudonym("speaker", "anna") == Pseudonyms("drop", b"1" * 32).pseudonym(
        "speaker", "anna"
    )


def test_the_secret_is_created_once_and_readable_by_its_owner_only(tmp_path) -> None:
    first = pseudonyms.open_pseudonyms("hash", tmp_path / "key")
    assert pseudonyms.open_pseudonyms("drop", tmp_path / "key").secret == first.secret
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert pseudonyms.open_pseudonyms("hash", tmp_path / "other").secret != first.secret


def test_a_file_without_a_secret_is_refused(tmp_path) -> None:
    (tmp_path / "key").write_text("password")
    with raises(InputError, path="key", problem="invalid"):
        pseudonyms.open_pseudonyms("hash", tmp_path / "key")


def test_null_stays_null() -> None:
    table = pa.table({"speaker": ["anna", None], "seed": [1, 2]})
    assert ONE.table(table).to_pylist() == [
        {"speaker": ONE.pseudonym("speaker", "anna"), "seed": None},
        {"speaker": None, "seed": None},
    ]


@pytest.mark.parametrize("how", ["drop", "hash"])
@pytest.mark.parametrize("form", ["parquet", "wav-jsonl"])
def test_no_name_of_a_speaker_or_recording_is_published(run_folder, tmp_path, how, form) -> None:
    """The names are looked for in all bytes, decompressed where they are Parquet."""
    clips = part_files.read_all(run_folder, "clips").to_pylist()
    names = {row["speaker"] for row in clips} | {row["clip_id"] for row in clips}
    names |= {json.loads(row["source"])["source_id"] for row in clips}
    noises = {json.loads(row["degradation"])[0]["file"] for row in clips}
    out = tmp_path / "out"
    export(run_folder, out, ExportOptions(form), PublishingOptions(how))
    for path in out.rglob("*"):
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            said = repr(table.drop_columns(
                [name for name in ("prompt", "chosen", "rejected") if name in table.column_names]
            ).to_pylist()) + repr(table.schema.metadata)  # fmt: skip
        else:
            said = path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""
        for name in names | noises:
            assert name not in said + path.name, (path, name)
    key = (run_folder / pseudonyms.SECRET).read_text().strip()
    assert all(key.encode() not in p.read_bytes() for p in out.rglob("*") if p.is_file())


def test_hashed_speakers_are_distinguishable_and_dropped_ones_are_not(run_folder, tmp_path) -> None:
    clips = {row["clip_id"]: row for row in part_files.read_all(run_folder, "clips").to_pylist()}
    export(run_folder, tmp_path / "hash", ExportOptions(), PublishingOptions("hash"))
    export(run_folder, tmp_path / "drop", ExportOptions(), PublishingOptions("drop"))
    hashed = pq.read_table(tmp_path / "hash" / "data").to_pylist()
    dropped = pq.read_table(tmp_path / "drop" / "data").to_pylist()
    assert {row["speaker"] for row in dropped} == {row["source"] for row in dropped} == {None}
    assert len({row["speaker"] for row in hashed}) == len({c["speaker"] for c in clips.values()})
    assert [row["clip_id"] for row in hashed] == [row["clip_id"] for row in dropped]
    for row in hashed:
        assert row["chosen_seed"] is row["chosen_sampling"] is None
        assert json.loads(row["degradation"]) == [{"step": "noise"}]
        for name in ("pair_id", "chosen_id", "rejected_id"):
            assert row[name].startswith(row["clip_id"] + "/")


def test_values_drawn_from_the_seed_are_withheld(run_folder, tmp_path, facts) -> None:
    export(run_folder, tmp_path / "out", ExportOptions(), PublishingOptions("hash"))
    assert "\nseed: null\n" in (tmp_path / "out" / "run.yaml").read_text()
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "The dataset cannot be built again" in card
    assert "gensr-pref build" not in card
    result = facts(tmp_path / "out", "audit.json")
    assert all(row["value"].startswith("speaker-") for row in result["breakdown"]["speaker"])


@pytest.mark.parametrize("wanted", [ExportOptions(candidates="audio"), ExportOptions("wav-jsonl")])
def test_rows_are_in_the_order_of_pseudonyms_and_not_of_names(run_folder, tmp_path, wanted) -> None:
    out = tmp_path / "out"
    export(run_folder, out, wanted, PublishingOptions("hash"))
    names = pseudonyms.open_pseudonyms("hash", run_folder / pseudonyms.SECRET)
    for split in ("train", "validation"):
        if wanted.form == "wav-jsonl":
            lines = (out / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
            tables = [[json.loads(line) for line in lines]]
        else:
            paths = [next((out / name).glob(f"{split}-*")) for name in ("data", "candidates")]
            tables = [pq.read_table(path).to_pylist() for path in paths]
        for table in tables:
            clips = [row["clip_id"] for row in table]
            assert clips == sorted(clips)
    known = part_files.read_all(run_folder, "clips", ["clip_id"]).column("clip_id").to_pylist()
    assert sorted(known) == known
    assert [names.pseudonym("clip", one) for one in known] != sorted(
        names.pseudonym("clip", c) for c in known
    )
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_sorting_many_rows_loses_none(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pseudonym_order, "ROWS_AT_ONCE", 3)
    clips = [f"clip {k:02d}" for k in range(40) for _ in range(2)]
    rows = pa.table(
        {"clip_id": [ONE.pseudonym("clip", clip) for clip in clips], "place": range(80)}
    )
    pieces = iter([rows.slice(start, 7) for start in range(0, 80, 7)])
    read = pa.concat_tables(pseudonym_order.sort_by_pseudonym(pieces, tmp_path)).to_pylist()
    assert read == sorted(rows.to_pylist(), key=lambda row: row["clip_id"])
    assert list(tmp_path.iterdir()) == []


def test_speakers_of_the_audit_are_in_the_order_of_pseudonyms() -> None:
    rows = [{"value": name} for name in ("anna", "bert", "carla", "dora", "emil", None)]
    result = redacted_facts.redact_audit({"breakdown": {"speaker": rows}}, ONE)["breakdown"][
        "speaker"
    ]
    values = [row["value"] for row in result if row["value"]]
    assert values == sorted(ONE.pseudonym("speaker", row["value"]) for row in rows if row["value"])
