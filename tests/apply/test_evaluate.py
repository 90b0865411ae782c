"""Tests of `evaluate`: common seeds, growth, sources of clips, failures, bad input."""

import json
import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import yaml

from gensr_pref import audio
from gensr_pref.apply import evaluation_report
from gensr_pref.building.build import build
from gensr_pref.cli.main import main
from gensr_pref.config import run_file
from gensr_pref.errors import ConfigError, InputError, RunMismatchError
from gensr_pref.schema import AUDIO
from tests.commands import run_command
from tests.refusals import refusal, require_facts
from tests.small_run import RUN, rows, tables

ROUGH = "cheap:Roughness"
PAIR = ["base=cheap:Hiss", "other=cheap:Hiss:seconds=0"]
SCORES = ("roughness", "level", "zero_crossings")


@pytest.fixture
def project(base, monkeypatch):
    """The folder of the small run, as the working folder."""
    monkeypatch.chdir(base)
    monkeypatch.syspath_prepend(base)
    return base


@pytest.fixture
def evaluate(project, tmp_path, capsys, unrendered_figures):
    """Run the command on the run file's clips; return its JSON, or the error of status 2."""

    def run(*words, clips="run.yaml", out="out", status=0, panel=None):
        given = [] if panel is None else ["--panel", panel]
        told = [*words, "--out", str(tmp_path / out), "--workers", "1", "--json", *given]
        command = ["evaluate", *told, *([] if clips is None else ["--clips", str(clips)])]
        if status == 2:
            return refusal(*command)
        found = main(command)
        output = capsys.readouterr()
        assert found == status, output.err
        return json.loads(output.out)

    return run


def seeds(out, label):
    return {
        row["candidate_id"].replace(f"/{label}/", "/"): row["seed"]
        for row in rows(out, "candidates")
        if row["generator"] == label
    }


def test_policies_share_their_seeds_and_the_placebo_has_others(evaluate, tmp_path):
    found = evaluate(*PAIR)
    out = tmp_path / "out"
    assert seeds(out, "base") == seeds(out, "other")
    assert len(seeds(out, "base")) == 7 * 4
    assert set(seeds(out, "placebo").values()).isdisjoint(seeds(out, "base").values())
    # The same model under another label differs in nothing; with other seeds it does.
    for score in SCORES:
        assert found["policies"]["other"]["scores"][score]["difference"] == [0, None, None]
    moved = found["policies"]["placebo"]["scores"]["level"]["difference"]
    assert moved[1] < moved[0] < moved[2]
    assert [one["role"] for one in found["policies"].values()] == ["base", "policy", "control"]
    assert found["samples"] == 4


def test_the_means_are_those_of_the_tables(evaluate, tmp_path):
    found = evaluate(*PAIR, "--samples", "2")
    scores = rows(tmp_path / "out", "scores")
    for label in ("noisy", "base", "placebo"):
        known = [row["level"] for row in scores if row["candidate_id"].split("/")[1] == label]
        assert len(known) == (7 if label == "noisy" else 14)
        mean = found["noisy"] if label == "noisy" else {
            name: told["mean"] for name, told in found["policies"][label]["scores"].items()
        }  # fmt: skip
        assert mean["level"] == pytest.approx(np.mean(known))


def test_only_an_added_policy_is_computed(evaluate, project, tmp_path):
    log = tmp_path / "log"
    panel = tmp_path / "panel.yaml"
    counting = {"metric": "cheap:Counting", "options": {"log": str(log)}}
    panel.write_text(yaml.safe_dump({"panel": [{"metric": "cheap:Roughness"}, counting]}))
    before = evaluate(*PAIR, panel=str(panel))
    heard = sum(map(int, log.read_text().split()))
    assert heard == 7 * (3 * 4 + 1)
    after = evaluate(*PAIR, "third=cheap:Echo", panel=str(panel))
    assert sum(map(int, log.read_text().split())) == heard + 7  # an echo has one candidate
    assert set(after["policies"]) == {"base", "other", "third", "placebo"}
    assert after["policies"]["other"] == before["policies"]["other"]
    evaluate(*PAIR, "third=cheap:Echo", panel=str(panel))
    assert sum(map(int, log.read_text().split())) == heard + 7


def test_a_policy_that_is_no_longer_named_stays_on_the_disk(evaluate, tmp_path):
    few = "--limit", "2", "--samples", "1"
    before = evaluate(*PAIR, *few)
    evaluate(*PAIR, "third=fm-tiny", *few)
    parts = tables(tmp_path / "out")
    after = evaluate(*PAIR, *few)
    assert tables(tmp_path / "out") == parts
    assert after["policies"] == before["policies"]


