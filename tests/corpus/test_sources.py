"""Tests of sources of recordings: manifests, folders and their errors."""

from __future__ import annotations

import csv
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from gensr_pref.config.run_file import Columns, FolderSource, ManifestSource, PairedSource
from gensr_pref.corpus.base import Item, Source
from gensr_pref.corpus.sources import list_recordings, open_source
from gensr_pref.errors import ConfigError, SourceError
from gensr_pref.schema import Failure, Reason
from tests.refusals import raises


def manifest(folder: Path, rows: list[dict[str, Any]], name: str = "speech.csv") -> Path:
    path = folder / name
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        else:
            delimiter = "\t" if path.suffix == ".tsv" else ","
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
    return path


def from_manifest(path: Path, root: str | None = None, **columns: str) -> Source:
    chosen = {"audio": "path", **columns}
    return open_source(ManifestSource(path=path.name, root=root, columns=chosen), path.parent)  # type: ignore[arg-type]


def only_failure(source: Source) -> Failure:
    found = [row for row in source.items() if isinstance(row, Failure)]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("name", ["speech.csv", "speech.tsv", "speech.jsonl"])
def test_manifest(tmp_path: Path, write: Any, name: str) -> None:
    write("a/été 1.wav")
    write("b.flac", rate=44100)
    rows = [
        {"path": "a/été 1.wav", "said": "ça, «va»", "who": "x"},
        {"path": "./b.flac", "said": "", "who": None},
    ]
    source = from_manifest(manifest(tmp_path, rows, name), text="said", speaker="who")
    items, failures = list_recordings(source)
    assert failures == []
    first = 2 if name != "speech.jsonl" else 1
    assert items == [
        Item("a/été 1.wav", 16000, 24000, first, "a/été 1.wav", None, "ça, «va»", "x"),
        Item("b.flac", 44100, 66150, first + 1, "b.flac", None, None, None),
    ]
    sound, clean = source.read(items[1], 100, 500)
    whole, _ = soundfile.read(tmp_path / "b.flac", dtype="float32")
    np.testing.assert_array_equal(sound.wave, whole[100:600])
    assert clean is None
    assert pickle.loads(pickle.dumps(items)) == items


def test_byte_order_mark_is_tolerated(tmp_path: Path, write: Any) -> None:
    write("a.wav")
    (tmp_path / "speech.csv").write_bytes(b"\xef\xbb\xbfpath\r\na.wav\r\n")
    items, _ = list_recordings(from_manifest(tmp_path / "speech.csv"))
    assert [item.source_id for item in items] == ["a.wav"]


def test_96_khz_stereo_is_averaged(tmp_path: Path, write: Any) -> None:
    left = np.linspace(-0.5, 0.5, 96000, dtype=np.float32)
    write("wide.wav", np.stack([left, -0.5 * left], 1), rate=96000, subtype="FLOAT")
    source = open_source(FolderSource(path="."), tmp_path)
    (item,), _ = list_recordings(source)
    assert (item.rate, item.frames) == (96000, 96000)
    sound, _ = source.read(item, 0, item.frames)
    np.testing.assert_allclose(sound.wave, 0.25 * left, atol=1e-7)


def test_missing_column_names_the_existing_ones_and_the_nearest(tmp_path: Path, write: Any) -> None:
    write("a.wav")
    path = manifest(tmp_path, [{"path": "a.wav", "speaker_id": "x"}])
    known = ("path", "speaker_id")
    with raises(ConfigError, field="corpus.source.columns.speaker", value="speaker", known=known):
        list_recordings(from_manifest(path, speaker="speaker"))


@pytest.mark.parametrize("where", ["../outside.wav", "a/../../outside.wav", "{absolute}"])
def test_paths_may_not_leave_the_root(tmp_path: Path, write: Any, where: str) -> None:
    outside = write("outside.wav")
    write("corpus/in.wav")
    value = where.format(absolute=outside)
    path = manifest(tmp_path / "corpus", [{"path": "in.wav"}, {"path": value}])
    place = "corpus/speech.csv, row 3"
    facts = {"value": value, "place": place, "problem": "unsafe"}
    with raises(SourceError, field="corpus.source.path", **facts):
        list_recordings(from_manifest(path))


def test_wider_root_allows_these_paths(tmp_path: Path, write: Any) -> None:
    outside = write("outside.wav")
    write("corpus/in.wav")
    rows = [{"path": "corpus/in.wav"}, {"path": str(outside)}]
    items, _ = list_recordings(from_manifest(manifest(tmp_path / "corpus", rows), root=".."))
    assert [item.source_id for item in items] == ["corpus/in.wav", "outside.wav"]


