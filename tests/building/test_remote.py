"""Tests of run directories at a URL: their content, the server requests, and failures."""

import json
import os
import random
import signal
import subprocess
import threading
import time
import uuid
from pathlib import Path

import fsspec
import pytest

import gensr_pref
from gensr_pref.auditing.listening import answers
from gensr_pref.auditing.run_audit import audit
from gensr_pref.building import open_run
from gensr_pref.building.build import build
from gensr_pref.building.status import status
from gensr_pref.cli.main import main
from gensr_pref.config import run_file
from gensr_pref.errors import InputError, RunMismatchError
from gensr_pref.rundir import part_files
from gensr_pref.rundir.ledger import Stamps
from gensr_pref.storage import objects
from gensr_pref.storage.location import parse_location
from tests.building.test_interruption import COMMAND, SLOW_WORK
from tests.commands import run_command, run_json, start
from tests.refusals import raises, refuses
from tests.s3_server import BUCKET, KEYS
from tests.small_run import TABLES, tables, undisturbed_tables


@pytest.fixture(scope="module")
def local(base, tmp_path_factory):
    """The parts of the same run on a disk, by name."""
    out = tmp_path_factory.mktemp("local") / "run"
    build(run_file.load(base / "run.yaml"), out, base=base)
    return tables(out)


@pytest.fixture(scope="module")
def uploaded(s3_server, base):
    """The run on the server, which no test changes."""
    out = parse_location(f"s3://{BUCKET}/{uuid.uuid4().hex}")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment.items():
            patch.setenv(name, value)
        build(run_file.load(base / "run.yaml"), out, base=base)
    return out


@pytest.fixture
def out(uploaded, bucket):
    """A copy of the run, which a test may change."""
    system = fsspec.filesystem("s3", use_listings_cache=False)
    for name in system.find(uploaded.path):
        system.copy(name, bucket.path + name.removeprefix(uploaded.path))
    return bucket


def contents(out) -> dict[str, bytes]:
    """Every part of a run directory at a URL, by name."""
    return {
        f"{table}/{path.name}": objects.read_object(path)
        for table in TABLES
        for path in part_files.parts(out, table)
    }


def everything(out) -> dict[str, bytes]:
    system = fsspec.filesystem("s3", use_listings_cache=False)
    return {name: system.cat_file(name, start=0) for name in system.find(out.path)}


def test_same_bytes_as_on_a_disk(uploaded, s3, local):
    assert contents(uploaded) == local


def test_same_bytes_in_memory(local, run, base):
    out = parse_location(f"memory://{uuid.uuid4().hex}/run")
    build(run(), out, base=base)
    assert contents(out) == local
    assert status(out)["state"] == "finished"


@pytest.mark.usefixtures("unrendered_figures")
def test_commands_work_on_a_url(out, base, capsys):
    assert main(["status", str(out)]) == 0
    assert "finished" in capsys.readouterr().out
    assert main(["pair", str(out), "margin.roughness=0.001"]) == 0
    assert open_run.read_document(out).pairing["margin"] == {"roughness": 0.001}
    capsys.readouterr()
    assert main(["audit", str(out)]) == 0
    assert f"Written to {out}/audit/report.html" in capsys.readouterr().out
    assert b"<html" in objects.read_object(out / "audit" / "report.html")[:200]
    refuses(["audit", out, "--open"], InputError, path=out, problem="unsupported")


def test_audit_equals_that_of_a_disk(out, run, base, tmp_path):
    build(run(), tmp_path / "run", base=base)
    assert json.dumps(audit(out)) == json.dumps(audit(tmp_path / "run"))


def test_plan_saves_its_pilot_at_a_url(bucket, base):
    report = run_json("plan", base / "run.yaml", "--out", bucket, "--clips", 2)
    assert report["pilot"] == {"clips": 2, "pairs": report["pilot"]["pairs"], "out": f"{bucket}"}
    assert report["disk_gb"] > 0
    assert len(part_files.parts(bucket, "clips")) == 1


def test_answers_of_listeners_are_saved(out):
    heard = {"kind": "pair", "clip_id": "c", "chosen_id": "c/0", "rejected_id": "c/1"}
    for trial in ("one", "two"):
        answers.save_answer(
            out, {"listener": "ann", "trial": trial, "preferred": "chosen", **heard}
        )
    assert answers.list_listeners(out) == ["ann"]
    assert [vote["trial"] for vote in answers.read_answers(out, "ann")] == ["one", "two"]


def test_secrets_are_in_no_file(uploaded, s3, console):
    assert run_command("status", uploaded, "--json") == 0
    console.require_absent(*KEYS.values())
    for value in KEYS.values():
        assert not [
            name for name, content in everything(uploaded).items() if value.encode() in content
        ]


def test_checking_a_finished_run_downloads_no_part(uploaded, s3):
    """A listing of each table and the ledger are enough."""
    s3.forget()
    stamps = Stamps(uploaded)
    for table in ("clips", "candidates", "scores"):
        assert stamps.count_rows(table) > 0
        for path in part_files.parts(uploaded, table):
            assert stamps.is_intact(path)
    assert not [path for _, path, _ in s3.asked if path.endswith(".parquet")]
    assert s3.counted()["LIST"] <= 1 + 5 + 3 + 1  # more for missing folders


def test_running_again_writes_no_part_but_pairs(out, run, base, s3):
    before = contents(out)
    s3.forget()
    build(run(), out, base=base)
    written = [path for kind, path, _ in s3.asked if kind == "PUT" and "/part-" in path]
    assert [Path(path).parent.name for path in written] == ["pairs"]
    of_parts = [path for kind, path, _ in s3.asked if "/part-" in path and "/pairs/" not in path]
    assert len(of_parts) <= 4 * 5 + 1  # four shards
    assert contents(out) == before


