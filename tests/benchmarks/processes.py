"""CPU seconds and memory of this process and its descendants, from /proc."""

import os
import threading
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
LOOK_SECONDS = 0.5


class Processes:
    """A block that is watched; what a process had used before does not count.

    Attributes:
        cpu_seconds: of this process.
        others_cpu_seconds: of all that it started, and of what these did (Ray's own included).
        start_mb, peak_mb: resident memory of this process before the block, and at most in it.
    """

    def __enter__(self):
        self._own, self._done = os.getpid(), threading.Event()
        self._before, self._seen = used(self._own), {}
        self.start_mb = self.peak_mb = resident_mb()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._done.set()
        self._thread.join()
        self._look()

    def _watch(self):
        while not self._done.wait(LOOK_SECONDS):
            self._look()

    def _look(self):
        self.peak_mb = max(self.peak_mb, resident_mb())
        self._seen.update(used(self._own))

    @property
    def cpu_seconds(self):
        return self._since([self._own])

    @property
    def others_cpu_seconds(self):
        return self._since([pid for pid in self._seen if pid != self._own])

    def _since(self, pids):
        return sum(self._seen[pid] - self._before.get(pid, 0.0) for pid in pids)


def used(root):
    """Process id -> CPU seconds so far, of a process and all that come from it."""
    parents, seconds = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                told = folder.joinpath("stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            parents[int(folder.name)] = int(told[1])
            seconds[int(folder.name)] = (int(told[11]) + int(told[12])) / TICKS
    return {pid: seconds[pid] for pid in seconds if comes_from(pid, root, parents)}


def comes_from(pid, root, parents):
    """Whether a process is another's, or its child's, and so on."""
    while pid not in (root, 0):
        pid = parents.get(pid, 0)
    return pid == root


def resident_mb():
    """Of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def load():
    """The machine's load averages over 1, 5 and 15 minutes."""
    return [round(one, 2) for one in os.getloadavg()]