def test_code_that_only_the_folder_names_is_not_run(evaluate, tmp_path):
    few = "--limit", "2", "--samples", "1"
    evaluate(*PAIR, "third=cheap:Echo", *few)
    parts = tables(tmp_path / "out")
    error = evaluate(*PAIR, *few, status=2)
    require_facts(error, ConfigError, path="out", value="third", problem="unsafe")
    assert tables(tmp_path / "out") == parts


def test_the_files_hold_the_returned_result(evaluate, tmp_path):
    found = evaluate(*PAIR)
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == found
    page = (tmp_path / "out" / "evaluation.md").read_text()
    for name in ("noisy", "base", "other", "placebo", *SCORES):
        assert name in page
    assert "roughness ↓" in page
    assert not rows(tmp_path / "out", "pairs")


def test_the_terminal_shows_the_table_and_the_verdicts(project, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    words = ["evaluate", *PAIR, "--clips", "run.yaml", "--workers", "1"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "7 clips, 4 samples each from the same seeds" in told
    assert "+0.000 [all equal]" in told
    assert "▲" not in told.partition("Better")[2].partition("\n")[2]  # seven clips bear none
    assert "other against base: On the voting scores it is undecided in" in told
    table = told.partition("Scores that vote on pairs")[2].partition("base: on all")[0]
    assert max(map(len, table.splitlines()[:12])) <= 90


def test_members_of_a_policy_are_combined(evaluate):
    found = evaluate("base=cheap:Hiss", "dpo@1=cheap:Echo", "dpo@2=cheap:Hiss", "dpo@3=cheap:Hiss")
    dpo = found["policies"]["dpo"]
    assert dpo["members"] == ["dpo@1", "dpo@2", "dpo@3"]
    told = dpo["scores"]["level"]
    assert told["seeds"][1:] == [0, 0]
    assert told["seeds"][0] < 0  # no hiss added
    assert told["difference"][0] == pytest.approx(np.mean(told["seeds"]))
    assert told["spread"] == pytest.approx(np.std(told["seeds"], ddof=1))
    page = evaluation_report.terminal_text(found, 100)
    assert "dpo (3 seeds)" in page
    assert f"seeds ±{told['spread']:.3f}" in page


def test_a_generator_with_one_output_per_clip_has_no_failures(evaluate):
    found = evaluate("base=cheap:Hiss", "echo=cheap:Echo")
    echo = found["policies"]["echo"]
    assert echo["failures"] == {}
    assert [one["left_out"] for one in found["scores"]] == [0, 0, 0]
    for score in SCORES:  # an echo is the noisy clip
        assert echo["scores"][score]["mean"] == pytest.approx(found["noisy"][score])


def test_failures_are_counted_and_their_clips_are_left_out_for_all(evaluate, tmp_path):
    found = evaluate("base=cheap:Hiss", "bad=cheap:Faulty:how=one_row", "--samples", "2")
    out = tmp_path / "out"
    odd = {row["clip_id"] for row in rows(out, "candidates")
           if row["generator"] == "base" and row["seed"] % 2}  # fmt: skip
    assert 0 < len(odd) < 7
    bad = found["policies"]["bad"]
    assert sum(bad["failures"].values()) >= len(odd)
    assert set(bad["failures"]) == {"generator_error"}
    for one in found["scores"]:
        assert (one["clips"], one["left_out"]) == (7 - len(odd), len(odd))
    kept = [row["level"] for row in rows(out, "scores")
            if row["clip_id"] not in odd and "/base/" in row["candidate_id"]]  # fmt: skip
    assert found["policies"]["base"]["scores"]["level"]["mean"] == pytest.approx(np.mean(kept))


def test_a_metric_that_fails_gives_no_number(evaluate, project, tmp_path):
    panel = tmp_path / "panel.yaml"
    panel.write_text(yaml.safe_dump({"panel": [{"metric": "cheap:Sulking"}]}))
    found = evaluate(*PAIR, panel=str(panel))
    told = found["policies"]["other"]
    assert told["scores"]["level"] == {"mean": None}
    assert told["nulls"] == {score: {"metric_error": 28} for score in SCORES}


def test_the_figure_shows_every_policy(project, tmp_path):
    """One of several seeds too, and scores without a number."""
    policies = ["base=cheap:Hiss", "other=cheap:Hiss", "dpo@1=cheap:Echo", "dpo@2=cheap:Hiss"]
    few = ["--clips", "run.yaml", "--limit", 2, "--samples", 1, "--workers", 1]
    for metric in ("cheap:Roughness", "cheap:Sulking"):
        panel, out = tmp_path / "panel.yaml", tmp_path / metric
        panel.write_text(yaml.safe_dump({"panel": [{"metric": metric}]}))
        run_command("evaluate", *policies, *few, "--panel", panel, "--out", out)
        figure = (out / "evaluation.svg").read_text()
        assert figure.startswith("<?xml")
        for name in ("other", "dpo", "placebo", *SCORES):
            assert name in figure


def test_duplicates_have_the_scores_of_the_earlier_candidate(evaluate, tmp_path):
    found = evaluate("base=cheap:Hiss", "same=cheap:Faulty:how=ignores_seed", "--samples", "2")
    same = found["policies"]["same"]
    assert same["failures"] == {}
    first = [row["level"] for row in rows(tmp_path / "out", "scores")
             if row["candidate_id"].endswith("/same/0")]  # fmt: skip
    assert same["scores"]["level"]["mean"] == pytest.approx(np.mean(first))


def test_duplicates_that_a_generator_reports_itself_are_failures(evaluate):
    found = evaluate("base=cheap:Hiss", "picky=cheap:Faulty:how=own_words", "--samples", "2")
    assert found["policies"]["picky"]["failures"] == {"duplicate": 7}


def test_hold_out_scores_have_no_vote(evaluate):
    usual = evaluate(*PAIR)
    assert [one["votes"] for one in usual["scores"]] == [True, True, False]
    found = evaluate(*PAIR, "--hold-out", "level,stoi", out="more")
    votes = {one["score"]: one["votes"] for one in found["scores"]}
    assert votes == {"roughness": True, "level": False, "zero_crossings": False,
                     "stoi": False, "estoi": False}  # fmt: skip
    nothing = evaluate(*PAIR, "--hold-out", "cheap:Roughness", out="more", status=2)
    require_facts(nothing, ConfigError, field="pairing.votes", problem="empty")


def trained_folder(folder, run, labels="given"):
    """Write the files of a training on these pairs that an evaluation reads."""
    folder.mkdir()
    pairs = {"source": {"kind": "run", "path": run.name}, "labels": labels}
    recipe = {"recipe": "dpo", "base": os.path.relpath(run.parent, folder), "pairs": pairs}
    (folder / "recipe.json").write_text(json.dumps(recipe))


def test_the_policys_folder_names_the_votes_and_the_control(evaluate, run, base, tmp_path):
    build(run("corpus.limit=2", "panel.0.vote=[zero_crossings]"), tmp_path / "run", base=base)
    (base / "loader.py").write_text(
        "from cheap import Hiss\n"
        "class Loaded(Hiss):\n"
        "    paths = ('checkpoint',)\n"
        "    def __init__(self, checkpoint=''):\n"
        "        super().__init__('loaded')\n"
    )
    trained_folder(tmp_path / "dpo", tmp_path / "run")
    trained_folder(tmp_path / "coin", tmp_path / "run", "random")
    words = [f"{name}=loader:Loaded:checkpoint={tmp_path / name}" for name in ("dpo", "coin")]
    found = evaluate("base=cheap:Hiss", *words)
    assert [one["votes"] for one in found["scores"]] == [False, False, True]
    assert found["votes_from"] == f"the pairs of {tmp_path / 'run'}"
    roles = {name: one["role"] for name, one in found["policies"].items()}
    assert roles == {"base": "base", "dpo": "policy", "coin": "control", "placebo": "control"}


def sounds(clips):
    return {(row["noisy"]["bytes"], row["clean"]["bytes"]) for row in clips}


def run_of(out):
    return run_file.load(out / "run.yaml")


def test_clips_of_a_run_directory_are_its_validation_split(evaluate, run, base, tmp_path):
    out = tmp_path / "run"
    build(run("corpus.validation={share: 0.5, by: clip}"), out, base=base)
    held = [row for row in rows(out, "clips") if row["split"] == "validation"]
    assert 0 < len(held) < 7
    error = evaluate(*PAIR, clips=out, status=2)
    require_facts(error, ConfigError, field="clips", value="cheap:Roughness", problem="unsafe")
    found = evaluate(*PAIR, clips=out, panel=ROUGH)
    assert found["clips"] == len(held)
    copied = rows(tmp_path / "out", "clips")
    assert sounds(copied) == sounds(held)
    # The votes are the run's.
    assert [one["score"] for one in found["scores"]] == list(SCORES)
    assert found["votes_from"] == "the run of the clips"
    shutil.rmtree(out)  # the evaluation has its own copy
    assert build(run_of(tmp_path / "out"), tmp_path / "out", base=base)["complete"]


def test_copied_clips_are_not_replaced_by_others(evaluate, run, base, tmp_path):
    runs = [tmp_path / name for name in ("a", "b")]
    for seed, out in enumerate(runs):
        build(run(f"seed={seed}", "corpus.validation.share=1", "corpus.limit=4"), out, base=base)
    evaluate(*PAIR, "--limit", "2", clips=runs[0], panel=ROUGH)
    before = tables(tmp_path / "out")
    error = evaluate(*PAIR, clips=runs[0], panel=ROUGH, out="a", status=2)
    require_facts(error, ConfigError, field="out", value=runs[0], problem="conflict")
    for clips, more in ((runs[1], []), (runs[0], ["--limit", "1"])):
        error = evaluate(*PAIR, *more, clips=clips, panel=ROUGH, status=2)
        require_facts(error, RunMismatchError, path="out", problem="changed")
    assert tables(tmp_path / "out") == before
    assert evaluate(*PAIR, "--limit", "3", clips=runs[0], panel=ROUGH)["clips"] == 3
    fewer = evaluate(*PAIR, "--samples", "2", "--limit", "3", clips=runs[0], panel=ROUGH)
    assert fewer["samples"] == 2


def test_a_run_without_a_validation_split_is_refused(evaluate, run, base, tmp_path):
    build(run("corpus.validation.share=0", "corpus.limit=2"), tmp_path / "run", base=base)
    error = evaluate(*PAIR, clips=tmp_path / "run", status=2)
    require_facts(error, InputError, field="clips", path="run", problem="empty")


def export_of(folder, run):
    """Write an exported dataset as in docs/export.md: a row per pair, so that clips repeat."""
    clips = {row["clip_id"]: row for row in rows(run, "clips")}
    pairs = [{"prompt": clips[name]["noisy"], "clean": clips[name]["clean"], "text": None,
              "language": None, "speaker": "s", "clip_id": name, "sample_rate": 16000}
             for name in sorted(clips)[:3] for _ in range(2)]  # fmt: skip
    form = pa.schema(
        [("prompt", AUDIO), ("clean", AUDIO), ("sample_rate", pa.int32())]
        + [(n, pa.string()) for n in ("text", "language", "speaker", "clip_id")]
    )
    (folder / "data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(pairs, form),
                   folder / "data" / "validation-00000-of-00001.parquet")  # fmt: skip
    shutil.copy(run / "run.yaml", folder)


def test_clips_of_an_exported_dataset_are_not_repeated(evaluate, run, base, tmp_path):
    build(run(), tmp_path / "run", base=base)
    export_of(tmp_path / "export", tmp_path / "run")
    found = evaluate(*PAIR, clips=tmp_path / "export", panel=ROUGH)
    assert (found["clips"], found["speakers"]) == (3, 1)
    assert all(row["clean"] for row in rows(tmp_path / "out", "clips"))


def test_clips_of_folders_and_manifests(evaluate, project, tmp_path):
    folder = tmp_path / "pairs"
    for place, source in enumerate(sorted((project / "speech").iterdir())[:2]):
        for side in ("noisy", "clean"):
            (folder / side).mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / side / f"{place}.flac")
    panel = "cheap:Roughness,cheap:Referring"
    assert evaluate(*PAIR, clips=folder, panel=panel)["clips"] == 2
    alone = evaluate(*PAIR, clips=folder / "noisy", panel="cheap:Roughness", out="alone")
    assert alone["clips"] == 2
    manifest = folder / "clips.csv"
    manifest.write_text("noisy,clean,speaker\n" + "".join(
        f"noisy/{k}.flac,clean/{k}.flac,s{k}\n" for k in range(2)))  # fmt: skip
    named = evaluate(*PAIR, clips=manifest, panel=panel, out="named")
    assert (named["clips"], named["speakers"]) == (2, 2)
    for out in ("out", "named"):
        assert all(row["clean"] for row in rows(tmp_path / out, "clips"))


def test_existing_outputs_are_compared(evaluate, project, tmp_path, monkeypatch):
    for gain in (1.0, 0.5):
        for source in sorted((project / "speech").iterdir())[:3]:
            sound = audio.read(source)
            path = tmp_path / f"gain{gain}" / f"{source.stem}.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, sound.wave * np.float32(gain), sound.rate)
    words = [f"{name}=folder:files={tmp_path}/gain{gain}/{{path}}.wav,path={tmp_path}"
             for name, gain in (("loud", 1.0), ("soft", 0.5))]  # fmt: skip
    found = evaluate(*words, clips=tmp_path / "gain1.0", panel="cheap:Roughness")
    assert list(found["policies"]) == ["loud", "soft"]  # seeds mean nothing: no placebo
    told = found["policies"]["soft"]
    assert told["failures"] == {}
    assert told["scores"]["level"]["mean"] == pytest.approx(found["noisy"]["level"] / 2, rel=1e-3)


def test_a_run_file_in_another_folder_finds_its_recordings(
    evaluate, project, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert evaluate(*PAIR, clips=project / "run.yaml")["clips"] == 7


def test_an_evaluation_file_gives_the_same_result_as_arguments(evaluate, project, tmp_path):
    words = evaluate(*PAIR, "--samples", "2", "--over", "speaker")
    wanted = {
        "clips": "run.yaml",
        "generators": [{"use": "cheap:Hiss", "name": "base"},
                       {"use": "cheap:Hiss", "name": "other", "options": {"seconds": 0}}],
        "samples": 3,
        "over": "speaker",
        "engine": {"kind": "serial"},
    }  # fmt: skip
    path = project / "evaluation.yaml"
    path.write_text(yaml.safe_dump(wanted))
    told = evaluate(str(path), "samples=2", clips=None, out="file")
    assert told == words
    path.write_text(yaml.safe_dump({**wanted, "corpus": RUN["corpus"]}))
    error = evaluate(str(path), clips=None, status=2)
    require_facts(error, ConfigError, field="clips", path=path, problem="conflict")


@pytest.mark.parametrize(
    ("words", "field", "value", "problem"),
    [
        (["base=cheap:Hiss"], "generators", ["base"], "empty"),
        (["dpo@1=cheap:Hiss", "dpo@2=cheap:Echo"], "generators", ["dpo"], "empty"),
        (["a=cheap:Hiss", "a=cheap:Echo"], "generators", "a", "duplicate"),
        (["cheap:Hiss", "cheap:Hiss"], "generators", "hiss", "duplicate"),
        (["a=cheap:Hiss", "placebo=cheap:Echo"], "generators", "placebo", "conflict"),
        (["a=cheap:Hiss", "noisy=cheap:Echo"], "generators.1.name", "noisy", "conflict"),
        (["a=fm-tiny", "b=fm-tinny"], "generators.1", "fm-tinny", "unknown"),
        (
            ["a=cheap:Hiss", "b=cheap:Hiss:level=3"],
            "generators.1.options.level",
            "level",
            "unknown",
        ),
        (["a=cheap:Hiss", "b="], "words", "b=", "invalid"),
        ([*PAIR, "--base", "bse"], "base", "bse", "unknown"),
        ([*PAIR, "--control", "random"], "controls", "random", "unknown"),
        ([*PAIR, "--control", "base"], "controls", "base", "conflict"),
        ([*PAIR, "--hold-out", "stoy"], "hold_out", "stoy", "unknown"),
        ([*PAIR, "--samples", "0"], "samples", 0, "invalid"),
        ([*PAIR, "--limit", "0"], "limit", 0, "invalid"),
    ],
)
def test_bad_input_is_refused_before_any_work(evaluate, tmp_path, words, field, value, problem):
    error = evaluate(*words, status=2)
    assert (error.field, error.value, error.problem) == (field, value, problem), error
    assert not (tmp_path / "out" / "candidates").exists()


def test_bad_clips_are_refused(evaluate, project, tmp_path):
    error = evaluate(*PAIR, clips=None, status=2)
    require_facts(error, ConfigError, field="clips", problem="missing", path=None)
    error = evaluate(*PAIR, clips="nowhere", status=2)
    require_facts(error, ConfigError, field="clips", problem="unsupported")
    error = evaluate(*PAIR, clips="speech", panel="cheap:Roughness,stoi", status=2)
    require_facts(error, ConfigError, field="panel", value="stoi", problem="conflict")
    table = tmp_path / "clips.csv"
    table.write_text("wav\na.wav\n")
    error = evaluate(*PAIR, clips=table, status=2)
    require_facts(error, ConfigError, field="clips", path=table, value=["wav"], problem="missing")
    (tmp_path / "recipe.yaml").write_text("recipe: dpo\n")
    error = evaluate(*PAIR, clips=tmp_path / "recipe.yaml", status=2)
    require_facts(error, ConfigError, field="clips", path="recipe.yaml", problem="missing")


def test_another_policy_of_the_same_label_is_refused(evaluate):
    evaluate(*PAIR)
    error = evaluate("base=cheap:Hiss", "other=cheap:Echo", status=2)
    require_facts(error, RunMismatchError, path="out", problem="conflict")
