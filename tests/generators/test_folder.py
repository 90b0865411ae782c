"""Tests of the generator `folder`: files are matched by name and cut like their clips."""

import json
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from gensr_pref import audio, sample
from gensr_pref.audio import Sound
from gensr_pref.building.build import build
from gensr_pref.cli.main import main
from gensr_pref.config import run_file
from gensr_pref.errors import ConfigError, InputError, SourceError
from gensr_pref.generators.base import Candidate, Origin
from gensr_pref.generators.folder import Folder
from tests.refusals import raises
from tests.small_run import rows, tables

PLUGINS = Path(__file__).parents[1] / "cheap.py"
NAMES = ("first/voice", "second/voice", "third")
SYSTEMS = ("half", "hiss", "less")
RATE = 16000


@pytest.fixture
def base(tmp_path) -> Path:
    """Folder with three noisy recordings in two folders, and the output of three systems."""
    prompts = sorted((sample.FOLDER / "speech").glob("*.flac"))[:3]
    for number, (name, prompt) in enumerate(zip(NAMES, prompts, strict=True)):
        wave = audio.read(prompt).wave
        noise = np.random.default_rng(number).normal(0, 0.01, len(wave)).astype(np.float32)
        save(tmp_path / "noisy" / f"{name}.flac", wave + noise)
        save(tmp_path / "made" / "half" / f"{name}.flac", 0.5 * wave)
        save(tmp_path / "made" / "hiss" / f"{name}.wav", wave + 2 * noise)
        save(tmp_path / "made" / "less" / f"{name}.flac", wave + 0.3 * noise)
    shutil.copy(PLUGINS, tmp_path)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(RUN), encoding="utf-8")
    return tmp_path


RUN = {
    "corpus": {"source": {"kind": "folder", "path": "noisy"}},
    "generators": [
        {
            "use": "folder",
            "candidates": 3,
            "options": {"files": "made/{system}/{path}.*", "systems": list(SYSTEMS)},
        }
    ],
    "panel": [{"metric": "cheap:Roughness"}],
    "engine": {"kind": "serial", "shard_clips": 2},
}


def save(path: Path, wave, rate: int = RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate)


def build_run(base, out, *overrides):
    return build(run_file.load(base / "run.yaml", list(overrides)), out, base=base)


def candidates(out):
    """Return the candidates of a run by their recording's name and their index."""
    source = {r["clip_id"]: json.loads(r["source"])["source_id"] for r in rows(out, "clips")}
    return {(source[r["clip_id"]], r["index"]): r for r in rows(out, "candidates")}


def failures(out):
    return [(r["reason"], r["detail"]) for r in rows(out, "failures")]


def test_a_file_is_the_candidate_of_the_recording_with_its_name(base, tmp_path):
    summary = build_run(base, tmp_path / "run")
    assert summary["candidates"] == 9
    assert summary["failures"] == {}
    assert summary["pairs"] > 0
    for (source, index), row in candidates(tmp_path / "run").items():
        system = SYSTEMS[index]
        sampling = json.loads(row["sampling"])
        assert sampling["system"] == system
        assert sampling["file"].startswith(f"made/{system}/{source.removesuffix('.flac')}.")
        whole = audio.read(base / sampling["file"]).wave
        stored = audio.from_column(row["audio"]).wave
        assert 0 <= len(whole) - len(stored) < RATE // 50  # clips are whole frames of 20 ms
        np.testing.assert_allclose(stored, whole[: len(stored)], atol=2**-15)


def test_the_order_of_files_and_recordings_does_not_matter(base, tmp_path):
    build_run(base, tmp_path / "run")
    for number, file in enumerate(sorted((base / "made").rglob("*.flac"), reverse=True)):
        shutil.copy(file, base / f"{number}.flac")
        file.unlink()
        shutil.copy(base / f"{number}.flac", file)  # with a later time, in another order
    build_run(base, tmp_path / "again")
    assert tables(tmp_path / "again") == tables(tmp_path / "run")


@pytest.mark.slow
def test_other_processes_find_the_same_files(base, tmp_path):
    build_run(base, tmp_path / "run")
    build_run(base, tmp_path / "ray", "engine.kind=ray", "engine.workers=2")
    assert tables(tmp_path / "ray") == tables(tmp_path / "run")


def test_a_missing_file_is_a_failure_and_affects_no_other(base, tmp_path):
    build_run(base, tmp_path / "run")
    (base / "made" / "half" / "second" / "voice.flac").unlink()
    summary = build_run(base, tmp_path / "less")
    whole, less = candidates(tmp_path / "run"), candidates(tmp_path / "less")
    assert summary["failures"] == {"candidates": {"missing": 1}}
    assert failures(tmp_path / "less") == [("missing", "made/half/second/voice.*")]
    assert less.keys() == whole.keys() - {("second/voice.flac", 0)}
    for place, row in less.items():
        assert row["audio"] == whole[place]["audio"]


