"""A test that kills driver, actors and nodes 20 times in one build: the bytes stay the same."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter

import pytest

from tests.building.test_interruption import SLOW_WORK, command, workers_of
from tests.small_run import rows, tables, undisturbed_tables

FAULTS = ["driver", "actor", "node"] * 6 + ["driver", "actor"]
SLOW = ["generators.0.options.seconds=6", "panel.0.options.seconds=3", "engine.shard_clips=1"]


class Machines:
    """Two Ray nodes of one CPU each beside a head that does no work."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [self.cluster.add_node(num_cpus=1) for _ in range(2)]

    def kill_node(self, rng):
        """One is lost with all its processes, and another one comes."""
        self.cluster.remove_node(self.nodes.pop(rng.randrange(2)), allow_graceful=False)
        self.nodes.append(self.cluster.add_node(num_cpus=1))


@pytest.fixture
def machines(monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = Machines()
    yield made
    made.cluster.shutdown()


def strike(kind, driver, machines, rng):
    """One fault."""
    if kind == "node":
        machines.kill_node(rng)
    elif kind == "driver":
        driver.kill()
        driver.wait()
    else:
        with contextlib.suppress(ProcessLookupError):  # it may just have been replaced
            os.kill(rng.choice(at_work() or workers_of(os.getpid())), signal.SIGKILL)


def at_work():
    """The actors that are at a task; the nodes are children of this process."""
    return workers_of(os.getpid(), b"ray::PoolWorker.run")


def wait_for(driver, rng):
    """Until an actor is at work, and some seconds more, as long as the driver lives."""
    while driver.poll() is None and not at_work():
        time.sleep(0.1)
    time.sleep(rng.uniform(0, 5))
    while driver.poll() is None and not at_work():
        time.sleep(0.1)
    assert driver.poll() is None


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_faults_in_one_build(base, tmp_path, machines):
    calm = undisturbed_tables(base, tmp_path / "calm", *SLOW_WORK, *SLOW)
    out, rng = tmp_path / "run", random.Random(5)
    on_ray = ["engine.kind=ray", f"engine.address={machines.cluster.address}", "engine.retries=50"]
    log = tmp_path / "log"

    def started():
        arguments = command(base, out, *SLOW, *on_ray)
        with log.open("ab") as file:
            return subprocess.Popen(arguments, stdout=file, stderr=file, start_new_session=True)

    order, struck = rng.sample(FAULTS, len(FAULTS)), Counter()
    driver = started()
    try:
        while order:
            wait_for(driver, rng)
            strike(order[-1], driver, machines, rng)
            struck[order.pop()] += 1
            if driver.poll() is not None:
                driver = started()
        assert driver.wait(timeout=1200) == 0, log.read_text()
    finally:
        driver.kill()
    assert struck == Counter(FAULTS)
    assert "starts again" in log.read_text()
    assert tables(out) == calm
    made = [row["candidate_id"] for row in rows(out, "candidates")]
    assert len(made) == len(set(made)) == 3 * len(rows(out, "clips"))
    assert not list(out.glob("*/.unfinished-*"))