def test_absolute_paths_inside_the_root_become_relative(tmp_path: Path, write: Any) -> None:
    full = write("a/b.wav")
    (item,), _ = list_recordings(from_manifest(manifest(tmp_path, [{"path": str(full)}])))
    assert item.source_id == "a/b.wav"


def test_links_in_the_root_are_followed(tmp_path: Path, write: Any) -> None:
    store = write("store/x.wav")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus/x.wav").symlink_to(store)
    (item,), _ = list_recordings(from_manifest(manifest(tmp_path / "corpus", [{"path": "x.wav"}])))
    assert item.frames == 24000


def damaged(folder: Path, kind: str, write: Any) -> Path:
    path = folder / "bad one.wav"
    if kind == "missing":
        return path
    if kind == "zero bytes":
        path.write_bytes(b"")
    elif kind == "no samples":
        write(path.name, np.zeros(0))
    elif kind == "not audio":
        path.write_text("ceci n'est pas une pipe", encoding="utf-8")
    elif kind == "a folder":
        path.mkdir()
    elif kind == "cut":
        path.write_bytes(write("whole.flac").read_bytes()[:5000])
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", Reason.MISSING),
        ("zero bytes", Reason.EMPTY),
        ("no samples", Reason.EMPTY),
        ("not audio", Reason.UNREADABLE),
        ("a folder", Reason.UNREADABLE),
        ("cut", Reason.TRUNCATED),
    ],
)
def test_unusable_files_are_failures_and_the_others_are_read(
    tmp_path: Path, write: Any, kind: str, reason: Reason
) -> None:
    write("good.wav")
    damaged(tmp_path, kind, write)
    path = manifest(tmp_path, [{"path": "bad one.wav"}, {"path": "good.wav"}, {"path": ""}])
    items, failures = list_recordings(from_manifest(path))
    assert [item.source_id for item in items] == ["good.wav"]
    bad, nameless = failures
    assert (bad.stage, bad.clip_id, bad.reason) == ("corpus", "bad one.wav", reason)
    assert f"{tmp_path}" not in bad.detail
    assert nameless.reason is Reason.MISSING
    assert "row 4" in nameless.detail


def test_source_without_usable_files_names_the_first_few(tmp_path: Path) -> None:
    path = manifest(tmp_path, [{"path": f"{n}.wav"} for n in range(9)])
    missing = [(f"{n}.wav", "missing") for n in range(9)]
    with raises(SourceError, field="corpus.source", value=missing, problem="empty") as caught:
        list_recordings(from_manifest(path))
    assert "2.wav" in str(caught.value)
    assert "3.wav" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("speech.csv", "path\n", "no rows"),
        ("speech.csv", "", "no rows"),
        ("speech.csv", b"path\n\xff\xfe.wav\n", "utf-8"),
        ("speech.jsonl", '{"path": "a.wav"}\n{"path": \n', "line 2 is not JSON"),
        ("speech.jsonl", '["a.wav"]\n', "line 1 holds list"),
        ("speech.json", '[\n {"path": "a.wav"}\n]\n', "line 1 is not JSON"),
    ],
)
def test_malformed_manifest_is_refused(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SourceError, match=message) as caught:
        list_recordings(from_manifest(tmp_path / name))
    assert "corpus.source.path" in str(caught.value)


def test_manifest_that_is_missing_or_of_unknown_format_is_refused(tmp_path: Path) -> None:
    with raises(SourceError, field="corpus.source.path", path="no.csv", problem="unreadable"):
        list_recordings(from_manifest(tmp_path / "no.csv"))
    with raises(
        ConfigError, field="corpus.source.path", value="speech.xlsx", problem="unsupported"
    ):
        list_recordings(from_manifest(tmp_path / "speech.xlsx"))


def test_manifest_with_clean_counterparts(tmp_path: Path, write: Any) -> None:
    write("n.wav", np.full(16000, 0.5))
    write("c.wav", np.full(44100, 0.25), rate=44100)
    source = from_manifest(
        manifest(tmp_path, [{"path": "n.wav", "ref": "c.wav"}, {"path": "n.wav", "ref": ""}]),
        clean="ref",
    )
    (item,), (failure,) = list_recordings(source)
    assert failure.reason is Reason.NO_CLEAN
    noisy, clean = source.read(item, 1600, 8000)
    assert clean is not None
    assert (len(noisy.wave), noisy.rate) == (8000, 16000)
    assert (len(clean.wave), clean.rate) == (22050, 44100)