def test_a_build_reports_what_the_corpus_leaves_out(base, tmp_path, capsys):
    (base / "noisy" / "notes.txt").write_text("none")
    (base / "noisy" / "more").symlink_to(base / "made")
    summary = build_run(base, tmp_path / "run")
    assert summary["left_out"] == [
        {"field": "corpus.source.path", "cause": cause, "count": 1, "example": example}
        for cause, example in (("no_sound", "notes.txt"), ("linked_folder", "more"))
    ]
    [line] = [line for line in capsys.readouterr().err.splitlines() if "notes.txt" in line]
    assert "more" in line
    assert main(["pair", str(tmp_path / "run")]) == 0
    again = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert again["left_out"] == summary["left_out"]


@pytest.mark.parametrize("pattern", ["made/{path}.*", "made/{path}.flac"])
@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_that_look_the_same_match(tmp_path, pattern, forms):
    name, other = (unicodedata.normalize(form, "s\u00fc\u00df/\u00e9t\u00e9") for form in forms)
    save(tmp_path / "made" / f"{other}.flac", np.full(RATE, 0.1))
    folder = Folder(str(tmp_path), pattern)
    clip = Origin("clip", f"{name}.wav", RATE, 0, RATE, RATE)
    folder.check([clip], 1)
    [candidate] = folder.candidates_of(clip, Sound(np.zeros(RATE, np.float32), RATE), [0])
    assert isinstance(candidate, Candidate)


def test_cells_of_a_table_are_read_as_in_a_manifest(tmp_path):
    save(tmp_path / "1.wav", np.full(RATE, 0.1))
    lines = [{"clip": 7, "file": " 1.wav ", "system": float("nan")}]
    table = tmp_path / "t.jsonl"
    table.write_text("".join(json.dumps(line) + "\n" for line in lines))
    folder = Folder(str(tmp_path), table=str(table))
    clip = Origin("clip", "7", RATE, 0, RATE, RATE)
    folder.check([clip], 1)
    [candidate] = folder.candidates_of(clip, Sound(np.zeros(RATE, np.float32), RATE), [0])
    assert candidate.sampling == {"file": "1.wav"}
    table.write_text('{"clip": ["a"], "file": "1.wav"}\n')
    with raises(
        SourceError, field="table", place="t.jsonl, line 1", value="clip", problem="invalid"
    ):
        Folder(str(tmp_path), table=str(table))


def test_candidates_keep_their_own_rate(base, tmp_path):
    file = base / "made" / "less" / "third.flac"
    wave = audio.read(file).at(44100).wave
    save(file, wave, 44100)
    build_run(base, tmp_path / "run")
    by_place = candidates(tmp_path / "run")
    row, clip = by_place["third.flac", 2], by_place["third.flac", 0]
    assert (row["sample_rate"], clip["sample_rate"]) == (44100, RATE)
    assert row["num_samples"] / 44100 == pytest.approx(clip["num_samples"] / RATE, abs=1e-4)
    [score] = [
        r for r in rows(tmp_path / "run", "scores") if r["candidate_id"] == row["candidate_id"]
    ]
    assert score["roughness"] is not None


@pytest.mark.parametrize(("samples", "kept"), [(-320, True), (240, True), (-400, False)])
def test_lengths_may_differ_by_20_ms(base, tmp_path, samples, kept):
    """A longer file loses its end; a shorter one is unchanged."""
    file = base / "made" / "half" / "third.flac"
    wave = audio.read(file).wave
    save(file, wave[:samples] if samples < 0 else np.pad(wave, (0, samples)))
    build_run(base, tmp_path / "run")
    row = candidates(tmp_path / "run").get(("third.flac", 0))
    if not kept:
        assert row is None
        [(reason, detail)] = failures(tmp_path / "run")
        assert reason == "length_mismatch"
        assert detail.startswith("made/half/third.flac: ")
        return
    length = len(wave) // 320 * 320
    assert row["num_samples"] == min(length, len(wave) + samples)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no audio at all", "unreadable"), (b"", "empty"), ("silence", "silent"), ("nan", "not_fin")],
)
def test_unusable_files_are_failures(base, tmp_path, content, reason):
    file = base / "made" / "hiss" / "third.wav"
    frames = soundfile.info(file).frames
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content == "silence":
        save(file, np.zeros(frames))
    else:
        soundfile.write(file, np.full(frames, np.nan), RATE, subtype="FLOAT")
    summary = build_run(base, tmp_path / "run")
    assert summary["candidates"] == 8
    [(recorded, _)] = failures(tmp_path / "run")
    assert recorded.startswith(reason)


