"""Tests of the run file: every error names the field and the allowed values."""

import pickle
from pathlib import Path

import pytest

from gensr_pref.config import run_file
from gensr_pref.errors import ConfigError
from tests.refusals import raises

GOOD = {
    "corpus": {"source": {"kind": "folder", "path": "speech"}},
    "generators": [{"use": "fm-tiny"}],
    "panel": [{"metric": "dnsmos"}],
}


def complaint(change):
    with pytest.raises(ConfigError) as caught:
        run_file.parse(run_file.override(GOOD, change), run_file.Run, "run.yaml")
    return str(caught.value)


def test_minimal_run_gets_all_defaults():
    run = run_file.parse(GOOD, run_file.Run, "run.yaml")
    assert run.generators[0].candidates == 4
    assert run.engine.kind == "ray"
    assert run.pairing.rule == "unanimous"


def test_resolved_run_reads_back_as_itself():
    run = run_file.parse(GOOD, run_file.Run, "run.yaml")
    assert run_file.parse(run_file.resolved(run), run_file.Run, "again") == run


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["corpus.degradee={}"], ["corpus.degradee", "unknown field", "Did you mean 'degrade'"]),
        (["corpus.source.colums={}"], ["corpus.source.colums", "speaker"]),
        (["corpus.source.kind=foldr"], ["corpus.source.kind", "foldr", "manifest", "'folder'"]),
        (["corpus.source={path: x}"], ["corpus.source.kind: is required"]),
        (["corpus.source={kind: folder}"], ["corpus.source.path: is required"]),
        (["engine.kind=slurm"], ["engine.kind", "'slurm'", "ray, serial"]),
        (["generators.0.candidates=0"], ["generators.0.candidates", "greater than or equal to 1"]),
        (["corpus.segment_seconds=[5, 2]"], ["corpus.segment_seconds", "[5.0, 2.0]"]),
        (["corpus.sample_rate=11025"], ["corpus", "multiple of 50", "11025"]),
        (["generators=[fm-tiny]"], ["generators.0: write fields", "'fm-tiny'", "candidates"]),
        (["corpus.limit=many"], ["corpus.limit", "'many'"]),
        (["generators=[]"], ["generators", "at least 1"]),
        (["pairing.margin={wer: -1}"], ["pairing.margin.wer", "-1"]),
        (
            ["corpus.degrade={noise: {source: {kind: folder, path: n}, probability: 2}}"],
            ["corpus.degrade.noise.probability", "less than or equal to 1", "2"],
        ),
    ],
)
def test_complaint_names_field_and_choices(change, words):
    message = complaint(change)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("change", "field", "value", "problem"),
    [
        ("corpus.source.colums={}", "corpus.source.colums", "colums", "unknown"),
        ("corpus.source.kind=foldr", "corpus.source.kind", "foldr", "unknown"),
        ("corpus.source={path: x}", "corpus.source.kind", None, "missing"),
        ("corpus.source={kind: folder}", "corpus.source.path", None, "missing"),
        ("engine.kind=slurm", "engine.kind", "slurm", "unknown"),
        ("generators.0.candidates=0", "generators.0.candidates", 0, "invalid"),
        ("corpus.segment_seconds=[5, 2]", "corpus.segment_seconds", [5, 2], "invalid"),
        ("generators=[fm-tiny]", "generators.0", "fm-tiny", "invalid"),
        ("generators=[]", "generators", [], "invalid"),
        ("pairing.margin={wer: -1}", "pairing.margin.wer", -1, "invalid"),
    ],
)
def test_a_complaint_is_of_one_field(change, field, value, problem):
    with raises(ConfigError, field=field, value=value, problem=problem, path="run.yaml") as caught:
        run_file.parse(run_file.override(GOOD, [change]), run_file.Run, "run.yaml")
    [one] = caught.value.errors
    assert (one.field, one.value, one.problem, one.path) == (field, value, problem, None)


def test_all_complaints_come_at_once():
    with raises(ConfigError, field="generators.0.use", problem="invalid") as caught:
        change = ["seeed=1", "engine.kind=x", "generators.0.use=null"]
        run_file.parse(run_file.override(GOOD, change), run_file.Run, "run.yaml")
    fields = {one.field for one in caught.value.errors}
    assert fields == {
        "seeed",
        "engine.kind",
        "generators.0.use",
    }
    copy = pickle.loads(pickle.dumps(caught.value))
    assert [vars(one) for one in copy.errors] == [vars(one) for one in caught.value.errors]


def test_fields_of_a_part_are_named_from_the_top():
    with raises(ConfigError, field="panel.3.vot", value="vot", problem="unknown"):
        run_file.parse({"metric": "wer", "vot": 1}, run_file.MetricUse, field="panel.3")


def test_paired_source_refuses_degradation():
    change = ["corpus.source={kind: paired, noisy: a, clean: b}", "corpus.degrade={reverb: {}}"]
    with raises(ConfigError, field="corpus.degrade", problem="conflict"):
        run_file.parse(run_file.override(GOOD, change), run_file.Run, "run.yaml")


def test_override_reaches_lists_and_makes_sections():
    changed = run_file.override(GOOD, ["panel.0.vote=false", "corpus.degrade.reverb.probability=1"])
    assert changed["panel"][0]["vote"] is False
    assert changed["corpus"]["degrade"]["reverb"]["probability"] == 1
    assert "vote" not in GOOD["panel"][0]


@pytest.mark.parametrize(
    ("assignment", "problem"),
    [
        ("corpus.limit", "missing"),
        ("panel.7.vote=true", "unknown"),
        ("seed.x=[", "unreadable"),
        ("corpus.source.path.deeper=1", "conflict"),
    ],
)
def test_bad_override_is_explained(assignment, problem):
    with raises(ConfigError, field="overrides", value=assignment, problem=problem):
        run_file.override(GOOD, [assignment])


@pytest.mark.parametrize(
    ("content", "problem"),
    [("[1, 2]", "invalid"), ("a: [", "invalid"), ("", "empty"), ("\x00", "invalid")],
)
def test_file_that_is_no_run_file(tmp_path: Path, content, problem):
    path = tmp_path / "run.yaml"
    path.write_text(content)
    with raises(ConfigError, path="run.yaml", problem=problem):
        run_file.load(path)


def test_missing_file(tmp_path: Path):
    with raises(ConfigError, path="absent.yaml", problem="unreadable"):
        run_file.load(tmp_path / "absent.yaml")


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path):
    path = tmp_path / "run.yaml"
    path.write_text("corpus: {limit: 1}\nseed: 1\nseed: 2\n")
    with pytest.raises(ConfigError, match="'seed' appears twice"):
        run_file.load(path)


NOISE = {"source": {"kind": "folder", "path": "noise"}}


@pytest.mark.parametrize(
    ("steps", "probability"),
    [
        ({"noise": NOISE}, 1.0),
        ({"noise": NOISE, "codec": None}, 1.0),
        ({"noise": {**NOISE, "probability": 0.5}}, 0.5),
        ({"noise": NOISE, "codec": {}}, 0.9),
    ],
)
def test_a_step_that_is_alone_is_always_done_unless_it_says_otherwise(steps, probability):
    degrade = run_file.parse(steps, run_file.Degrade, "test")
    assert degrade.noise.probability == probability
    written = degrade.model_dump(mode="json")
    assert run_file.parse(written, run_file.Degrade, "test") == degrade


def test_an_unknown_step_that_is_alone_is_named():
    with raises(ConfigError, field="nois", value="nois", problem="unknown"):
        run_file.parse({"nois": NOISE}, run_file.Degrade, "test")
