"""Tests of Ray: how it is started, which processes are planned, and nodes that leave and join."""

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gensr_pref.building import ray_cluster as clusters
from gensr_pref.building import ray_pool
from gensr_pref.building.build import build
from gensr_pref.building.ray_cluster import Crew, plan_crews, require_gpus
from gensr_pref.building.tasks import Lost, Restarted
from gensr_pref.cli.main import main
from gensr_pref.config.run_file import Engine
from gensr_pref.errors import ConfigError
from tests.refusals import raises
from tests.small_run import tables, undisturbed_tables

SLOW = ["generators.0.options.seconds=0.3", "engine.shard_clips=1"]
BOTH = ("sample", "score")


@pytest.fixture
def cluster(monkeypatch):
    """A head and two nodes of one CPU each."""
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setattr(ray_pool, "LOOK_SECONDS", 1.0)
    nodes = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
    yield nodes
    ray.shutdown()
    nodes.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_bytes_after_a_node_is_killed_and_another_joins(cluster, run, base, tmp_path, monkeypatch):
    calm = undisturbed_tables(base, tmp_path / "calm", *SLOW)
    node, out, events = cluster.add_node(num_cpus=1), tmp_path / "run", []

    after_death = ray_pool._Pool._after_death
    monkeypatch.setattr(
        ray_pool._Pool,
        "_after_death",
        lambda *arguments: events.append(after_death(*arguments)) or events[-1],
    )
    with ThreadPoolExecutor(1) as beside:
        future = beside.submit(build, run(*SLOW, "engine.kind=ray"), out, base=base)
        while not future.done() and len(list(out.glob("*/part-*"))) < 4:
            time.sleep(0.05)
        assert not future.done()
        cluster.remove_node(node, allow_graceful=False)
        cluster.add_node(num_cpus=1)
        summary = future.result()
    assert summary["complete"]
    assert not any(isinstance(event, Lost) for event in events)
    assert all(isinstance(event, Restarted) for event in events)
    assert tables(out) == calm


@pytest.mark.parametrize(
    ("settings", "cpus", "gpus", "expected"),
    [
        ({}, 8, 0, [Crew(BOTH, 8, 0, "cpu")]),
        ({"workers": 3}, 8, 0, [Crew(BOTH, 3, 0, "cpu")]),
        ({"device": "cuda"}, 16, 2, [Crew(BOTH, 2, 1, "cuda")]),
        ({"device": "cuda", "generator_gpus": 0.25, "scorer_gpus": 0.25}, 16, 1,
         [Crew(BOTH, 4, 0.25, "cuda")]),
        ({"device": "cuda", "scorer_device": "cpu"}, 16, 2,
         [Crew(("sample",), 2, 1, "cuda"), Crew(("score",), 14, 0, "cpu")]),
        ({"device": "cuda", "generator_gpus": 0.2, "scorer_gpus": 0.5, "workers": 2}, 16, 1,
         [Crew(("sample",), 2, 0.2, "cuda"), Crew(("score",), 1, 0.5, "cuda")]),
        ({"device": "cuda", "scorer_device": "cpu", "workers": 4, "scorers": 2}, 2, 0,
         [Crew(("sample",), 4, 1, "cuda"), Crew(("score",), 2, 0, "cpu")]),
    ],
)  # fmt: skip
def test_planned_processes_fit_the_resources(settings, cpus, gpus, expected):
    assert list(plan_crews(Engine(**settings), cpus, gpus)) == expected


@pytest.mark.slow
def test_separate_crews_give_the_same_bytes(run, base, tmp_path):
    """Sampling and scoring in different processes, with at most one shard waiting between them."""
    build(run("engine.shard_clips=1"), tmp_path / "serial", base=base)
    apart = ["engine.kind=ray", "engine.scorer_gpus=0", "engine.scorer_device=cpu:0"]
    few = ["engine.workers=1", "engine.scorers=1", "engine.shards_in_flight=1"]
    build(run("engine.shard_clips=1", *apart, *few), tmp_path / "ray", base=base)
    assert tables(tmp_path / "ray") == tables(tmp_path / "serial")


