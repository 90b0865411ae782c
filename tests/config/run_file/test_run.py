"""Tests of a whole run file: defaults, required fields, and the fields that complaints name."""

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


def parse(*assignments):
    return run_file.parse(run_file.override(GOOD, assignments), run_file.Run, "run.yaml")


def test_a_minimal_run_gets_all_defaults():
    run = parse()
    assert run.generators[0].candidates == 4
    assert run.engine.kind == "ray"
    assert run.pairing.rule == "unanimous"


def test_the_dumped_fields_of_a_run_give_the_same_run():
    run = parse()
    assert run_file.parse(run_file.dump_fields(run), run_file.Run, "again") == run


@pytest.mark.parametrize(
    ("assignment", "field", "value", "problem"),
    [
        ("corpus.source.colums={}", "corpus.source.colums", "colums", "unknown"),
        ("corpus.source.kind=foldr", "corpus.source.kind", "foldr", "unknown"),
        ("corpus.source={path: x}", "corpus.source.kind", None, "missing"),
        ("corpus.source={kind: folder}", "corpus.source.path", None, "missing"),
        ("corpus.segment_seconds=[5, 2]", "corpus.segment_seconds", [5, 2], "invalid"),
        ("corpus.sample_rate=11025", "corpus.sample_rate", 11025, "conflict"),
        ("engine.kind=slurm", "engine.kind", "slurm", "unknown"),
        ("generators.0.candidates=0", "generators.0.candidates", 0, "invalid"),
        ("generators=[fm-tiny]", "generators.0", "fm-tiny", "invalid"),
        ("generators=[]", "generators", [], "invalid"),
        ("pairing.margin={wer: -1}", "pairing.margin.wer", -1, "invalid"),
    ],
)
def test_a_complaint_is_about_one_field(assignment, field, value, problem):
    with raises(ConfigError, field=field, value=value, problem=problem, path="run.yaml") as caught:
        parse(assignment)
    [error] = caught.value.errors
    assert (error.field, error.value, error.problem, error.path) == (field, value, problem, None)


def test_all_complaints_are_reported_at_once():
    with raises(ConfigError, field="generators.0.use", problem="invalid") as caught:
        parse("seeed=1", "engine.kind=x", "generators.0.use=null")
    fields = {error.field for error in caught.value.errors}
    assert fields == {"seeed", "engine.kind", "generators.0.use"}
    copy = pickle.loads(pickle.dumps(caught.value))
    assert [vars(error) for error in copy.errors] == [vars(error) for error in caught.value.errors]


def test_load_applies_overrides(tmp_path: Path):
    path = tmp_path / "run.yaml"
    path.write_text(
        "corpus: {source: {kind: folder, path: speech}}\n"
        "generators: [{use: fm-tiny}]\n"
        "panel: [{metric: dnsmos}]\n"
    )
    assert run_file.load(path, ["corpus.limit=8"]).corpus.limit == 8
