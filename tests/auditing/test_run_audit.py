"""Tests of the audit of complete run directories, with pairs of every rule."""

import itertools
import json
import math
import shlex
import shutil
import typing

import numpy as np
import pyarrow as pa
import pytest

from gensr_pref import audio
from gensr_pref.auditing import document
from gensr_pref.auditing.run_audit import audit
from gensr_pref.auditing.sound_properties import sound_properties
from gensr_pref.building.build import build
from gensr_pref.building.pair import pair
from gensr_pref.cli import audit_text
from gensr_pref.cli.main import main
from gensr_pref.corpus.leakage import find_leakage
from gensr_pref.errors import InputError
from gensr_pref.identity import clean_id
from gensr_pref.rundir import part_files
from tests.commands import run_command
from tests.parts import unmade, write_part
from tests.refusals import raises, refuses
from tests.small_run import rows


@pytest.fixture(scope="module")
def finished(base, tmp_path_factory):
    from gensr_pref.config import run_file

    out = tmp_path_factory.mktemp("audited") / "run"
    run = run_file.load(base / "run.yaml", ["generators.0.candidates=5"])
    build(run, out, base=base)
    return out


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def test_audit_has_every_part_and_is_plain_json(finished):
    results = audit(finished)
    assert json.loads(json.dumps(results, allow_nan=False)) == results
    assert set(results) >= {
        "yield", "panel", "agreement", "yield_by_candidates", "yield_by_margin", "repeats",
        "margins", "hold_out", "single_scores", "preference", "sides", "generators",
        "learnability", "breakdown", "leakage", "means", "improvement", "without_pair",
    }  # fmt: skip
    assert results["yield_by_candidates"][-1]["yield"] == pytest.approx(results["yield"]["joint"])
    assert results["panel"]["forward"]["level"]["yield"] == results["yield"]["joint"]
    assert [row["score"] for row in results["hold_out"]] == ["zero_crossings"]
    assert sum(results["without_pair"].values()) == 7 - results["pairs"]


def is_optional(hint):
    return typing.get_origin(hint) is typing.NotRequired