def test_gpus_that_this_machine_lacks_are_refused():
    engine = Engine(device="cuda")
    with raises(ConfigError, field="engine.generator_gpus", value=1.0, problem="conflict"):
        require_gpus(engine, plan_crews(engine, 8, 0), 0)
    waits = Engine(device="cuda", address="auto")
    require_gpus(waits, plan_crews(waits, 8, 0), 0)
    certain = Engine(device="cuda:1", workers=2)
    require_gpus(certain, plan_crews(certain, 8, 0), 0)


@pytest.mark.slow
def test_ray_that_is_slow_to_start_is_started_again(monkeypatch):
    """The first start times out, as on a busy machine; the second one is real."""
    import ray

    tries, init = [], ray.init

    def slow(**settings):
        tries.append(settings)
        if len(tries) == 1:
            raise Exception("The current node timed out during startup. This could happen\nbecause")
        return init(**settings)

    monkeypatch.setattr(ray, "init", slow)
    with clusters.running_ray(Engine(workers=1)):
        assert clusters.count_resources()[0] >= 1
    assert len(tries) == 2


def test_ray_that_does_not_start_is_reported_in_one_line(run, base, tmp_path, monkeypatch, capsys):
    import ray

    def slow(**settings):
        raise Exception("The current node timed out during startup. This could happen\nbecause")

    monkeypatch.setattr(ray, "init", slow)
    arguments = ["build", str(base / "run.yaml"), "--out", str(tmp_path / "run")]
    assert main([*arguments, "engine.kind=ray"]) == 1
    shown = capsys.readouterr().err.splitlines()
    began = r"gensr-pref: Ray did not start within \d+ s \(3 attempts; the last: The current node"
    assert re.match(began, shown[-1])
    assert "engine.kind=serial" in shown[-1]
    assert main([*arguments, "engine.kind=ray", "engine.address=10.0.0.1:6379"]) == 2
    shown = capsys.readouterr().err.splitlines()
    assert shown[-1].startswith("gensr-pref: engine.address: Ray at '10.0.0.1:6379' cannot be")


def test_ray_gets_more_time_than_its_default_unless_the_user_sets_it(monkeypatch):
    import ray

    name, seen = "RAY_gcs_server_port_wait_time_s", []
    monkeypatch.setattr(ray, "init", lambda **settings: seen.append(os.environ[name]))
    monkeypatch.delenv(name, raising=False)
    for given in (None, "7"):
        if given:
            monkeypatch.setenv(name, given)
        with clusters.running_ray(Engine(workers=1)):
            pass
    assert seen == ["150", "7"]


LONG = "/tmp/" + "x" * 60


def test_path_of_rays_sockets_is_short_enough(monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", "/tmp")
    assert "_temp_dir" not in clusters._init_arguments(Engine(workers=1))
    monkeypatch.setenv("TMPDIR", LONG)
    chosen = clusters._init_arguments(Engine(workers=1))["_temp_dir"]
    socket = "/session_2026-12-01_00-00-00_000000_4194304/sockets/plasma_store"
    assert len(chosen + socket) <= 107
    assert "_temp_dir" not in clusters._init_arguments(Engine(address="auto"))  # its head chooses


def test_too_long_folder_for_ray_is_refused(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", LONG)
    with raises(ConfigError, field="RAY_TMPDIR", value=LONG, problem="invalid"):
        clusters._init_arguments(Engine(workers=1))
    monkeypatch.delenv("RAY_TMPDIR")
    monkeypatch.setenv("TMPDIR", LONG)
    monkeypatch.setattr(clusters, "_SHORT", ("/no/such/folder",))
    with raises(ConfigError, field="TMPDIR", problem="invalid"):
        clusters._init_arguments(Engine(workers=1))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ray_starts_under_a_long_tmpdir(run, base, tmp_path, monkeypatch):
    folder = tmp_path / ("x" * 60)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    summary = build(
        run("corpus.limit=1", "engine.kind=ray", "engine.workers=1"), tmp_path / "r", base=base
    )
    assert summary["complete"]
