"""Tests of a build: its tables, its errors, its records, and the same bytes in every mode."""

import json
import os
import shutil
from pathlib import Path

import datasets
import numpy as np
import pytest
import yaml

from gensr_pref import schema
from gensr_pref.auditing.run_audit import audit
from gensr_pref.building import open_run, prepare
from gensr_pref.building.build import build
from gensr_pref.building.pair import pair
from gensr_pref.cli import summary_text
from gensr_pref.cli.main import main
from gensr_pref.config.run_file import Pairing
from gensr_pref.errors import (
    ConfigError,
    Fault,
    InputError,
    PartFault,
    PartsError,
    RuleError,
    RunMismatchError,
    StorageError,
)
from gensr_pref.identity import seed_for
from gensr_pref.pairing.votes import votes_of_run
from gensr_pref.rundir import part_files
from gensr_pref.schema import SCHEMA_VERSION
from tests.commands import run_command
from tests.pairing.test_pairs import pandas_pairs
from tests.parts import unmade
from tests.refusals import raises
from tests.small_run import rows, tables


@pytest.fixture(scope="module")
def finished(tmp_path_factory, base):
    from gensr_pref.config import run_file

    out = tmp_path_factory.mktemp("finished") / "run"
    build(run_file.load(base / "run.yaml"), out, base=base)
    return out


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def test_every_candidate_is_scored_and_has_a_clip(finished):
    clips = {row["clip_id"] for row in rows(finished, "clips")}
    candidates = {row["candidate_id"]: row for row in rows(finished, "candidates")}
    scores = {row["candidate_id"] for row in rows(finished, "scores")}
    assert len(clips) == 7
    assert len(candidates) == 21
    assert scores == set(candidates) | {f"{clip}/noisy/0" for clip in clips}
    for name, row in candidates.items():
        assert name == f"{row['clip_id']}/hiss/{row['index']}"
        assert row["seed"] == seed_for(0, row["clip_id"], "hiss", row["index"])
        assert json.loads(row["sampling"]).keys() == {"level"}
        assert row["latent"]["shape"] == [2, 3]
        assert len(row["latent"]["data"]) == 2 * 3 * 2


def test_pairs_name_candidates_of_their_clip(finished):
    scores = {row["candidate_id"]: row for row in rows(finished, "scores")}
    pairs = rows(finished, "pairs")
    assert pairs
    for row in pairs:
        chosen, rejected = scores[row["chosen_id"]], scores[row["rejected_id"]]
        assert chosen["clip_id"] == rejected["clip_id"] == row["clip_id"]
        for score in ("roughness", "level"):
            margin = np.float32(np.float64(rejected[score]) - np.float64(chosen[score]))
            assert row["margins"][score] == pytest.approx(margin, rel=1e-6)
            assert margin > 0


def test_pairs_are_those_pandas_finds(finished):
    votes = votes_of_run(open_run.read_document(finished))
    found = [(row["chosen_id"], row["rejected_id"]) for row in rows(finished, "pairs")]
    scores = part_files.read_all(finished, "scores")
    generators = {row["candidate_id"]: row["generator"] for row in rows(finished, "candidates")}
    assert sorted(found) == pandas_pairs(scores, generators, Pairing(), votes)


def test_summary_counts_what_the_tables_hold(finished):
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["clips"] == 7
    assert summary["candidates"] == 21
    assert summary["pairs"] == len(rows(finished, "pairs"))
    assert summary["yield"] == summary["clips_with_pair"] / 7
    assert summary["shards"] == summary["shards_expected"] == 4
    seconds = sum(row["num_samples"] / row["sample_rate"] for row in rows(finished, "candidates"))
    assert summary["stages"]["sample"]["audio_seconds"] == pytest.approx(seconds, abs=0.01)
    assert summary["stages"]["score"]["seconds"] > 0