def check_keys(value, kind, path=""):
    """Refuse a value whose keys are not those of its type, at any depth."""
    if typing.is_typeddict(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        optional = {key for key, hint in hints.items() if is_optional(hint)}
        assert set(hints) - optional <= set(value) <= set(hints), path
        for key, inner in value.items():
            check_keys(inner, hints[key], f"{path}.{key}")
        return
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if is_optional(kind):
        check_keys(value, arguments[0], path)
    elif origin is dict:
        for key, inner in value.items():
            check_keys(inner, arguments[1], f"{path}.{key}")
    elif origin is list:
        for inner in value:
            check_keys(inner, arguments[0], path)
    elif arguments and value is not None:  # a union with None
        check_keys(value, *(inner for inner in arguments if inner is not type(None)), path)
    elif value is not None and kind is not typing.Any:
        assert isinstance(value, (int, float) if kind is float else kind), path


def test_an_audit_has_the_keys_of_its_type(copy):
    check_keys(audit(copy), document.Audit)
    check_keys(audit(copy, brief=True), document.ShortAudit)


@pytest.mark.parametrize("audio_pairs", [-1, 1.5, math.nan, True])
def test_a_wrong_number_of_pairs_to_analyse_is_refused(tmp_path, audio_pairs):
    """Before the run directory is read: there is none."""
    with raises(InputError, field="audio_pairs", value=audio_pairs, problem="invalid"):
        audit(tmp_path, audio_pairs)
    refuses(["audit", tmp_path, "--heard", "-1"], InputError, field="audio_pairs", value=-1)


def test_sides_match_the_audio_on_disk(finished):
    results = {row["property"]: row for row in audit(finished)["sides"]}
    pairs, candidates = rows(finished, "pairs"), rows(finished, "candidates")
    by_id = {row["candidate_id"]: row for row in candidates}
    levels = [
        [json.loads(by_id[pair[f"{side}_id"]]["sampling"])["level"] for pair in pairs]
        for side in ("chosen", "rejected")
    ]
    assert results["level"]["difference"] == pytest.approx(np.mean(levels[0]) - np.mean(levels[1]))
    assert results["level"]["cliffs_delta"] == -1  # the quieter hiss wins on both votes
    assert not results["level"]["warns"]  # seven clips are too few for a verdict
    assert results["level"]["clips"] == len({pair["clip_id"] for pair in pairs})
    assert results["seconds"]["difference"] == 0
    assert results["level_db"]["pairs"] == len(pairs)


def test_analysed_audio_is_not_analysed_again(copy, monkeypatch):
    first = audit(copy)

    def fail(wave, rate):
        raise AssertionError("the cache was not used")

    monkeypatch.setattr("gensr_pref.auditing.pair_audio.sound_properties", fail)
    assert audit(copy) == first
    assert audit(copy, audio_pairs=0)["sides"][0]["pairs"] == 0


def test_brief_audit_has_the_yield(copy):
    whole = audit(copy)
    brief = audit(copy, brief=True)
    assert "panel" not in brief
    assert brief["yield"]["alone"] == whole["yield"]["alone"]
    assert brief["yield"]["by_chance"] == pytest.approx(whole["yield"]["by_chance"], abs=0.2)
    assert brief["means"] == whole["means"]


def suggested_settings(printed, out):
    """Return the settings of the `pair` command that the output names as the next step."""
    command = next(line for line in printed.splitlines() if "gensr-pref pair" in line)
    words = shlex.split(command.partition(": ")[2].strip())
    assert words[:3] == ["gensr-pref", "pair", str(out)]
    return words[3:]


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["margin.level=0.0001", "pairs_per_clip=2"],
        ["rule=top_bottom", "score=zero_crossings"],
        ["rule=weighted"],
        ["rule=golden"],
        ["margin.level=1000"],
    ],
)
def test_the_suggested_settings_give_pairs(copy, capsys, settings):
    assert main(["pair", str(copy), *settings]) == 0
    another = suggested_settings(capsys.readouterr().out, copy)
    assert another != settings
    before = part_files.count_rows(part_files.part(copy, "pairs", 0))
    after = pair(copy, another)["pairs"]
    assert after > 0
    if any(setting.startswith("margin") for setting in another):
        assert before / 2 <= after <= before


@pytest.mark.usefixtures("unrendered_figures")
def test_golden_pairs_are_audited(copy, capsys):
    summary = pair(copy, ["rule=golden", "pairs_per_clip=5"])
    pairs = rows(copy, "pairs")
    assert len(pairs) == 35
    assert {row["chosen_id"] for row in pairs} == {
        clean_id(row["clip_id"]) for row in rows(copy, "clips")
    }
    assert pairs[0]["margins"] == {"roughness": None, "level": None, "zero_crossings": None}
    assert any("collapse" in notice for notice in summary["notices"])
    results = audit(copy)
    assert results["yield"]["joint"] == 1
    assert results["yield"]["by_chance"] is None
    assert results["hold_out"][0]["rate"] is None
    assert results["means"]["level"]["chosen"] is None
    assert results["means"]["level"]["rejected"] is not None
    sides = {row["property"]: row for row in results["sides"]}
    clean = [level_of(row["clean"]) for row in rows(copy, "clips")]
    assert sides["level_db"]["pairs"] == 35
    assert sides["level_db"]["chosen"] == pytest.approx(np.mean(clean))
    assert (results["golden"], results["learnability"]) == (35, [])
    assert main(["audit", str(copy)]) == 0
    out = capsys.readouterr().out
    assert "the rule golden" in out
    assert "the audit runs no model" in out


def level_of(sound):
    read = audio.read(sound["bytes"])
    return sound_properties(read.wave, read.rate)["level_db"]


def test_golden_needs_one_candidate_and_a_clean_target(base):
    from gensr_pref.building.prepare import prepare
    from gensr_pref.config import run_file
    from gensr_pref.errors import ConfigError

    settings = ["generators.0.candidates=1", "pairing.rule=golden"]
    assert prepare(run_file.load(base / "run.yaml", settings), base).clips
    with raises(ConfigError, field="pairing.rule", value="golden", problem="conflict"):
        prepare(run_file.load(base / "run.yaml", [*settings, "corpus.degrade=null"]), base)


