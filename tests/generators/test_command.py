"""Tests of the generator `command`: its input, its output, and its errors."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gensr_pref import audio, sample
from gensr_pref.config import plugins
from gensr_pref.errors import ConfigError, Unusable
from gensr_pref.generators.command import Command
from tests.refusals import raises

PROGRAM = Path(__file__).with_name("program.py")
ONE = ["{input}", "{output}", "{seed}"]
RATE = 16000


@pytest.fixture(scope="module")
def noisy():
    path = sorted((sample.FOLDER / "speech").glob("*.flac"))[0]
    return audio.read(path).wave[:RATE]


def command(how, *rest, **options):
    words = [sys.executable, str(PROGRAM), how, *(rest or ONE)]
    made = Command(words, **options)
    made.load("cpu")
    return made


def sample_rows(generator, noisy, seeds=(100, 200, 301)):
    rows = np.repeat(noisy[None], len(seeds), 0)
    return generator.sample(rows, [len(noisy)] * len(seeds), list(seeds))


def require_factors(candidates, noisy, factors):
    for candidate, factor in zip(candidates, factors, strict=True):
        expected = np.trunc(factor * audio.pcm16(noisy)) / 32768
        np.testing.assert_allclose(candidate.audio, expected, atol=1e-6)


def test_a_process_may_make_one_candidate(noisy):
    require_factors(sample_rows(command("note"), noisy), noisy, [0.55, 0.6, 0.6505])


@pytest.mark.parametrize(
    "rest", [("manifest", "{manifest}"), ("folders", "{input_folder}", "{output_folder}")]
)
def test_a_process_may_make_all_candidates(noisy, rest):
    factors = [0.55, 0.6, 0.6505] if rest[0] == "manifest" else [0.5005, 0.501, 0.5015]
    require_factors(sample_rows(command("plain", *rest), noisy), noisy, factors)


def test_the_command_may_be_one_text(noisy):
    made = Command(f"{sys.executable} '{PROGRAM}' note {{input}} {{output}} {{seed}}")
    [candidate] = sample_rows(made, noisy, [100])
    assert candidate.sampling == {"factor": 0.55}


def test_no_shell_reads_the_command(noisy, tmp_path):
    made = command("note; touch", *ONE, "$(touch x)", "&&", folder=str(tmp_path))
    assert isinstance(sample_rows(made, noisy, [100])[0], Unusable)  # too many arguments
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("how", "reason", "detail"),
    [
        (
            "fail",
            "generator_error",
            "exit status 3: a first line / the weights have gone sour in out/000.wav",
        ),
        ("crash", "generator_error", "ended by SIGABRT: "),
        ("nothing", "missing", "out/000.wav"),
        ("garbage", "unreadable", None),
        ("rate", "wrong_rate", "the output has 8000 Hz, not output_rate = 16000"),
    ],
)
def test_each_fault_has_its_reason(noisy, how, reason, detail):
    [fault] = sample_rows(command(how), noisy, [100])
    assert (fault.reason, detail or fault.detail) == (reason, fault.detail)
    assert "/tmp" not in fault.detail


def test_a_failing_candidate_does_not_affect_the_others(noisy):
    good, also, bad = sample_rows(command("odd"), noisy)
    require_factors([good, also], noisy, [0.55, 0.6])
    assert bad.reason == "generator_error"


def test_a_failed_batch_raises_and_can_be_tried_again(noisy):
    together = command("odd", "manifest", "{manifest}")
    with raises(Unusable, reason="generator_error"):
        sample_rows(together, noisy)
    require_factors(sample_rows(together, noisy, [200]), noisy, [0.6])


def test_a_hanging_program_is_killed_with_its_children(noisy, tmp_path):
    tally = tmp_path / "tally"
    began = time.monotonic()
    hanging = command("hang", limit_seconds=2.0, env={"TALLY": str(tally)})
    [fault] = sample_rows(hanging, noisy, [100])
    assert (fault.reason, fault.detail) == ("timed_out", "no answer within 2 s")
    assert time.monotonic() - began < 30
    _require_ended(int(tally.read_text()))


def test_interruption_ends_the_program(noisy, tmp_path):
    """The interruption may be an alarm of the build's time limit, or Ctrl-C."""
    from gensr_pref.building.time_limit import OutOfTime, time_limit

    tally = tmp_path / "tally"
    hanging = command("hang", env={"TALLY": str(tally)})
    with pytest.raises(OutOfTime), time_limit(2.0):
        sample_rows(hanging, noisy, [100])
    _require_ended(int(tally.read_text()))


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="util-linux's setpriv is not installed")
def test_a_program_does_not_outlive_a_killed_worker(tmp_path):
    """When Ray kills an actor, no code of this package can clean up."""
    source = f"""
import sys
from pathlib import Path
from gensr_pref.generators.subprocess_run import run_program
program = "import os, time; open('tally', 'w').write(str(os.getpid())); time.sleep(600)"
run_program([sys.executable, "-c", program], Path("{tmp_path}"), {{}}, 600, Path("{tmp_path}/log"))
"""
    worker = subprocess.Popen([sys.executable, "-c", source])
    tally = tmp_path / "tally"
    while not tally.exists() or not tally.read_text():
        assert worker.poll() is None
        time.sleep(0.05)
    worker.kill()
    worker.wait()
    _require_ended(int(tally.read_text()))