def test_run_file_is_resolved_and_names_what_made_it(finished):
    document = yaml.safe_load((finished / "run.yaml").read_text())
    assert document["pairing"]["pairs_per_clip"] == 1
    assert document["provenance"]["generators"][0]["revision"] == "1"
    assert document["provenance"]["panel"][0]["scores"][0]["name"] == "roughness"
    assert len(document["provenance"]["fingerprint"]) == 32


def test_running_again_changes_nothing(copy, run, base):
    before = tables(copy)
    times = {path: (copy / path).stat().st_mtime_ns for path in before if "pairs" not in path}
    build(run(), copy, base=base)
    assert tables(copy) == before
    assert {path: (copy / path).stat().st_mtime_ns for path in times} == times


@pytest.mark.parametrize(
    "gone",
    [
        ["scores/part-00001.parquet"],
        ["candidates/part-00002.parquet"],
        ["clips/part-00000.parquet", "scores/part-00003.parquet"],
        ["pairs/part-00000.parquet", "summary.json", "timings.jsonl"],
        ["shards.jsonl", "progress.jsonl", "scores/part-00000.parquet"],
    ],
)
def test_what_is_missing_is_made_again(copy, run, base, gone):
    before = tables(copy)
    for name in gone:
        (copy / name).unlink()
    build(run(), copy, base=base)
    assert tables(copy) == before


def test_damaged_part_is_made_again(copy, run, base):
    before = tables(copy)
    path = copy / "candidates" / "part-00001.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    build(run(), copy, base=base)
    assert tables(copy) == before


@pytest.mark.parametrize("table", ["clips", "candidates", "scores"])
@pytest.mark.parametrize("at", [0.1, 0.5, 0.97])
def test_part_in_which_a_byte_changed_is_made_again(copy, run, base, table, at, capsys):
    before = tables(copy)
    path = part_files.part(copy, table, 1)
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 0x10
    path.write_bytes(content)
    build(run(), copy, base=base)
    assert tables(copy) == before
    assert f"{path}: is not what was written" in capsys.readouterr().err


def test_part_in_which_a_byte_changed_is_known_without_the_ledger(copy, run, base):
    """By the checksums of its pages."""
    before = tables(copy)
    (copy / "timings.jsonl").unlink()
    path = part_files.part(copy, "candidates", 1)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    build(run(), copy, base=base)
    assert tables(copy) == before


def test_part_that_changed_under_its_old_time_is_made_again(copy, run, base):
    """Size and time of the last change are as before; that it was written is known all the same."""
    before = tables(copy)
    path = part_files.part(copy, "candidates", 1)
    seen, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    for part in part_files.parts(copy, "scores"):
        part.unlink()
    assert build(run(), copy, base=base)["complete"]
    assert tables(copy) == before


def test_parts_that_were_only_copied_are_kept(copy, run, base, monkeypatch):
    for path in copy.glob("*/part-*"):
        os.utime(path, (1, 1))
    monkeypatch.setattr("gensr_pref.building.worker.sample_clip", None)
    assert build(run(), copy, base=base)["complete"]


def test_lost_failures_are_found_again(run, base, tmp_path):
    bad = "[{use: 'cheap:Misbehaving', candidates: 3}]"
    build(run(f"generators={bad}"), tmp_path / "run", base=base)
    before = tables(tmp_path / "run")
    part_files.part(tmp_path / "run", "failures", 1, "sample").unlink()
    build(run(f"generators={bad}"), tmp_path / "run", base=base)
    assert tables(tmp_path / "run") == before


def test_order_and_size_of_the_corpus_do_not_change_a_clip(run, base, tmp_path, finished):
    build(run("corpus.limit=3", "engine.shard_clips=1"), tmp_path / "few", base=base)
    everything = {row["clip_id"]: row for row in rows(finished, "clips")}
    for row in rows(tmp_path / "few", "clips"):
        assert row == everything[row["clip_id"]]
    scores = {row["candidate_id"]: row for row in rows(finished, "scores")}
    for row in rows(tmp_path / "few", "scores"):
        assert row == scores[row["candidate_id"]]


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_ray_gives_the_same_bytes(run, base, tmp_path, finished):
    build(run("engine.kind=ray", "engine.workers=2"), tmp_path / "ray", base=base)
    assert tables(tmp_path / "ray") == tables(finished)