def test_clips_without_a_clean_target_have_no_golden_pair(copy):
    path = part_files.part(copy, "clips", 0)
    table = part_files.read(path).to_pylist()
    table[1]["clean"] = None
    write_part(path, table)
    summary = pair(copy, ["rule=golden"])
    assert (summary["pairs"], summary["without_pair"]) == (6, {"no_clean": 1})


@pytest.mark.parametrize("rule", [["rule=golden"], ["rule=top_bottom", "score=level"]])
def test_a_panel_without_votes(base, tmp_path, rule):
    from gensr_pref.config import run_file

    settings = ["panel.0.vote=false", *(f"pairing.{one}" for one in rule)]
    build(run_file.load(base / "run.yaml", settings), tmp_path / "run", base=base)
    results = audit(tmp_path / "run")
    assert results["pairs"] == 7
    assert results["panel"]["effective_votes"]["votes"] == len(rule) - 1
    assert run_command("audit", tmp_path / "run") == 0


@pytest.mark.parametrize(
    "settings",
    [["rule=top_bottom", "score=zero_crossings"], ["rule=weighted", "weights={level: 1}"]],
)
def test_scores_that_the_rule_uses_are_not_hold_out(copy, settings):
    pair(copy, settings)
    used = settings[1].partition("=")[2].strip("{}").partition(":")[0]
    results = audit(copy)
    held = [row["score"] for row in results["hold_out"]]
    assert used not in held
    assert len(held) == 2
    assert results["panel"]["effective_votes"]["votes"] == 2  # of the panel, whatever the rule
    assert json.dumps(results, allow_nan=False)


def test_a_score_with_a_floor_is_not_hold_out(copy):
    pair(copy, ["min.zero_crossings=0"])
    assert audit(copy)["hold_out"] == []


def test_numbers_equal_plain_loops_over_the_tables(copy):
    for path in part_files.parts(copy, "scores"):  # with ties and nulls among real scores
        table = part_files.read(path).to_pylist()
        for index, row in enumerate(table):
            row["roughness"] = round(row["roughness"], 2)
            row["level"] = None if index % 7 == 3 else round(row["level"], 3)
            row["zero_crossings"] = None if index % 5 == 2 else row["zero_crossings"]
        write_part(path, table)
    pair(copy, ["tie.level=allow"])
    results = audit(copy)
    scores = {row["candidate_id"]: row for row in rows(copy, "scores")}
    signs = []
    for clip in {row["clip_id"] for row in scores.values()}:
        of_clip = [
            (row["roughness"], row["level"])
            for name, row in scores.items()
            if row["clip_id"] == clip and "/noisy/" not in name and row["level"] is not None
        ]
        for first, second in itertools.combinations(of_clip, 2):
            signs.append([np.sign(b - a) for a, b in zip(first, second, strict=True)])  # lower wins
    x, y = np.array(signs).T
    assert 0 in x * y
    (row,) = results["agreement"]
    tau = (x * y).sum() / np.sqrt(np.abs(x).sum() * np.abs(y).sum())
    assert row["kendall_tau"] == pytest.approx(tau)
    both = (x != 0) & (y != 0)
    assert row["agreement_rate"] == pytest.approx((x == y)[both].mean())
    decided = (x != 0) & ((y == x) | (y == 0))
    assert results["panel"]["comparisons"] == pytest.approx(decided.mean())
    crossings = [
        [scores[row[f"{side}_id"]]["zero_crossings"] for side in ("chosen", "rejected")]
        for row in rows(copy, "pairs")
    ]
    known = [(1 + np.sign(bad - good)) / 2 for good, bad in crossings if None not in (good, bad)]
    assert results["hold_out"][0]["pairs"] == len(known) < len(crossings)
    assert results["hold_out"][0]["rate"] == pytest.approx(np.mean(known))


def test_reasons_are_counted_in_the_summary(copy):
    summary = pair(copy, ["margin.level=1000"])
    assert summary["without_pair"] == {"margin": 7}
    unmade(copy, "scores/part-00000.parquet")
    summary = pair(copy, [])
    assert summary["without_pair"].get("no_candidate") == 2


