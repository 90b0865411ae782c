"""Tests of failing generators: each failure has a reason, and the rest of the clip survives."""

import time

import numpy as np
import pytest

from gensr_pref.audio import Sound
from gensr_pref.building import sampling
from gensr_pref.building.build import build
from gensr_pref.building.pair import pair
from gensr_pref.generators.base import Origin
from gensr_pref.identity import candidate_id, seed_for
from tests.cheap import Hiss
from tests.commands import run_command
from tests.small_run import rows, tables


@pytest.mark.parametrize(
    ("how", "reason", "left"),
    [
        ("nan", "not_finite", 2),
        ("silence", "silent", 2),
        ("short", "length_mismatch", 2),
        ("stereo", "length_mismatch", 2),
        ("integers", "generator_error", 2),
        ("complex", "generator_error", 2),
        ("list", "generator_error", 2),
        ("loud", "out_of_range", 2),
        ("exit", "generator_error", 0),
        ("empty", "empty", 2),
        ("raise", "generator_error", 0),
        ("fewer", "generator_error", 0),
    ],
)
def test_misbehaving_generator_is_recorded_and_the_rest_survives(
    run, base, tmp_path, how, reason, left
):
    bad = f"{{use: 'cheap:Misbehaving', candidates: 3, options: {{how: {how}}}}}"
    uses = f"[{{use: 'cheap:Hiss'}}, {bad}]"
    summary = build(run(f"generators={uses}", "corpus.limit=2"), tmp_path / "run", base=base)
    assert summary["candidates"] == 2 * (4 + left)
    assert summary["failures"] == {"candidates": {reason: 2 * (3 - left)}}
    failed = rows(tmp_path / "run", "failures")
    assert {row["reason"] for row in failed} == {reason}
    assert all(row["candidate_id"].split("/")[1] == "misbehaving" for row in failed)


def read_calls(tmp_path):
    """Return the batch sizes that the faulty generator has logged."""
    return [int(line) for line in (tmp_path / "calls").read_text().split()]


def test_only_the_rows_that_cause_a_failure_are_lost(faulty, failed, tmp_path):
    summary = faulty("one_row", candidates=6)
    made = [r for r in rows(tmp_path / "run", "candidates") if r["generator"] == "faulty"]
    assert 0 < len(made) < 12
    assert all(row["seed"] % 2 == 0 for row in made)
    assert failed()[0] == {("faulty", "generator_error"): 12 - len(made)}
    assert failed()[1][0] == "RuntimeError: an odd seed"
    assert summary["complete"]


def test_batch_too_large_for_memory_is_drawn_row_by_row(faulty, failed, tmp_path):
    assert faulty("batch_too_large")["candidates"] == 2 * (3 + 2)
    clip, check = [3, 1, 1, 1], [1, 1, 3, 1, 1, 1, 1]  # after the first: 0 twice, all, the last
    assert read_calls(tmp_path) == [*clip, *check, *clip]
    assert failed() == ({}, [])


@pytest.mark.parametrize("how", ["memory", "cpu_memory"])
def test_running_out_of_memory_has_its_own_reason(faulty, failed, how):
    summary = faulty(how)
    assert failed()[0] == {("faulty", "out_of_memory"): 6}
    assert summary["candidates"] == 4


@pytest.mark.parametrize("how", ["sleeps", "swallows"])
def test_generator_that_hangs_is_interrupted(faulty, failed, how):
    began = time.monotonic()
    summary = faulty(how, "engine.limit_seconds=1.5")
    assert time.monotonic() - began < 60
    assert failed()[0] == {("faulty", "timed_out"): 6}
    assert set(failed()[1]) == {"no answer within 1.5 s"}
    assert summary["complete"]
    assert summary["candidates"] == 4


def test_generator_that_ignores_its_seed_gives_one_candidate(faulty, failed, tmp_path):
    summary = faulty("ignores_seed")
    kept = [r for r in rows(tmp_path / "run", "candidates") if r["generator"] == "faulty"]
    assert [row["index"] for row in kept] == [0, 0]
    assert failed()[0] == {("faulty", "duplicate"): 4}
    for row in rows(tmp_path / "run", "failures"):
        assert row["duplicate_of"] == candidate_id(row["clip_id"], "faulty", 0)
        assert row["score"] is None
    assert not any("not reproducible" in notice for notice in summary["notices"])