def test_directory_of_another_run_is_refused_with_the_difference(copy, run, base):
    before = tables(copy)
    with raises(
        RunMismatchError,
        path=copy,
        value=["generators.0.candidates", "seed"],
        problem="conflict",
    ):
        build(run("seed=5", "generators.0.candidates=2"), copy, base=base)
    assert tables(copy) == before


def test_differences_are_shown_as_yaml(copy, run, base):
    with pytest.raises(RunMismatchError) as caught:
        build(run("corpus.languages=[en]", "generators.0.options={name: x}"), copy, base=base)
    message = str(caught.value)
    assert 'corpus.languages.0: not set in the run directory, "en" now' in message
    assert "provenance" not in message
    assert "corpus.languages: null in the run directory, not set now" in message
    assert "None" not in message


def test_difference_of_versions_alone_is_told(copy, run, base):
    there = open_run.read_document(copy)
    other = there.with_provenance(gensr_pref="0.0.1", corpus="of that version")
    open_run.write_document(copy, other)
    for table in ("clips", "candidates", "scores"):  # parts of this version would make it theirs
        shutil.rmtree(copy / table)
    with raises(
        RunMismatchError,
        value=["provenance.gensr_pref", "provenance.library.noise"],
        problem="conflict",
    ):
        build(run(), copy, base=base)


def of_version(out, version):
    """Make a run directory's tables those of another version, as far as its run.yaml says."""
    there = open_run.read_document(out)
    open_run.write_document(out, there.with_provenance(schema_version=version))


def test_tables_of_an_earlier_version_are_read_but_not_continued(copy, run, base):
    of_version(copy, 1)
    before = tables(copy)
    with raises(RunMismatchError, path=copy, value=1, problem="unsupported"):
        build(run(), copy, base=base)
    assert tables(copy) == before
    assert pair(copy, ["margin.level=0.001"])["pairs"] >= 0
    assert audit(copy)["clips"] > 0


def test_tables_of_a_later_version_are_not_read(copy):
    of_version(copy, SCHEMA_VERSION + 1)
    with raises(RunMismatchError, value=SCHEMA_VERSION + 1, problem="unsupported"):
        pair(copy, [])


def test_another_run_is_refused_before_its_corpus_is_looked_at(copy, run, base, monkeypatch):
    monkeypatch.setattr(prepare, "plan_clips", lambda *given: pytest.fail("recordings were read"))
    for changed in ("seed=5", "corpus.limit=3", "generators.0.candidates=2"):
        with raises(RunMismatchError, value=[changed.partition("=")[0]], problem="conflict"):
            build(run(changed), copy, base=base)


def test_engine_and_pairing_may_change_in_a_finished_run(copy, run, base):
    build(run("pairing.pairs_per_clip=3", "name=other"), copy, base=base)
    assert len(rows(copy, "pairs")) > 7


@pytest.mark.parametrize("how", ["lost", "edited", "damaged"])
def test_settings_that_are_lost_are_written_anew_for_their_own_run(copy, run, base, how):
    before, path = tables(copy), copy / "run.yaml"
    words = path.read_text()
    changed = {"edited": words.replace("seed: 0", "seed: 7"), "damaged": "]", "lost": None}[how]
    path.unlink() if changed is None else path.write_text(changed)
    with raises(RunMismatchError, path=copy, problem="changed"):
        build(run("seed=7"), copy, base=base)
    build(run(), copy, base=base)
    assert tables(copy) == before
    assert path.read_text() == words