@pytest.mark.parametrize("table", ["clips", "candidates", "scores"])
def test_object_with_a_changed_byte_is_made_again(out, run, base, local, table, capsys):
    path = part_files.part(out, table, 1)
    content = bytearray(objects.read_object(path))
    content[len(content) // 2] ^= 0x10
    objects.write_object(path, bytes(content))
    build(run(), out, base=base)
    assert contents(out) == local
    assert f"{path}: is not what was written" in capsys.readouterr().err


def test_missing_files_are_made_again(out, run, base, local):
    objects.remove_object(part_files.part(out, "scores", 1))
    objects.remove_object(part_files.part(out, "candidates", 2))
    objects.remove_object(out / "summary.json")
    build(run(), out, base=base)
    assert contents(out) == local


def test_copied_objects_are_kept(out, run, base, local, monkeypatch):
    """A copy in another store has other tags, but the same checksums."""
    copy = parse_location(f"memory://{uuid.uuid4().hex}/run")
    system = fsspec.filesystem("memory")
    for name, content in everything(out).items():
        system.pipe(copy.path + name.removeprefix(out.path), content)
    monkeypatch.setattr("gensr_pref.building.worker.sample_clip", None)
    assert build(run(), copy, base=base)["complete"]
    assert contents(copy) == local


def test_run_can_be_extended(out, run, base, tmp_path):
    more = run("generators.0.candidates=4")
    build(more, out, base=base)
    build(more, tmp_path / "run", base=base)
    assert contents(out) == tables(tmp_path / "run")


def test_second_build_is_refused(out, run, base, capsys):
    with open_run.lock_run(out):
        assert status(out)["state"] == "starting"  # locked, and no snapshot yet
        with raises(RunMismatchError, problem="busy"):
            build(run(), out, base=base)
        refuses(["pair", out], RunMismatchError, path=out, problem="busy")


def test_other_run_is_refused(uploaded, s3, run, base):
    with raises(RunMismatchError, value=["seed"], problem="conflict"):
        build(run("seed=1"), uploaded, base=base)


def test_wrong_bucket_is_refused(run, base, s3):
    build_it = ["build", str(base / "run.yaml"), "--out", "s3://no-such-bucket/run"]
    for arguments in (build_it, ["status", "s3://no-such-bucket/run"]):
        refuses(arguments, InputError, path="s3://no-such-bucket/run", problem="missing")


def test_empty_folder_is_not_a_run_directory(bucket, capsys):
    refuses(["status", bucket], RunMismatchError, path=bucket, problem="missing")


# Builds that are stopped and continued


def command(base, out, *overrides):
    return [*COMMAND, str(base / "run.yaml"), "--out", str(out), *SLOW_WORK, *overrides]


@pytest.fixture(scope="module")
def undisturbed(base, tmp_path_factory):
    """The parts of an undisturbed run on a disk, by name."""
    return undisturbed_tables(base, tmp_path_factory.mktemp("undisturbed") / "run", *SLOW_WORK)


def environment(s3):
    root = str(Path(gensr_pref.__file__).parents[1])
    return {**os.environ, **s3.environment, "PYTHONPATH": root}


def puts_of_parts(s3) -> int:
    return sum(kind == "PUT" and "/part-" in path for kind, path, _ in s3.asked)


def wait_for(process, s3, count):
    while process.poll() is None and puts_of_parts(s3) < count:
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "kills"), [("serial", 3), ("ray", 1)])
def test_bytes_after_being_killed(base, bucket, s3, undisturbed, kind, kills):
    """No object is ever incomplete, and the missing ones are made with the same bytes."""
    arguments = command(base, bucket, f"engine.kind={kind}", "engine.workers=2")
    rng, killed = random.Random(0), 0
    for _ in range(kills):
        s3.forget()
        process = start(arguments, env=environment(s3))
        wait_for(process, s3, rng.randint(1, 4))
        time.sleep(rng.uniform(0, 0.3))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.communicate()
        assert contents(bucket).items() <= undisturbed.items()
    assert killed
    subprocess.run(arguments, env=environment(s3), check=True, capture_output=True)
    assert contents(bucket) == undisturbed


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["serial", "ray"])
def test_build_continues_after_the_server_was_stopped(base, bucket, s3, undisturbed, kind):
    arguments = command(base, bucket, f"engine.kind={kind}", "engine.workers=2")
    process = subprocess.Popen(
        arguments, env=environment(s3), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    shown = []
    reader = threading.Thread(target=lambda: shown.append(process.stderr.read()))
    reader.start()
    wait_for(process, s3, 2)
    s3.stop()
    try:
        assert process.wait(timeout=240) == 1
        reader.join()
    finally:
        s3.start()
        process.stderr.close()
    assert f"gensr-pref: {bucket}" in shown[0]
    assert objects._RESUME in shown[0]
    assert "Traceback" not in shown[0]
    assert not any(value in shown[0] for value in KEYS.values())
    assert len(contents(bucket)) < len(undisturbed)
    subprocess.run(arguments, env=environment(s3), check=True, capture_output=True)
    assert contents(bucket) == undisturbed


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_audio_does_not_pass_through_the_driver(base, bucket, s3, undisturbed):
    """Ray workers write to the server themselves, each part once."""
    arguments = command(base, bucket, "engine.kind=ray", "engine.workers=2")
    subprocess.run(arguments, env=environment(s3), check=True, capture_output=True)
    assert contents(bucket) == undisturbed
    uploaded = [path for kind, path, _ in s3.asked if kind == "PUT" and "/candidates/" in path]
    assert len(uploaded) == len(set(uploaded)) == 4
