"""Tests of the records of parts: which facts shape them, and when a run still includes them."""

import pytest

from gensr_pref.rundir.document import MetricRecord, Provenance, ScoreRecord, read_document
from gensr_pref.rundir.provenance import (
    clips_digest,
    fingerprints,
    generator_record,
    is_contained,
    metric_record,
    part_record,
    read_part_record,
    same_clips,
)

USE = {"use": "fm-tiny", "name": None, "candidates": 4, "seeds": None, "options": {"steps": 8}}


def generator(**changes):
    return generator_record({**USE, **changes}, "fm", "1", 16000)


def metric(name="wer", votes=True, texts=None):
    panel = MetricRecord(metric=name, scores=[ScoreRecord(name=name, votes=votes)])
    return metric_record(panel, texts)


def provenance(generators, panel, **more):
    return Provenance(
        gensr_pref="1", schema_version=2, generators=generators, panel=panel, corpus="c", **more
    )


def test_the_number_of_candidates_and_the_default_seeds_shape_no_candidate():
    fingerprint = generator().fingerprint
    assert generator(candidates=8).fingerprint == fingerprint
    assert generator(name="fm").fingerprint == fingerprint
    assert generator(seeds="fm").fingerprint == fingerprint
    assert generator(seeds="other").fingerprint != fingerprint
    assert generator(options={"steps": 9}).fingerprint != fingerprint


def test_votes_shape_no_score_but_texts_do():
    assert metric(votes=False).fingerprint == metric().fingerprint
    assert metric(texts="t1").fingerprint != metric(texts="t2").fingerprint


def test_a_run_includes_itself_and_what_it_has_grown_from():
    small = provenance([generator()], [metric()])
    large = provenance([generator(candidates=8)], [metric(), metric("pesq")])
    assert is_contained(small, small)
    assert is_contained(small, large)
    assert not is_contained(large, small)


@pytest.mark.parametrize("change", [{"seeds": "other"}, {"options": {"steps": 9}}])
def test_a_run_with_another_generator_does_not_include_the_earlier_one(change):
    assert not is_contained(
        provenance([generator()], [metric()]), provenance([generator(**change)], [metric()])
    )


def test_noises_are_compared_only_where_they_are_known():
    noises = {"noise": "n1", "rir": "r"}
    earlier = provenance([], [], library=noises)
    assert is_contained(earlier, provenance([], [], library=noises))
    assert not is_contained(earlier, provenance([], [], library={**noises, "noise": "n2"}))
    assert is_contained(earlier, provenance([], []))


def test_metrics_that_learn_from_texts_are_compared_without_them():
    assert is_contained(provenance([], [metric(texts="t1")]), provenance([], [metric(texts="t2")]))


def test_contents_of_recordings_count_where_they_are_known():
    assert clips_digest(["a"]) != clips_digest(["a"], ["x"]) != clips_digest(["a"], ["y"])


def test_each_table_has_the_facts_that_shape_it(built):
    document = read_document(built)
    clips, candidates, scores = (
        part_record(made, document, ["a"], ["x"], ["train"])
        for made in ("clips", "candidates", "scores")
    )
    assert clips.splits
    assert not clips.generators
    assert fingerprints(candidates.generators) == fingerprints(document.provenance.generators)
    assert not candidates.panel
    assert fingerprints(scores.panel) == fingerprints(document.provenance.panel)
    assert same_clips(clips, scores)
    assert not same_clips(clips, part_record("clips", document, ["b"], ["x"], ["train"]))


def test_a_missing_part_has_no_facts(tmp_path):
    assert not read_part_record(tmp_path / "absent.parquet").is_known
