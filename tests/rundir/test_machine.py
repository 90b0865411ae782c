"""Tests of the machines that computed a run: recorded per part, reported if they differ."""

import json
from dataclasses import replace

import pytest
import torch

from gensr_pref.auditing.report.write import report
from gensr_pref.auditing.run_audit import audit
from gensr_pref.building import worker
from gensr_pref.building.build import build
from gensr_pref.building.status import status
from gensr_pref.cli import audit_text
from gensr_pref.cli.status import describe_build
from gensr_pref.rundir import ledger
from gensr_pref.rundir.machine import Machine, this_machine
from gensr_pref.rundir.part_files import read_json_lines
from tests.small_run import tables

STAGES = {"sample", "score"}


@pytest.fixture
def other(monkeypatch) -> Machine:
    """Another kind of machine, which this process seems to run on."""
    made = replace(this_machine("cpu"), processor="Another", instructions="NEON", threads=1)
    monkeypatch.setattr(worker, "this_machine", lambda device: made)
    return made


def test_the_ledger_records_the_machine_of_every_part(run, base, tmp_path) -> None:
    summary = build(run(), tmp_path, base=base)
    lines = [line for line in read_json_lines(tmp_path / ledger.LEDGER) if "stage" in line]
    assert {line["stage"] for line in lines} == STAGES
    for line in lines:
        here = Machine.from_json(line["machine"])
        assert here == replace(this_machine("cpu"), threads=1)
        assert here.instructions == torch.backends.cpu.get_cpu_capability()
        assert here.torch == torch.__version__.partition("+")[0]
    assert [row["shards"] for row in summary["machines"]] == [summary["shards"]] * 2
    assert summary["notices"] == status(tmp_path)["notices"] == audit(tmp_path)["notices"] == []


def test_a_run_that_grows_on_another_machine_reports_it(run, base, tmp_path, request) -> None:
    build(run("corpus.limit=3"), tmp_path / "mixed", base=base)
    other = request.getfixturevalue("other")
    summary = build(run("corpus.limit=6"), tmp_path / "mixed", base=base)
    kinds = ledger.machines(tmp_path / "mixed")
    assert {stage: len(of) for stage, of in kinds.items()} == dict.fromkeys(STAGES, 2)
    assert all(other in of for of in kinds.values())
    told = summary["notices"]
    assert len(told) == 2
    assert all("2 kinds of machine" in one and str(other) in one for one in told)
    seen, found = status(tmp_path / "mixed"), audit(tmp_path / "mixed")
    assert seen["notices"] == found["notices"] == told
    assert told[0] in describe_build(seen)
    assert told[0] in audit_text.findings(found)
    page = report(tmp_path / "mixed", found)
    assert str(other) in page.read_text()


def test_rows_that_are_added_to_a_part_may_be_from_another_machine(run, base, tmp_path, request):
    build(run("corpus.limit=2"), tmp_path, base=base)
    request.getfixturevalue("other")
    run_file = run("corpus.limit=2", "generators.0.candidates=4")
    build(run_file, tmp_path, base=base)
    assert {sum(of.values()) for of in ledger.machines(tmp_path).values()} == {2}  # of one shard
    assert "2 kinds of machine" in json.loads((tmp_path / "summary.json").read_text())["notices"][0]


def test_parts_do_not_record_machines(run, base, tmp_path, request) -> None:
    build(run("corpus.limit=3"), tmp_path / "here", base=base)
    request.getfixturevalue("other")
    build(run("corpus.limit=3"), tmp_path / "there", base=base)
    assert tables(tmp_path / "here") == tables(tmp_path / "there")


def test_machines_of_a_later_version_are_read() -> None:
    here = this_machine("cpu")
    assert Machine.from_json({**here.as_json(), "microcode": 7}) == here