def test_files_are_cut_at_the_segments_of_their_recording(base, tmp_path):
    summary = build_run(base, tmp_path / "run", "corpus.segment_seconds=[0.3, 0.6]")
    assert summary["clips"] > 3
    assert summary["failures"] == {}
    for clip in rows(tmp_path / "run", "clips"):
        source = json.loads(clip["source"])
        noisy = audio.from_column(clip["noisy"]).wave
        for row in rows(tmp_path / "run", "candidates"):
            if row["clip_id"] == clip["clip_id"]:
                whole = audio.read(base / json.loads(row["sampling"])["file"]).wave
                stored = audio.from_column(row["audio"]).wave
                assert len(stored) == len(noisy)
                expected = whole[source["start"] : source["start"] + len(stored)]
                np.testing.assert_allclose(stored, expected, atol=2**-15)


def test_files_at_another_rate_are_cut_at_the_same_times(base, tmp_path):
    for file in (base / "made").rglob("*.*"):
        save(file, audio.read(file).at(24000).wave, 24000)
    build_run(base, tmp_path / "run", "corpus.segment_seconds=[0.3, 0.6]")
    clips = {row["clip_id"]: row for row in rows(tmp_path / "run", "clips")}
    less = [r for r in rows(tmp_path / "run", "candidates") if r["index"] == 2]
    assert len(less) == len(clips) > 3
    for row in less:
        noisy = audio.from_column(clips[row["clip_id"]]["noisy"]).wave
        stored = audio.from_column(row["audio"]).at(RATE).wave
        assert np.corrcoef(noisy, stored[: len(noisy)])[0, 1] > 0.9


def test_systems_may_be_generators_with_pairs_across_them(base, tmp_path):
    uses = [
        {"use": "folder", "name": s, "candidates": 1, "options": {"files": f"made/{s}/{{path}}.*"}}
        for s in SYSTEMS
    ]
    separate = f"generators={json.dumps(uses)}"
    with raises(ConfigError, field="generators", problem="empty"):
        build_run(base, tmp_path / "no", separate)
    summary = build_run(base, tmp_path / "run", separate, "pairing.across_generators=true")
    together = build_run(base, tmp_path / "one")
    assert summary["pairs"] == together["pairs"] > 0

    def label_pairs(pairs, system_of):
        return {
            (p["clip_id"], system_of(p["chosen_id"]), system_of(p["rejected_id"])) for p in pairs
        }

    crossed = label_pairs(rows(tmp_path / "run", "pairs"), lambda i: i.split("/")[1])
    inside = label_pairs(rows(tmp_path / "one", "pairs"), lambda i: SYSTEMS[int(i.split("/")[2])])
    assert crossed == inside


def test_a_table_can_name_the_files(base, tmp_path):
    lines = ["clip,file,system"]
    for name in NAMES:
        lines += [
            f"{name}.flac,made/less/{name}.flac,less",
            f"{name}.flac,made/half/{name}.flac,half",
        ]
    (base / "table.csv").write_text("\n".join(lines), encoding="utf-8")
    by_table = 'generators=[{use: folder, candidates: 2, options: {table: "table.csv"}}]'
    summary = build_run(base, tmp_path / "run", by_table)
    assert summary["candidates"] == 6
    for (source, index), row in candidates(tmp_path / "run").items():
        system = ("less", "half")[index]
        sampling = json.loads(row["sampling"])
        name = source.removesuffix(".flac")
        assert sampling == {"file": f"made/{system}/{name}.flac", "system": system}
    more = build_run(base, tmp_path / "more", by_table.replace("2", "3"))
    assert more["failures"] == {"candidates": {"missing": 3}}


def test_files_may_restore_the_clips_of_a_run(base, tmp_path):
    """A model that ran elsewhere can restore the clips of an earlier run."""
    noisy = build_run(base, tmp_path / "first", "corpus.segment_seconds=[0.3, 0.6]")
    for clip in rows(tmp_path / "first", "clips"):
        wave = audio.from_column(clip["noisy"]).wave
        for index in range(2):
            save(base / "back" / f"{clip['clip_id']}_{index}.wav", wave * (0.5 + 0.2 * index))
    back = "{use: folder, candidates: 2, options: {files: 'back/{clip_id}_{index}.wav'}}"
    summary = build_run(
        base, tmp_path / "run", "corpus.segment_seconds=[0.3, 0.6]", f"generators=[{back}]"
    )
    assert summary["candidates"] == 2 * noisy["clips"]
    assert summary["failures"] == {}