def test_doubled_part_is_refused(copy, run, base):
    shutil.copy2(copy / "scores/part-00001.parquet", copy / "scores/part-00004.parquet")
    with pytest.raises(PartsError) as refused:
        build(run(), copy, base=base)
    assert refused.value.faults == (PartFault("scores/part-00004.parquet", Fault.STRANGE),)


def test_failures_that_no_build_wrote_are_removed(copy, run, base):
    path = part_files.part(copy, "failures", 0, "score")
    path.parent.mkdir()
    shutil.copy2(part_files.part(copy, "scores", 0), path)
    build(run(), copy, base=base)
    assert not path.exists()


def test_directory_in_use_is_refused(copy, run, base):
    from gensr_pref.building.open_run import lock_run

    with lock_run(copy), raises(RunMismatchError, path=copy, problem="busy"):
        build(run(), copy, base=base)


@pytest.mark.parametrize(
    ("how", "reason", "left"),
    [
        ("nan", "not_finite", 2),
        ("silence", "silent", 2),
        ("short", "length_mismatch", 2),
        ("stereo", "length_mismatch", 2),
        ("integers", "generator_error", 2),
        ("complex", "generator_error", 2),
        ("list", "generator_error", 2),
        ("loud", "out_of_range", 2),
        ("exit", "generator_error", 0),
        ("empty", "empty", 2),
        ("raise", "generator_error", 0),
        ("fewer", "generator_error", 0),
    ],
)
def test_misbehaving_generator_is_recorded_and_the_rest_survives(
    run, base, tmp_path, how, reason, left
):
    bad = f"{{use: 'cheap:Misbehaving', candidates: 3, options: {{how: {how}}}}}"
    uses = f"[{{use: 'cheap:Hiss'}}, {bad}]"
    summary = build(run(f"generators={uses}", "corpus.limit=2"), tmp_path / "run", base=base)
    assert summary["candidates"] == 2 * (4 + left)
    assert summary["failures"] == {"candidates": {reason: 2 * (3 - left)}}
    failed = rows(tmp_path / "run", "failures")
    assert {row["reason"] for row in failed} == {reason}
    assert all(row["candidate_id"].split("/")[1] == "misbehaving" for row in failed)


def test_metric_that_raises_gives_nulls_and_no_pairs(run, base, tmp_path):
    summary = build(run("panel=[{metric: 'cheap:Sulking'}]"), tmp_path / "run", base=base)
    assert summary["pairs"] == 0
    assert summary["failures"]["scores"] == {"metric_error": 28 * 3}
    for row in rows(tmp_path / "run", "scores"):
        assert row["roughness"] is None
        assert {one["reason"] for one in row["failures"]} == {"metric_error"}


