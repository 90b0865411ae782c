"""Tests of the tables' schemas, their metadata and their failures."""

import datasets
import pyarrow as pa
import pytest

from gensr_pref import schema

FORMS = [
    schema.CLIPS,
    schema.CANDIDATES,
    schema.FAILURES,
    schema.scores_schema(["wer"], {}),
    schema.pairs_schema(["wer"]),
]


@pytest.mark.parametrize("form", FORMS)
def test_features_are_those_that_datasets_would_write(form):
    features = datasets.Features.from_arrow_schema(schema.with_metadata(form, {}))
    by_type = {field.name: field.type for field in features.arrow_schema}
    assert by_type == {field.name: field.type for field in form}


def test_metadata_holds_the_version_and_the_facts_of_the_run():
    form = schema.with_metadata(schema.FAILURES, {"fingerprint": "f00"})
    assert schema.parse_facts(form) == {
        "schema_version": schema.SCHEMA_VERSION,
        "fingerprint": "f00",
    }


@pytest.mark.parametrize("metadata", [None, {}, {"other": "1"}, {"gensr_pref": "[1]"}])
def test_metadata_of_another_writer_holds_no_facts(metadata):
    assert schema.parse_facts(pa.schema([], metadata=metadata)) == {}


def test_the_notes_of_scores_have_the_types_of_their_kinds():
    form = schema.scores_schema(["wer"], {"transcript": "text", "words": "number"})
    assert form.field("notes").type == pa.struct(
        [pa.field("transcript", pa.string()), pa.field("words", pa.float32())]
    )
    assert "notes" not in schema.scores_schema(["wer"], {}).names


def test_the_detail_of_a_failure_holds_no_secret(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefgh")
    detail = "GET https://me:hunter2@host/x with hf_abcdefgh failed"
    failure = schema.Failure("scores", "c", schema.Reason.METRIC_ERROR, detail)
    assert "hunter2" not in failure.detail
    assert "hf_abcdefgh" not in failure.detail