def test_generator_may_report_a_duplicate_in_its_own_words(faulty, failed, tmp_path):
    assert faulty("own_words")["complete"]
    assert failed()[0] == {("faulty", "duplicate"): 2}
    assert {row["duplicate_of"] for row in rows(tmp_path / "run", "failures")} == {None}


def test_notice_of_a_generator_that_is_not_reproducible(faulty, base, tmp_path, capsys):
    summary = faulty("other_every_time")
    [notice] = summary["notices"]
    assert notice.startswith("generator 'faulty' is not reproducible")
    assert f"note: {notice}" in capsys.readouterr().err
    assert summary["candidates"] == 10
    again = faulty("other_every_time")  # everything exists, so nothing is drawn again
    assert again["notices"] == [notice]
    assert pair(tmp_path / "run", ["margin.level=0.001"])["notices"] == [notice]
    for path in (tmp_path / "run").glob("*/part-00000*"):
        path.unlink()
    assert len(faulty("other_every_time")["notices"]) == 1  # made again, with one notice


def test_notice_of_a_generator_that_draws_a_batch_from_one_seed(faulty):
    [notice] = faulty("first_seed")["notices"]
    assert notice.startswith("generator 'faulty'")
    assert "seeds[b]" in notice


def test_values_that_no_table_can_store_lose_only_their_candidate(faulty, failed):
    summary = faulty("odd_parts", candidates=6)
    assert summary["complete"]
    assert summary["candidates"] == 4  # those of the other generator
    reasons = {"generator_error": 8, "not_finite": 2, "wrong_rate": 2}
    assert failed()[0] == {("faulty", reason): count for reason, count in reasons.items()}


def test_generator_may_change_the_working_folder(faulty, base, monkeypatch):
    monkeypatch.chdir(base)
    assert faulty("moves")["complete"]


def test_rounding_gives_no_notice(faulty):
    assert faulty("rounds")["notices"] == []


def test_reproducibility_test_does_not_change_the_tables(faulty, run, base, tmp_path, monkeypatch):
    faulty("one_row")
    monkeypatch.setattr("gensr_pref.building.worker.reproducibility_notice", lambda *asked: None)
    before = tables(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "first")
    faulty("one_row")
    assert tables(tmp_path / "run") == before


def test_error_in_place_of_a_candidate_is_its_failure(faulty, failed):
    assert faulty("answers_errors")["candidates"] == 2 * (2 + 2)
    assert failed()[0] == {("faulty", "generator_error"): 2}
    assert set(failed()[1]) == {"ValueError: no voice in it"}


def test_candidate_may_have_its_own_rate(faulty, failed, tmp_path):
    faulty("other_rate")
    made = [r for r in rows(tmp_path / "run", "candidates") if r["generator"] == "faulty"]
    clips = {row["clip_id"]: row for row in rows(tmp_path / "run", "clips")}
    assert {row["sample_rate"] for row in made} == {8000}
    for row in made:
        assert row["num_samples"] == clips[row["clip_id"]]["num_samples"] // 2
    assert failed()[0] == {
        ("faulty", "length_mismatch"): 2
    }  # half the duration at the generator rate
    scored = {r["candidate_id"]: r for r in rows(tmp_path / "run", "scores")}
    assert all(scored[row["candidate_id"]]["roughness"] is not None for row in made)


def test_generators_compute_in_full_precision():
    import torch

    class Settings(Hiss):
        def sample(self, noisy, lengths, seeds):
            settings.append(torch.backends.cudnn.conv.fp32_precision)
            return super().sample(noisy, lengths, seeds)

    settings = []
    noisy = Sound(np.full(1600, 0.1, np.float32), 16000)
    request = sampling.GeneratorRequest("settings", Settings(), "1", 2)
    made = sampling.sample_clip(Origin("a", "a", 16000, 0, 1600, 1600), noisy, request, seed_for)
    assert len(made.rows) == 2
    assert settings == ["ieee"]


def test_time_limit_may_change_in_an_existing_run(faulty, tmp_path):
    faulty("one_row")
    assert faulty("one_row", "engine.limit_seconds=9")["complete"]
    assert run_command("pair", tmp_path / "run") == 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out_of_memory"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), "out_of_memory"),
        (RuntimeError("CUDA error: invalid argument"), "generator_error"),
    ],
)
def test_errors_have_reasons(error, reason):
    assert sampling.to_unusable(error).reason == reason