@pytest.mark.parametrize(
    ("overrides", "field", "value", "problem"),
    [
        (["generators.0.use=hisss"], "generators.0", "hisss", "unknown"),
        (["generators.0.options.loud=1"], "generators.0.options.loud", "loud", "unknown"),
        (
            ["generators=[{use: 'cheap:Hiss'}, {use: 'cheap:Hiss'}]"],
            "generators.1.name", "hiss", "duplicate",
        ),
        (["generators.0.name=noisy"], "generators.0.name", "noisy", "conflict"),
        (["panel.0.metric=dnsmoss"], "panel.0", "dnsmoss", "unknown"),
        (["pairing.rule=unanimus"], "pairing.rule", "unanimus", "unknown"),
        (["pairing.margin={wer: 1}"], "pairing.margin.wer", "wer", "unknown"),
        (["panel.0.vote=false"], "pairing.votes", None, "empty"),
        (["generators.0.candidates=1"], "generators", None, "empty"),
        (
            ["generators.0.use=cheap:Roughness"],
            "generators.0", ("sample", "candidates_of"), "missing",
        ),
        (["generators.0.use=cheap:NoSuch"], "generators.0", "cheap:NoSuch", "failed"),
        (["panel.0.metric=cheap:WORD"], "panel.0", "cheap:WORD", "invalid"),
        (["pairing.rule=cheap:Hiss"], "pairing.rule", "cheap:Hiss", "invalid"),
        (
            ["pairing.margin={zero_crossings: 0.1}"],
            "pairing.margin.zero_crossings", "zero_crossings", "conflict",
        ),
        (["corpus.source.path=nowhere"], "corpus.source.path", None, "missing"),
        (
            ["corpus.degrade=null", "panel=[{metric: pesq, vote: true}]"],
            "panel", "pesq", "conflict",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_any_work(
    run, base, tmp_path, overrides, field, value, problem
):
    with pytest.raises(InputError) as caught:
        build(run(*overrides), tmp_path / "run", base=base)
    error = caught.value
    assert (error.field, error.value, error.problem) == (field, value, problem), error
    assert not (tmp_path / "run").exists()


def test_two_labels_for_one_generator(run, base, tmp_path):
    uses = "[{use: 'cheap:Hiss', name: a}, {use: 'cheap:Hiss', name: b}]"
    build(run(f"generators={uses}", "corpus.limit=1"), tmp_path / "run", base=base)
    assert {row["generator"] for row in rows(tmp_path / "run", "candidates")} == {"a", "b"}


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_storage_that_fails_a_worker_ends_the_build(copy, run, base):
    shutil.rmtree(copy / "scores")
    (copy / "scores").write_text("a file where a folder must be")
    with pytest.raises(StorageError) as caught:
        build(run("engine.kind=ray", "engine.workers=1"), copy, base=base)
    path = Path(str(caught.value.path))
    assert caught.value.problem == "unwritable"
    assert copy / "scores" in (path, *path.parents)


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
@pytest.mark.parametrize(("times", "died"), [(2, 0), (99, 2)])
def test_worker_that_dies_is_replaced_a_finite_number_of_times(run, base, tmp_path, times, died):
    """Two retries a clip; then the clip has no candidates of that generator."""
    tally = tmp_path / "deaths"
    uses = (
        "[{use: 'cheap:Killer', name: hiss, candidates: 3, "
        f"options: {{tally: '{tally}', times: {times}}}}}]"
    )
    overrides = [f"generators={uses}", "engine.kind=ray", "engine.workers=1", "corpus.limit=2"]
    summary = build(run(*overrides), tmp_path / "run", base=base)
    assert summary["complete"]
    assert summary["candidates"] == 6 - 3 * died
    assert len(tally.read_text()) == max(2, 3 * died)
    assert summary["failures"] == ({"candidates": {"worker_died": 6}} if died else {})


def test_pairs_again_under_another_rule(copy):
    before = tables(copy)
    summary = pair(copy, ["pairing.margin.level=1000"])
    assert summary["pairs"] == 0
    pair(copy, ["margin.level=0"])
    after = tables(copy)
    assert {k: v for k, v in after.items() if "pairs" not in k} == {
        k: v for k, v in before.items() if "pairs" not in k
    }
    assert rows(copy, "pairs")


def test_every_pair_call_starts_from_the_build(copy):
    built = open_run.read_document(copy).pairing
    pair(copy, ["rule=top_bottom", "score=roughness", "extremes=2", "pairs_per_clip=4"])
    pair(copy, ["rule=weighted"])
    assert open_run.read_document(copy).pairing == {**built, "rule": "weighted"}
    assert pair(copy, ["min.zero_crossings=2"])["pairs"] == 0
    before = rows(copy, "pairs")
    summary = pair(copy, [])
    assert summary["pairs"] > 0 == len(before)
    assert open_run.read_document(copy).pairing == built == summary["pairing"]


def test_no_pair_at_all_is_told_with_what_stopped_most(copy, capsys):
    assert main(["pair", str(copy), "min.zero_crossings=2"]) == 0
    told = capsys.readouterr().out
    assert (
        "No clip has a pair. The most frequent reason is bound: one candidate wins, but it violates"
        in told
    )


def test_settings_of_the_build_that_another_rule_does_not_know_are_dropped(run, base, tmp_path):
    out = tmp_path / "run"
    settings = ["pairing.margin.level=0.001", "pairing.margin.roughness=0.0001"]
    build(run(*settings, "pairing.min.level=0.001"), out, base=base)
    pair(out, ["rule=top_bottom", "score=level"])
    pairing = open_run.read_document(out).pairing
    assert (pairing["margin"], pairing["min"]) == ({"level": 0.001}, {"level": 0.001})
    pair(out, ["rule=weighted", "gap=0.1"])
    assert open_run.read_document(out).pairing["margin"] == {}
    with raises(ConfigError, field="pairing.score", problem="unsupported"):
        pair(out, ["rule=weighted", "score=level"])
    with raises(
        ConfigError, field="pairing.margin.roughness", value="roughness", problem="conflict"
    ):
        pair(out, ["votes=[level]", "margin.roughness=0.1"])
    pair(out, [])
    assert open_run.read_document(out).pairing["margin"] == {"level": 0.001, "roughness": 0.0001}


def test_a_build_goes_on_under_its_own_section_after_pairing_again(run, base, copy):
    pair(copy, ["rule=weighted"])
    before = tables(copy)
    summary = build(run("pairing.min.zero_crossings=2"), copy, base=base)
    assert summary["pairing"]["min"] == {"zero_crossings": 2}
    assert {k for k, v in tables(copy).items() if v != before[k]} == {"pairs/part-00000.parquet"}
    pair(copy, ["rule=weighted"])
    assert open_run.read_document(copy).pairing["min"] == {"zero_crossings": 2}


def test_pairing_settings_are_checked(copy):
    with raises(ConfigError, field="pairing.margn", value="margn", problem="unknown"):
        pair(copy, ["margn.level=1"])
    with raises(RunMismatchError, path=copy / "clips", problem="missing"):
        pair(copy / "clips", [])
    assert not (copy / "clips" / ".lock").exists()


def test_audit_states_yields_and_agreement(finished):
    found = audit(finished)
    assert json.loads((finished / "audit" / "audit.json").read_text()) == found
    assert found["clips"] == 7
    assert 0 <= found["yield"]["by_chance"] <= 1
    assert found["yield"]["alone"]["level"] >= found["yield"]["joint"]
    assert found["agreement"][0]["scores"] == ["roughness", "level"]
    means = found["means"]["level"]
    assert means["chosen"] < means["rejected"]
    assert means["noisy"] < means["candidates"]
    gain, low, high = found["improvement"]["level"]  # every clip has as many candidates
    assert gain == pytest.approx(means["noisy"] - means["candidates"], abs=1e-6)
    assert low < gain < high < 0


def test_lost_scores_part_is_named(copy):
    for path in part_files.parts(copy, "scores"):
        path.unlink()
    with raises(PartsError, path=copy) as caught:
        audit(copy)
    lost = {f"scores/part-{number:05}.parquet" for number in range(4)}
    assert {fault.part for fault in caught.value.faults} == lost


def test_generator_that_does_not_load_ends_the_run_before_it_samples(run, base, tmp_path):
    with raises(InputError, value="unloadable", problem="failed"):
        build(run("generators.0.use=cheap:Unloadable"), tmp_path / "run", base=base)
    assert not part_files.parts(tmp_path / "run", "candidates")


def test_pairing_an_incomplete_run_does_not_call_it_complete(copy):
    unmade(copy, "scores/part-00001.parquet")
    summary = pair(copy, [])
    assert (summary["shards"], summary["shards_expected"]) == (3, 4)
    assert not summary["complete"]
    assert run_command("pair", copy) == 1


def test_yields_are_of_all_clips(run, base, tmp_path):
    bad = "{use: 'cheap:Misbehaving', candidates: 3, options: {how: raise}}"
    build(run(f"generators=[{bad}]", "corpus.limit=2"), tmp_path / "none", base=base)
    found = audit(tmp_path / "none")
    assert found["clips"] == 2
    assert found["yield"]["joint"] == found["yield"]["by_chance"] == 0


@pytest.mark.parametrize(
    ("rule", "problem", "cause"),
    [
        ("same_twice", "failed", ValueError),
        ("out_of_range", "failed", IndexError),
        ("boom", "failed", RuntimeError),
        ("nothing", "failed", TypeError),
        ("twice", "duplicate", type(None)),
    ],
)
def test_rule_that_misbehaves_is_named(copy, rule, problem, cause):
    with raises(RuleError, field="pairing.rule", problem=problem) as caught:
        pair(copy, [f"rule=cheap:{rule}"])
    assert type(caught.value.__cause__) is cause
    assert f"'cheap:{rule}'" in str(caught.value)


@pytest.mark.parametrize("empty", [0, 1, 3])
def test_table_with_an_empty_part_opens(copy, tmp_path, empty):
    rest = len(rows(copy, "candidates")) - part_files.count_rows(
        part_files.part(copy, "candidates", empty)
    )
    part_files.write(part_files.part(copy, "candidates", empty), [], schema.CANDIDATES, {})
    loaded = datasets.load_dataset(
        "parquet",
        data_files=str(copy / "candidates" / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert len(loaded) == rest


# What metrics tell besides numbers, and what they are told


@pytest.fixture
def spoken(base, run):
    """A run whose corpus has texts, and whose panel makes use of them."""
    names = sorted(path.name for path in (base / "speech").iterdir())
    lines = [f"speech/{name},sentence {place % 2}" for place, name in enumerate(names)]
    (base / "spoken.csv").write_text("\n".join(["path,text", *lines]), encoding="utf-8")
    source = "{kind: manifest, path: spoken.csv, columns: {audio: path, text: text}}"
    return lambda *more: run(f"corpus.source={source}", "panel.0.metric=cheap:Talkative", *more)


def test_notes_are_kept_beside_the_scores(spoken, base, tmp_path, capsys):
    summary = build(spoken(), tmp_path / "run", base=base)
    for row in rows(tmp_path / "run", "scores"):
        assert row["notes"]["heard"] == "sentence 0/sentence 1"
        assert row["notes"]["length"] is None or row["notes"]["length"] > 1000
    assert summary["notices"] == ["cheap:Talkative: handle with care"]
    assert "note        cheap:Talkative: handle with care" in summary_text.text(
        summary, audit(tmp_path / "run")
    )
    loaded = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "run" / "scores" / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert loaded[0]["notes"]["heard"] == "sentence 0/sentence 1"
    assert pair(tmp_path / "run", ["margin.level=0.01"])["clips"] == 7


def test_other_texts_make_another_run_where_they_are_studied(spoken, base, tmp_path):
    build(spoken(), tmp_path / "run", base=base)
    manifest = base / "spoken.csv"
    manifest.write_text(manifest.read_text().replace("sentence 1", "sentence 2"))
    with raises(
        RunMismatchError, value=["provenance.panel.0.texts", "provenance.texts"], problem="conflict"
    ):
        build(spoken(), tmp_path / "run", base=base)


def test_clips_that_no_step_was_drawn_for_are_told(run, base, tmp_path):
    often = build(run("corpus.limit=3"), tmp_path / "often", base=base)
    assert often["clips_undegraded"] == 0
    never = build(
        run("corpus.limit=3", "corpus.degrade.noise.probability=0"), tmp_path / "no", base=base
    )
    assert never["clips_undegraded"] == 3
    assert any("corpus.degrade" in notice for notice in never["notices"])
    assert not any("corpus.degrade" in notice for notice in often["notices"])
