"""Tests of the scan for texts that must not be published."""

import json

import pyarrow as pa
import pytest
import yaml

from gensr_pref.errors import InputError
from gensr_pref.exporting.dataset import ExportOptions
from gensr_pref.exporting.export_run import PublishingOptions, _require_harmless, export
from gensr_pref.exporting.leak_scan import LocalNames, scan_folder
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import RunDocument, write_document
from tests.parts import write_part
from tests.refusals import raises

LOCAL = LocalNames(
    "karlotta", "zeppelin7", ("/srv/karlotta/runs", "/home/karlotta"), ("hf_" + "q" * 34,)
)
HARMLESS = [
    "https://www.asterisk.org/a/b/c", "speech/en-one.flac", "and/or", "16 kHz", "a/b/c", "1/2",
    "clip-0a1b/fm-tiny/3", "data/train-*", "module:Class", "CC-BY-SA-3.0", "we work at home",
    "the user said: root", "dnsmos/p808", "2026/01/02", "C: the answer", "~5 dB", "",
    "wav/clip-fae8/noisy-0.wav", "http://localhost:8080/a/b", "half_" + "a" * 30, "5%2F7", "3:/4",
    "risk-" + "a" * 30,
]  # fmt: skip
HARMFUL = [
    "/home/anna/speech/a.wav", "file:///tmp/x", "see /mnt/corpora/x.wav", "C:\\Users\\anna\\a.wav",
    "\\\\server\\share\\a.wav", "~/data/x", "home/anna/speech/a.wav", "srv/karlotta/runs/x",
    "made by karlotta", "on zeppelin7", "Karlotta's", "hf_" + "a" * 34, "hf_" + "q" * 34,
    "ghp_" + "a" * 36, "AKIA" + "A" * 16, "https://me:secret@host.org/x", "sk-" + "a" * 30,
    "-----BEGIN OPENSSH PRIVATE KEY-----", '{"path": "/data/speech/one.wav"}', "root=/opt/speech/x",
    "nas01:/export/labdata/x.wav", "anna@nas01:/export/x.wav", "path:/data2/x/y", "@/data2/x/y",
    "%2Fhome%2Fjanedoe%2Fx", "my_hf_" + "A" * 34, "hf_" + "A" * 34 + "_1", "_ghp_" + "a" * 36,
    "sk_live_" + "a" * 24, "rk_test_" + "a" * 24, "pypi-" + "Ag" * 40, "npm_" + "a" * 36,
    "x_AKIA" + "A" * 16 + "_2",
]  # fmt: skip


@pytest.mark.parametrize("text", HARMLESS)
@pytest.mark.parametrize("name", ["README.md", "x.jsonl"])
def test_harmless_text_passes(text, name, tmp_path) -> None:
    (tmp_path / name).write_text(text if name == "README.md" else json.dumps({"x": text}))
    assert scan_folder(tmp_path, LOCAL) == []


@pytest.mark.parametrize("text", HARMFUL)
@pytest.mark.parametrize("where", ["text", "column", "nested", "json", "metadata"])
def test_private_text_is_found_everywhere(text, where, tmp_path) -> None:
    table = pa.table({"id": ["a", "b"], "x": ["harmless", "too"]})
    value = {"text": None, "column": text, "nested": [{"x": text}], "json": json.dumps([text])}
    if where == "text":
        (tmp_path / "README.md").write_text(f"fine\n{text}\n")
    elif where == "metadata":
        part_files.write_table(tmp_path / "x.parquet", table, {"run": text})
    else:
        rows = [{"x": None}, {"x": value[where]}]
        part_files.write_table(tmp_path / "x.parquet", pa.Table.from_pylist(rows), {})
    found = scan_folder(tmp_path, LOCAL)
    assert found
    place = {"text": ("README.md", ", line 2"), "metadata": ("x.parquet, metadata gensr_pref", "")}
    column, at = place.get(where, ("x.parquet, column x", ", row 1"))
    assert (found[0].column, found[0].at) == (column, at)


@pytest.mark.parametrize("text", [text for text in HARMFUL if text[:4] in ("hf_a", "hf_q", "ghp_")])
def test_a_token_is_not_repeated(text, tmp_path) -> None:
    (tmp_path / "README.md").write_text(text)
    assert text[:12] not in " ".join(map(str, scan_folder(tmp_path, LOCAL)))


def test_a_path_without_its_first_slash_is_found_where_it_exists(tmp_path) -> None:
    (tmp_path / "speech").mkdir()
    (tmp_path / "out").mkdir()
    text = str(tmp_path / "speech" / "a.wav").lstrip("/")
    (tmp_path / "out" / "x.json").write_text(json.dumps({"source_id": text}))
    assert scan_folder(tmp_path / "out", LocalNames("", "", ()))


