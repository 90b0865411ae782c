"""Tests of run.yaml as a type: it is read and written byte for byte, and what is odd is refused."""

import pickle

import pytest
import yaml
from pydantic import ValidationError

from gensr_pref.errors import RunMismatchError
from gensr_pref.identity import bytes_digest, digest
from gensr_pref.rundir import part_files, provenance
from gensr_pref.rundir.document import (
    _FIRST_LINE,
    MetricRecord,
    RunDocument,
    read_document,
    read_intact_document,
    read_published_document,
    write_document,
)
from gensr_pref.rundir.shards import read_shards
from tests.refusals import raises


def sealed(out, data):
    """Write data as run.yaml, its first line telling the digest of the rest."""
    text = yaml.safe_dump(data, sort_keys=False)
    (out / "run.yaml").write_text(f"{_FIRST_LINE}{bytes_digest(text.encode())}\n{text}")


def test_a_document_is_written_as_it_was_read(out):
    before = (out / "run.yaml").read_bytes()
    document = read_document(out)
    assert document.as_data() == yaml.safe_load(before)
    write_document(out, document)
    assert (out / "run.yaml").read_bytes() == before
    assert pickle.loads(pickle.dumps(document)) == document


def test_keys_of_other_versions_stay_and_count(out):
    document = read_document(out)
    data = document.as_data()
    data["corpus"]["microphone"] = "close"
    data["provenance"]["panel"][0]["colour"] = {"red": 1}
    data["provenance"]["weather"] = "fair"
    sealed(out, data)
    read = read_document(out)
    assert read.as_data() == data
    assert read.identity()["provenance"]["weather"] == "fair"
    assert read.identity()["provenance"]["panel"][0]["colour"] == {"red": 1}
    assert read.with_fingerprint().provenance.fingerprint != document.provenance.fingerprint
    assert read.with_provenance(library={}).as_data()["provenance"]["weather"] == "fair"


def test_integers_and_floats_keep_their_types(out):
    data = read_document(out).as_data()
    data["provenance"]["panel"][0]["scores"][0] |= {"low": 1, "high": 5.0}
    sealed(out, data)
    score = read_document(out).provenance.panel[0].scores[0]
    assert [type(score.low), type(score.high)] == [int, float]
    assert "low: 1\n" in yaml.safe_dump(score.as_data())


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("provenance", "panel", 0, "scores", 0, "votes"), None),
        (("provenance", "panel", 0, "scores", 0, "higher_is_better"), "yes"),
        (("provenance", "generators", 0, "candidates"), "4"),
        (("provenance", "generators"), {}),
        (("engine",), {}),
        (("pairing",), []),
        (("name",), 3),
    ],
)
def test_a_document_that_no_build_wrote_is_refused(out, where, value):
    data = read_document(out).as_data()
    node = data
    for key in where[:-1]:
        node = node[key]
    node[where[-1]] = value
    sealed(out, data)
    with pytest.raises(RunMismatchError):
        read_document(out)
    assert read_intact_document(out) is None


def test_a_later_version_is_named_whatever_its_types(out):
    sealed(out, {"provenance": {"schema_version": 99, "gensr_pref": "9.0", "panel": "a digest"}})
    with raises(RunMismatchError, path=out, value=99, problem="unsupported"):
        read_document(out)


def test_identity_is_what_the_fingerprint_is_made_of(out):
    document = read_document(out)
    identity = document.identity()
    assert document.provenance.fingerprint == digest(identity)
    assert "pairing" not in identity
    assert "validation" not in identity["corpus"]
    scores = identity["provenance"]["panel"][0]["scores"]
    assert scores
    assert not any({"votes", "vote"} & score.keys() for score in scores)


def test_a_published_document_may_lack_its_seed(out, tmp_path):
    assert read_published_document(tmp_path / "none") is None
    document = read_document(out)
    told = document.model_copy(update={"seed": None, "engine": {}})
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(told.as_data(), sort_keys=False))
    assert read_published_document(tmp_path) == told
    (tmp_path / "run.yaml").write_text("a: 1")
    assert read_published_document(tmp_path) is None


def test_parts_have_the_record_that_the_document_gives(out):
    document = read_document(out)
    for number, shard in enumerate(read_shards(out)):
        for made in provenance.MADE:
            path = part_files.part(out, made, number)
            wanted = provenance.part_record(made, document, *shard.columns)
            assert provenance.read_part_record(path) == wanted
            assert part_files.read_facts(path) == wanted.as_data()


def test_a_part_without_a_record_is_not_known(out, tmp_path):
    assert not provenance.read_part_record(tmp_path / "none.parquet").is_known
    path = part_files.part(out, "clips", 0)
    part_files.write_table(path, part_files.read(path), {"clips": 3})
    assert not provenance.read_part_record(path).is_known


def test_a_metric_without_votes_keeps_its_other_facts():
    score = {"name": "a", "votes": True, "vote": 1, "other": 2}
    record = MetricRecord.model_validate({"metric": "m", "scores": [score]})
    assert record.without_votes() == {"metric": "m", "scores": [{"name": "a", "other": 2}]}
    with pytest.raises(ValidationError) as caught:
        record.metric = "other"
    assert [one["type"] for one in caught.value.errors()] == ["frozen_instance"]


def test_votes_do_not_change_the_identity(out):
    document = read_document(out)
    data = document.as_data()
    for metric in data["provenance"]["panel"]:
        for score in metric["scores"]:
            score["votes"] = not score["votes"]
    other = RunDocument.model_validate(data)
    assert other != document
    assert other.identity() == document.identity()