def test_the_revision_depends_on_names_and_contents(base, tmp_path):
    def revision():
        build_run(base, tmp_path / "run")
        [revision] = {row["revision"] for row in rows(tmp_path / "run", "candidates")}
        shutil.rmtree(tmp_path / "run")
        return revision

    before = revision()
    file = base / "made" / "half" / "third.flac"
    file.touch()
    assert revision() == before
    save(file, audio.read(file).wave * 0.9)
    assert revision() != before


@pytest.mark.parametrize(
    ("overrides", "kind", "field", "value", "problem"),
    [
        (["candidates=2"], ConfigError, "candidates", 2, "conflict"),
        (
            ["options.files=nowhere/{system}/{path}.*"],
            SourceError, "options", "nowhere/half/first/voice.*", "empty",
        ),
        (
            ["options.files=../{system}/{path}.wav"],
            SourceError, "options", "../half/first/voice.wav", "unsafe",
        ),
        (["options.path=nowhere"], SourceError, "options", "made/half/first/voice.*", "empty"),
        (["options={table: run.yaml}"], ConfigError, "options.table", "run.yaml", "unsupported"),
        (["options={files: 'made/half/{path}.*'}"], ConfigError, "candidates", 3, "conflict"),
    ],
)  # fmt: skip
def test_ambiguous_files_are_refused_before_any_work(
    base, tmp_path, overrides, kind, field, value, problem
):
    changes = [f"generators.0.{override}" for override in overrides]
    with raises(kind, field=f"generators.0.{field}", value=value, problem=problem):
        build_run(base, tmp_path / "run", *changes)
    assert not (tmp_path / "run" / "candidates").exists()


def test_files_for_clips_that_this_run_degrades_are_refused(base, tmp_path):
    noise = "corpus.degrade={noise: {source: {kind: folder, path: noisy}}}"
    with raises(ConfigError, field="generators.0.corpus.degrade", problem="conflict"):
        build_run(base, tmp_path / "run", noise)
    assert not (tmp_path / "run" / "candidates").exists()


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["generators.0.options.files=made/{sytem}/{path}.*"], r"\{sytem\}"),
        (["generators.0.options.files=made/{system}/x.wav"], r"made/\{system\}/x\.wav"),
        (["generators.0.options.systems=null"], r"\{system\}"),
        (["generators.0.options.systems=[a, a, b]"], "systems"),
        (["generators.0.options={}"], "table"),
    ],
)
def test_contradictory_options_are_refused_before_any_work(base, tmp_path, overrides, named):
    with pytest.raises(InputError, match=named):
        build_run(base, tmp_path / "run", *overrides)
    assert not (tmp_path / "run").exists()


def test_two_files_of_one_name_are_refused(base, tmp_path):
    shutil.copy(base / "made" / "half" / "third.flac", base / "made" / "half" / "third.wav")
    with raises(
        SourceError,
        field="generators.0.options.files",
        value=["made/half/third.flac", "made/half/third.wav"],
        problem="duplicate",
    ):
        build_run(base, tmp_path / "run")


def test_a_file_that_two_recordings_would_share_is_refused(base, tmp_path):
    for system in SYSTEMS:
        shutil.copy(base / "made/half/third.flac", base / "made" / system / "voice.flac")
    with raises(
        SourceError,
        field="generators.0.options.files",
        value=["first/voice.flac", "second/voice.flac"],
        problem="duplicate",
    ):
        build_run(base, tmp_path / "run", "generators.0.options.files=made/{system}/{stem}.*")


@pytest.mark.parametrize(
    "second",
    ["third.flac,made/less/third.flac,half", "third,made/half/third.flac,less"],
)
def test_a_table_that_contradicts_itself_is_refused(tmp_path, second):
    table = tmp_path / "table.csv"
    table.write_text(f"clip,file,system\nthird.flac,made/half/third.flac,half\n{second}\n")
    with raises(SourceError, field="table", path="table.csv", problem="duplicate"):
        Folder(table=str(table))


def test_a_name_in_a_table_that_leaves_the_folder_is_refused(base):
    (base / "table.csv").write_text("clip,file\nthird,../../etc/passwd\n", encoding="utf-8")
    folder = Folder(str(base), table=str(base / "table.csv"))
    clip = Origin("third-0", "third.flac", RATE, 0, RATE, RATE)
    with raises(SourceError, field="options", value="../../etc/passwd", problem="unsafe"):
        folder.check([clip], 1)