def test_spoken_words_may_contain_a_name(tmp_path) -> None:
    table = pa.table({"text": ["this is karlotta speaking from zeppelin7"], "y": ["fine"]})
    part_files.write_table(tmp_path / "x.parquet", table, {})
    assert scan_folder(tmp_path, LOCAL) == []


def test_audio_is_not_scanned(tmp_path) -> None:
    table = pa.table({"a": pa.array([{"bytes": b"/home/anna/x.wav", "path": None}])})
    part_files.write_table(tmp_path / "x.parquet", table, {})
    assert scan_folder(tmp_path, LOCAL) == []


def test_file_names_are_scanned(tmp_path) -> None:
    (tmp_path / "karlotta.json").write_text("{}")
    assert scan_folder(tmp_path, LOCAL)


def test_allowed_text_passes(tmp_path) -> None:
    (tmp_path / "README.md").write_text("thanks to karlotta")
    assert scan_folder(tmp_path, LOCAL, ["karlotta"]) == []


def test_a_leak_is_quoted_as_it_is_in_the_text(tmp_path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"x": "home/janedoe/data"}))
    found = scan_folder(tmp_path, LocalNames("janedoe", "", ()), ["janedoe"])
    assert found
    assert all("janedoe" in one.what for one in found)
    assert not any("the user's name" in one.what for one in found)
    assert scan_folder(tmp_path, LocalNames("janedoe", "", ()), ["home/janedoe/data"]) == []


@pytest.mark.parametrize(
    ("text", "allowed", "passes"),
    [
        ("/data/a.wav", "/data", True),
        ("/data/a.wav", "/data/a", True),
        ("/data/anna/a.wav", "/data", False),
        ("/data/anna/a.wav", "anna", False),
        ("/data/anna/a.wav", "/data/anna", True),
        ("/data/a.wav /srv/karl/b.wav", "/data/a.wav", False),
        ("hf_" + "a" * 34, "hf_", False),
        ("made by karlotta", "karl", False),
        ("fine", "", True),
    ],
)
def test_only_allowed_text_passes(text, allowed, passes, tmp_path) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({"x": text}))
    assert (scan_folder(tmp_path, LOCAL, [allowed]) == []) is passes


def test_every_column_is_named_with_distinct_values_and_a_total(tmp_path) -> None:
    rows = [{"a": f"/srv/labdata/{k % 7}.wav", "b": "/srv/labdata/b.wav"} for k in range(3000)]
    part_files.write_table(tmp_path / "x.parquet", pa.Table.from_pylist(rows), {})
    with pytest.raises(InputError) as caught:
        _require_harmless(tmp_path, LOCAL, PublishingOptions())
    said = str(caught.value).splitlines()
    assert [line.strip().partition(": ")[0] for line in said if "x.parquet" in line] == [
        "x.parquet, column a, row 0", "x.parquet, column a, row 1", "x.parquet, column a, row 2",
        "x.parquet, column b, row 0",
    ]  # fmt: skip
    assert "  ... and 4 more, 8 in all" in said


def test_common_names_of_this_machine_are_ignored(monkeypatch) -> None:
    monkeypatch.setattr("gensr_pref.exporting.leak_scan._user", lambda: "root")
    monkeypatch.setattr("socket.gethostname", lambda: "zeppelin7.example.org")
    here = LocalNames.from_machine()
    assert (here.user, here.host) == ("", "zeppelin7")
    assert here.folders


def test_an_export_of_a_run_with_local_names_is_refused(run_folder, tmp_path) -> None:
    """A manifest whose root is / names its recordings by whole paths."""
    (part, *_) = part_files.parts(run_folder, "clips")
    rows = part_files.read(part).to_pylist()
    for row in rows:
        source = json.loads(row["source"])
        row["source"] = json.dumps({**source, "source_id": "/home/anna/rec/a.wav"})
    write_part(part, rows)
    with raises(InputError, problem="unsafe") as caught:
        export(run_folder, tmp_path / "out", ExportOptions())
    assert any("/home/anna/rec/a.wav" in line for line in caught.value.value)
    assert not (tmp_path / "out").exists()
    export(run_folder, tmp_path / "out", ExportOptions(), PublishingOptions("hash"))


def test_local_paths_of_the_run_file_are_cut(run_folder, tmp_path) -> None:
    document = yaml.safe_load((run_folder / "run.yaml").read_text())
    document["corpus"]["source"]["path"] = "/home/anna/lists/speech.csv"
    document["corpus"]["source"]["root"] = "/"
    document["generators"][0]["options"] = {"program": ["python", "/opt/models/x.py", "--a=/b/c d"]}
    write_document(run_folder, RunDocument.model_validate(document))
    export(run_folder, tmp_path / "out", ExportOptions())
    result = yaml.safe_load((tmp_path / "out" / "run.yaml").read_text())
    assert result["corpus"]["source"]["path"] == "speech.csv"
    assert result["corpus"]["source"]["root"] == ""
    assert result["generators"][0]["options"]["program"] == ["python", "x.py", "--a=c d"]