def _require_ended(group):
    """Fail if a process group still runs after 5 s; a zombie counts as ended."""
    for _ in range(100):
        processes = subprocess.run(
            ["ps", "-e", "-o", "pgid=,stat="], capture_output=True, text=True, check=True
        )
        states = [line.split()[1] for line in processes.stdout.splitlines()
                  if line.split()[0] == str(group)]  # fmt: skip
        if all(state.startswith("Z") for state in states):
            return
        time.sleep(0.05)
    pytest.fail(f"process group {group} still runs: {states}")


def test_the_program_runs_in_its_folder_with_its_own_environment(noisy, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/some/folder")
    made = command("environment", folder=str(tmp_path), env={"FLAVOUR": "vanilla"})
    [candidate] = sample_rows(made, noisy, [100])
    assert candidate.sampling == {
        "FLAVOUR": "vanilla",
        "PYTHONPATH": None,
        "OMP_NUM_THREADS": "1",
        "folder": os.path.realpath(tmp_path),
    }


def test_the_output_rate_may_differ_from_the_input_rate(noisy):
    [candidate] = sample_rows(command("rate", output_rate=8000), noisy, [100])
    assert candidate.rate == 8000
    assert len(candidate.audio) == len(noisy)  # as many samples, and twice as long


def test_no_temporary_files_remain(noisy, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sample_rows(command("note"), noisy)
    sample_rows(command("fail"), noisy)
    assert list(tmp_path.iterdir()) == []


def test_the_revision_follows_the_command_and_its_files(tmp_path):
    script = tmp_path / "restore.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)

    def revision(word="-x", **options):
        words = ["./restore.sh", word, "{input}", "{output}"]
        return Command(words, folder=str(tmp_path), **options).revision

    before = revision()
    assert revision() == before
    assert revision("-y") != before
    assert revision(sample_rate=8000) != before
    script.write_text("#!/bin/sh\n# changed\n")
    assert revision() != before
    assert revision(revision="v2") == "v2"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"command": ["no-such-program", *ONE]}, "'no-such-program'"),
        ({"command": ["./nothing", *ONE]}, "/nothing "),
        ({"command": ["true"]}, r"\{output\}"),
        ({"command": ["true", "{input}"]}, "input$"),
        ({"command": ["true", *ONE, "{manifest}"]}, "input, manifest, output, seed$"),
        ({"command": ["true", "{manifest}", "{seed}"]}, r"\{seed\}"),
        ({"command": ["true", *ONE, "{sed}"]}, r"\{sed\}"),
        ({"command": ["true", *ONE, "{"]}, "['{}]"),
        ({"command": []}, r"\[\]"),
        ({"command": ["true", *ONE], "limit_seconds": 0}, "limit_seconds"),
        ({"command": ["true", *ONE], "sample_rate": -1}, "sample_rate"),
    ],
)
def test_invalid_options_are_refused_before_any_work(tmp_path, options, named):
    with pytest.raises(ConfigError, match=named):
        plugins.create("generator", "command", options, "generators.0.options", tmp_path)


def test_names_are_relative_to_the_run_file(tmp_path, noisy):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "restore").write_text(f"#!/bin/sh\nexec {sys.executable} {PROGRAM} $@\n")
    (tmp_path / "bin" / "restore").chmod(0o755)
    options = {"command": ["bin/restore", "environment", *ONE]}
    made = plugins.create("generator", "command", options, "x", tmp_path)
    [candidate] = sample_rows(made, noisy, [100])
    assert candidate.sampling["folder"] == os.path.realpath(tmp_path)


def test_failures_of_a_program_are_rows_of_a_run(tmp_path):
    """A batch with a bad row is tried again row by row, and the good rows are used."""
    from gensr_pref.building.build import build
    from gensr_pref.config import run_file
    from tests.small_run import rows

    words = [sys.executable, str(PROGRAM), "odd", "manifest", "{manifest}"]
    (tmp_path / "cheap.py").write_bytes((PROGRAM.parents[1] / "cheap.py").read_bytes())
    data = {
        "corpus": {"source": {"kind": "folder", "path": str(sample.FOLDER / "speech")}, "limit": 1},
        "generators": [{"use": "command", "candidates": 6, "options": {"command": words}}],
        "panel": [{"metric": "cheap:Roughness"}],
        "engine": {"kind": "serial"},
    }
    summary = build(run_file.parse(data, run_file.Run, "test"), tmp_path / "run", base=tmp_path)
    made = rows(tmp_path / "run", "candidates")
    failed = rows(tmp_path / "run", "failures")
    assert 0 < len(made) < 6
    assert all(row["seed"] % 2 == 0 for row in made)
    assert len(made) + len(failed) == 6
    assert {row["reason"] for row in failed} == {"generator_error"}
    assert {row["detail"].startswith("exit status 3: ") for row in failed} == {True}
    assert json.loads(made[0]["sampling"]) == {}
    assert summary["complete"]