def test_folder_is_recursive_sorted_and_skips_other_files(tmp_path: Path, write: Any) -> None:
    for name in ("z.flac", "b/ß ü.wav", "b/a.OGG", "a.mp3", "c/d/e.aiff"):
        write(name)
    for other in ("notes.txt", ".hidden.wav", "b/._a.ogg", "take.wav.bak", "raw.raw"):
        (tmp_path / other).write_text("no audio")
    source = open_source(FolderSource(path=".", speaker="parent"), tmp_path)
    items, failures = list_recordings(source)
    assert failures == []
    names = ["a.mp3", "b/a.OGG", "b/ß ü.wav", "c/d/e.aiff", "z.flac"]
    assert [item.source_id for item in items] == names
    assert [item.speaker for item in items] == [None, "b", "b", "d", None]
    for item in items:
        assert len(source.read(item, 0, 8000)[0].wave) == 8000


@pytest.mark.parametrize(
    ("path", "problem"), [("empty", "empty"), ("absent", "missing"), ("file.wav", "missing")]
)
def test_folder_without_audio(tmp_path: Path, write: Any, path: str, problem: str) -> None:
    (tmp_path / "empty").mkdir()
    write("file.wav")
    with raises(SourceError, field="corpus.source.path", path=path, problem=problem):
        list_recordings(open_source(FolderSource(path=path), tmp_path))


def test_name_that_is_not_utf8(tmp_path: Path, write: Any) -> None:
    write("good.wav")
    bad = Path(str(tmp_path).encode().decode() + "/caf\udce9.wav")
    bad.write_bytes((tmp_path / "good.wav").read_bytes())
    failure = only_failure(open_source(FolderSource(path="."), tmp_path))
    assert failure.reason is Reason.UNREADABLE
    assert failure.clip_id == r"caf\xe9.wav"


def test_paired_matches_by_name_without_suffix(tmp_path: Path, write: Any) -> None:
    write("noisy/a/1.wav", np.full(16000, 0.5))
    write("clean/a/1.flac", np.full(16100, 0.25))
    write("noisy/2.wav")
    write("clean/3.wav")
    write("noisy/4.wav", seconds=1.0)
    write("clean/4.wav", seconds=1.1)
    source = open_source(PairedSource(noisy="noisy", clean="clean"), tmp_path)
    (item,), failures = list_recordings(source)
    assert (item.source_id, item.frames) == ("a/1.wav", 16000)
    assert [(f.clip_id, f.reason) for f in failures] == [
        ("2.wav", Reason.MISSING),
        ("4.wav", Reason.LENGTH_MISMATCH),
        ("3.wav", Reason.MISSING),
    ]
    noisy, clean = source.read(item, 0, item.frames)
    assert clean is not None
    assert noisy.wave[0] == 0.5
    assert clean.wave[0] == 0.25
    assert len(noisy.wave) == len(clean.wave) == 16000


def test_ambiguous_paired_names_are_refused(tmp_path: Path, write: Any) -> None:
    write("noisy/a.wav")
    write("noisy/a.flac")
    write("clean/a.wav")
    with raises(SourceError, value="a", path="noisy", problem="duplicate"):
        list_recordings(open_source(PairedSource(noisy="noisy", clean="clean"), tmp_path))


def test_duplicate_column_is_refused(write: Any, tmp_path: Path) -> None:
    write("a.wav")
    (tmp_path / "speech.csv").write_text("path,path\na.wav,a.wav\n", encoding="utf-8")
    with pytest.raises(SourceError, match="column 'path' appears twice"):
        list_recordings(open_source(ManifestSource(path="speech.csv"), tmp_path))


@pytest.mark.parametrize(("text", "kept"), [("NaN", None), ("3", "3"), ('"hello"', "hello")])
def test_cell_that_is_not_a_number_is_null(
    write: Any, tmp_path: Path, text: str, kept: str | None
) -> None:
    write("a.wav")
    (tmp_path / "s.jsonl").write_text(f'{{"path": "a.wav", "text": {text}}}\n', encoding="utf-8")
    source = ManifestSource(path="s.jsonl", columns=Columns(text="text"))
    [item], _ = list_recordings(open_source(source, tmp_path))
    assert item.text == kept
