"""Tests that a build opens only its own run directory, and that it locks it."""

import shutil

import pytest

from gensr_pref.auditing.run_audit import audit
from gensr_pref.building import open_run, prepare
from gensr_pref.building.build import build
from gensr_pref.building.open_run import lock_run
from gensr_pref.building.pair import pair
from gensr_pref.errors import RunMismatchError
from gensr_pref.schema import SCHEMA_VERSION
from tests.refusals import raises
from tests.small_run import rows, tables


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


def test_difference_of_versions_alone_is_shown(copy, run, base):
    document = open_run.read_document(copy)
    other = document.with_provenance(gensr_pref="0.0.1", corpus="of that version")
    open_run.write_document(copy, other)
    for table in ("clips", "candidates", "scores"):  # parts of this version would identify the run
        shutil.rmtree(copy / table)
    with raises(
        RunMismatchError,
        value=["provenance.gensr_pref", "provenance.library.noise"],
        problem="conflict",
    ):
        build(run(), copy, base=base)


def set_version(out, version):
    """State another version of the tables in a run directory's run.yaml."""
    document = open_run.read_document(out)
    open_run.write_document(out, document.with_provenance(schema_version=version))


def test_tables_of_an_earlier_version_are_read_but_not_continued(copy, run, base):
    set_version(copy, 1)
    before = tables(copy)
    with raises(RunMismatchError, path=copy, value=1, problem="unsupported"):
        build(run(), copy, base=base)
    assert tables(copy) == before
    assert pair(copy, ["margin.level=0.001"])["pairs"] >= 0
    assert audit(copy)["clips"] > 0


def test_tables_of_a_later_version_are_not_read(copy):
    set_version(copy, SCHEMA_VERSION + 1)
    with raises(RunMismatchError, value=SCHEMA_VERSION + 1, problem="unsupported"):
        pair(copy, [])


def test_another_run_is_refused_before_its_corpus_is_read(copy, run, base, monkeypatch):
    monkeypatch.setattr(
        prepare, "plan_clips", lambda *arguments: pytest.fail("recordings were read")
    )
    for changed in ("seed=5", "corpus.limit=3", "generators.0.candidates=2"):
        with raises(RunMismatchError, value=[changed.partition("=")[0]], problem="conflict"):
            build(run(changed), copy, base=base)


def test_engine_and_pairing_may_change_in_a_finished_run(copy, run, base):
    build(run("pairing.pairs_per_clip=3", "name=other"), copy, base=base)
    assert len(rows(copy, "pairs")) > 7


@pytest.mark.parametrize("how", ["lost", "edited", "damaged"])
def test_lost_settings_are_written_again_for_the_same_run_only(copy, run, base, how):
    before, path = tables(copy), copy / "run.yaml"
    text = path.read_text()
    changed = {"edited": text.replace("seed: 0", "seed: 7"), "damaged": "]", "lost": None}[how]
    path.unlink() if changed is None else path.write_text(changed)
    with raises(RunMismatchError, path=copy, problem="changed"):
        build(run("seed=7"), copy, base=base)
    build(run(), copy, base=base)
    assert tables(copy) == before
    assert path.read_text() == text


def test_directory_in_use_is_refused(copy, run, base):
    with lock_run(copy), raises(RunMismatchError, path=copy, problem="busy"):
        build(run(), copy, base=base)


def test_changed_texts_are_refused_if_a_metric_learns_from_them(spoken, base, tmp_path):
    build(spoken(), tmp_path / "run", base=base)
    manifest = base / "spoken.csv"
    manifest.write_text(manifest.read_text().replace("sentence 1", "sentence 2"))
    with raises(
        RunMismatchError, value=["provenance.panel.0.texts", "provenance.texts"], problem="conflict"
    ):
        build(spoken(), tmp_path / "run", base=base)