def test_a_leak_between_splits_is_reported(copy):
    path = part_files.part(copy, "clips", 0)
    table = part_files.read(path).to_pylist()
    table[0]["speaker"] = table[1]["speaker"] = "ann"
    table[1]["split"] = "validation"
    write_part(path, table)
    assert any("in several splits: 1 speaker" in n for n in pair(copy, [])["notices"])
    assert audit(copy)["leakage"]["speaker"] == {"shared": 1, "examples": ["ann"]}


def test_listening_results_have_intervals_and_failed_catch_trials():
    share = {"agree": 0.706, "tie": 0.118, "against": 0.176}
    panel = {**share, "clips": 9, **{f"{kind}_interval": [0.1, 0.9] for kind in share}}
    catches = [
        {"listener": "ann", "answers": 9, "same": 2, "clean": 1, "same_failed": 0,
         "clean_failed": 0, "counted": True, "why": None},
        {"listener": "bob", "answers": 8, "same": 1, "clean": 0, "same_failed": 1,
         "clean_failed": 0, "counted": False, "why": "failed_catches"},
    ]  # fmt: skip
    listening = {"answers": 17, "listeners": 2, "pairs": 9, "panel": panel, "catches": catches}
    assert audit_text.listening({"listening": listening}) == (
        "Listening: 17 answers of 2 listeners on 9 pairs: 71 % [10 %, 90 %] prefer the chosen, "
        "12 % [10 %, 90 %] hear no difference, 18 % [10 %, 90 %] prefer the rejected.\n"
        "Not counted: 8 answers of bob, who failed 1 of 1 catch trials.\n"
        "Catch trials failed: 1 of 3 with identical sounds, 0 of 1 with clean speech."
    )


@pytest.mark.usefixtures("unrendered_figures")
def test_without_answers_nothing_is_printed_about_people(copy, capsys):
    assert main(["audit", str(copy)]) == 0
    printed = capsys.readouterr().out
    assert "People:" not in printed
    assert "Catch trials" not in printed
    assert "\n\n\n" not in printed


@pytest.mark.usefixtures("unrendered_figures")
def test_two_runs_side_by_side(finished, copy, capsys):
    pair(copy, ["margin.level=0.001"])
    assert main(["audit", str(finished), str(copy)]) == 0
    out = capsys.readouterr().out
    assert "A: cheap (unanimous)" in out
    assert "effective votes" in out
    assert main(["audit", str(finished), str(copy), "--json"]) == 0
    comparison = json.loads(capsys.readouterr().out)
    assert comparison["numbers"]["clips"] == {"a": 7, "b": 7, "difference": 0}


def test_two_generators_that_may_be_paired(base, tmp_path):
    from gensr_pref.config import run_file

    two = "generators=[{use: 'cheap:Hiss'}, {use: 'cheap:Hiss', name: other}]"
    run = run_file.load(base / "run.yaml", [two, "pairing.across_generators=true"])
    build(run, tmp_path / "run", base=base)
    results = audit(tmp_path / "run")
    assert sum(row["pairs"] for row in results["generators"]) % 2 == 0
    assert set(results["preference"]["vectors"]) <= {"hiss", "other"}
    assert results["candidates_with_all_votes"] == {"8": 7}
    apart = pair(tmp_path / "run", ["across_generators=false"])
    assert apart["complete"]
    assert audit(tmp_path / "run")["candidates_with_all_votes"] == {"4": 14}
    assert audit(tmp_path / "run")["generators"] == []


def test_recordings_of_any_name_are_distinguished():
    """Names have characters that JSON escapes; one recording is in both splits."""
    names = ['a "b".wav', "c\\d.wav", "Ä/é.flac", 'a "b".wav', '{"source_id": "x"}']
    sources = [json.dumps({"source_id": name, "start": 0}, ensure_ascii=False) for name in names]
    clips = pa.table(
        {
            "clip_id": [str(k) for k in range(5)],
            "speaker": pa.nulls(5, pa.string()),
            "source": sources,
            "split": ["train", "train", "train", "validation", "train"],
        }
    )
    assert find_leakage(clips)["source"] == {"shared": 1, "examples": ['a "b".wav']}
