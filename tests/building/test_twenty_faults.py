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
        """Remove a node with all its processes, and add another one."""
        self.cluster.remove_node(self.nodes.pop(rng.randrange(2)), allow_graceful=False)
        self.nodes.append(self.cluster.add_node(num_cpus=1))


@pytest.fixture
def machines(monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    machines = Machines()
    yield machines
    machines.cluster.shutdown()


def strike(kind, driver, machines, rng):
    """Cause one fault."""
    if kind == "node":
        machines.kill_node(rng)
    elif kind == "driver":
        driver.kill()
        driver.wait()
    else:
        with contextlib.suppress(ProcessLookupError):  # it may have just been replaced
            os.kill(rng.choice(busy_workers() or workers_of(os.getpid())), signal.SIGKILL)


def busy_workers():
    """Return the actors that are doing a task; the nodes are children of this process."""
    return workers_of(os.getpid(), b"ray::PoolWorker.run")


def wait_for(driver, rng):
    """Wait until an actor is doing a task, and some seconds longer; the driver must not end."""
    while driver.poll() is None and not busy_workers():
        time.sleep(0.1)
    time.sleep(rng.uniform(0, 5))
    while driver.poll() is None and not busy_workers():
        time.sleep(0.1)
    assert driver.poll() is None


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_faults_in_one_build(base, tmp_path, machines):
    calm = undisturbed_tables(base, tmp_path / "calm", *SLOW_WORK, *SLOW)
    out, rng = tmp_path / "run", random.Random(5)
    on_ray = ["engine.kind=ray", f"engine.address={machines.cluster.address}", "engine.retries=50"]
    log = tmp_path / "log"

    def start_driver():
        arguments = command(base, out, *SLOW, *on_ray)
        with log.open("ab") as file:
            return subprocess.Popen(arguments, stdout=file, stderr=file, start_new_session=True)

    order, caused = rng.sample(FAULTS, len(FAULTS)), Counter()
    driver = start_driver()
    try:
        while order:
            wait_for(driver, rng)
            strike(order[-1], driver, machines, rng)
            caused[order.pop()] += 1
            if driver.poll() is not None:
                driver = start_driver()
        assert driver.wait(timeout=1200) == 0, log.read_text()
    finally:
        driver.kill()
    assert caused == Counter(FAULTS)
    assert "starts again" in log.read_text()
    assert tables(out) == calm
    names = [row["candidate_id"] for row in rows(out, "candidates")]
    assert len(names) == len(set(names)) == 3 * len(rows(out, "clips"))
    assert not list(out.glob("*/.unfinished-*"))
