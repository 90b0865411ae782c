"""One process at a time: a lock of the file system or, where that has none, a lease.

On a disk a process locks a file with ``flock``, which ends with the process. An object store has
no locks, and some file systems refuse them (Lustre mounted without ``flock``, NFS without a lock
daemon, some FUSE file systems). There a process creates a numbered lease in a folder and renews it:
``PATH/NNNNNN`` in an object store, ``PATH.lease/NNNNNN`` on a disk.

A lease is a file that only one process can create (the store or the file system ensures that). Its
holder rewrites it every `RENEWAL_SECONDS`. The highest number is valid.
A process that sees it unchanged for `STALE_SECONDS` of its own clock, or whose machine no longer
runs the holder's process, creates the next number. A holder that sees a higher number than its own
stops. The clocks of two machines are never compared. (Gray & Cheriton, "Leases", SOSP 1989.)
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from gensr_pref import process
from gensr_pref.errors import GensrPrefError, InputError, Problem, StorageError
from gensr_pref.storage import files, pieces
from gensr_pref.storage.base import storage_error
from gensr_pref.storage.location import is_remote
from gensr_pref.untrusted import documents

RENEWAL_SECONDS = 15.0
STALE_SECONDS = 60.0  # four missed renewals
_POLL_SECONDS = 1.0  # between two reads of a lease that may be stale
_RETRY_SECONDS = 0.2  # between two attempts to lock
# Errors of a file system without locks: flock(2), and those of Lustre, NFS and FUSE.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


@dataclass(frozen=True)
class Lease:
    """The process that holds a run directory.

    Attributes:
        owner: random name of this holder.
        host: name of its machine, for messages.
        machine: id of the machine's current boot; empty where it is unknown.
        pid: id of the process on that machine.
        started: start time of the process, in clock ticks since the boot.
        renewed: number of renewals.
        released: whether the holder has finished.
    """

    owner: str
    host: str
    machine: str
    pid: int
    started: str
    renewed: int = 0
    released: bool = False


@contextmanager
def hold_lock(path: Path, busy: GensrPrefError, discard: bool = False) -> Iterator[None]:
    """Hold the lock on a file inside the block; create the file if it does not exist.

    Args:
        path: the file.
        busy: the error to raise if another process holds the lock.
        discard: remove the file before the lock is released.

    Raises:
        StorageError: the file cannot be written or locked, or a lease was lost.
    """
    if is_remote(path):
        with _hold_lease(path, busy):
            pieces.start_new_pieces()
            yield
        return
    with _open_lock_file(path) as lock:
        if not _lock_file(path, lock, busy):
            with _hold_lease(_lease_folder(path), busy):
                yield
            return
        try:
            yield
        finally:
            if discard:
                path.unlink(missing_ok=True)


@contextmanager
def wait_for_lock(path: Path, notice: str) -> Iterator[None]:
    """Hold the lock on a file inside the block; wait while another process holds it.

    Args:
        path: the file.
        notice: printed once on standard error if the process has to wait.

    Raises:
        StorageError: as `hold_lock`.
    """
    busy = GensrPrefError(notice, problem=Problem.BUSY)
    while True:
        with ExitStack() as stack:
            try:
                stack.enter_context(hold_lock(path, busy))
            except GensrPrefError as error:
                if error is not busy:
                    raise
            else:
                yield
                return
        if notice:
            print(notice, file=sys.stderr)
            notice = ""
        time.sleep(_RETRY_SECONDS)
        process.raise_if_interrupted()


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock on a file, as far as a single read can tell."""
    if is_remote(path):
        return _is_leased(path)
    try:
        with path.open("rb") as lock:  # NFS takes a shared lock only on a file open for reading
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        return error.errno in _NO_LOCKS and _is_leased(_lease_folder(path))
    return False


def _open_lock_file(path: Path) -> IO[bytes]:
    """Open a file for writing, which NFS requires for an exclusive lock."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")
    except OSError as error:
        raise storage_error(path, error) from error


def _lock_file(path: Path, lock: IO[bytes], busy: GensrPrefError) -> bool:
    """Lock an open file; return False where its file system has no locks."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(lock.fileno()), path.stat()):
            raise busy  # its holder removed it after this process had opened it
    except (BlockingIOError, FileNotFoundError) as error:
        raise busy from error
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise StorageError(
            f"cannot be locked: {error.strerror}", path=path, problem=Problem.UNWRITABLE
        ) from error
    return True


def _lease_folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.lease")


@contextmanager
def _hold_lease(folder: Path, busy: GensrPrefError) -> Iterator[None]:
    """Hold the newest lease of a folder inside the block.

    Raises:
        GensrPrefError: `busy`, if another process holds it.
        StorageError: the store cannot be reached, or another process took the lease over because
            this one could not renew it.
    """
    path, lease = _take_lease(folder, busy)
    over, lost = threading.Event(), threading.Event()
    renewal = threading.Thread(target=_renew, args=(path, lease, over, lost), daemon=True)
    renewal.start()
    try:
        yield
    except KeyboardInterrupt:
        if not lost.is_set():
            raise
        raise StorageError(
            "another process took over this run directory because this one could not renew its "
            "lease. Finished work is kept; the other process continues.",
            path=folder.parent,
            problem=Problem.CHANGED,
        ) from None
    finally:
        over.set()
        renewal.join()
        with suppress(StorageError, InputError):  # an unreleased lease becomes stale
            if not lost.is_set():
                files.write_text(path, _as_json(replace(lease, released=True)))


def _is_leased(folder: Path) -> bool:
    """Return whether a process holds the lease, as far as a single read can tell."""
    number, lease = _newest_lease(folder)
    entry = files.stat_file(_lease_path(folder, number))
    if lease is None or entry is None or lease.released or _has_ended_here(lease):
        return False
    return time.time() - entry.time / 1e9 < STALE_SECONDS or _is_running_here(lease)


def _take_lease(folder: Path, busy: GensrPrefError) -> tuple[Path, Lease]:
    number, existing = _newest_lease(folder)
    if existing is not None and _is_active(folder, number, existing):
        raise busy
    pid = os.getpid()
    lease = Lease(uuid.uuid4().hex, socket.gethostname(), _machine_id(), pid, _start_time(pid))
    path = _lease_path(folder, number + 1)
    if not files.create_file(path, _as_json(lease)):
        raise busy
    for older in files.list_files(folder):
        if older.isdecimal() and older < path.name:
            files.remove_file(folder / older)
    return path, lease


def _is_active(folder: Path, number: int, lease: Lease) -> bool:
    """Return whether a lease's holder still works; watch the lease of another machine's process."""
    if lease.released or _has_ended_here(lease):
        return False
    if _is_running_here(lease):
        return True
    print(
        f"{folder.parent}: process {lease.pid} on {lease.host} holds its lease. Waiting "
        f"{STALE_SECONDS:.0f} s to see whether it is still running",
        file=sys.stderr,
    )
    until = time.monotonic() + STALE_SECONDS
    while time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        newest = _newest_lease(folder)
        if newest != (number, lease):
            return newest[0] != number or not (newest[1] is None or newest[1].released)
    return False


def _renew(path: Path, lease: Lease, over: threading.Event, lost: threading.Event) -> None:
    """Renew a lease until `over` is set; interrupt the main thread if another process took it."""
    while not over.wait(RENEWAL_SECONDS):
        with suppress(StorageError, InputError):  # retried; the work itself raises the error too
            lease = replace(lease, renewed=lease.renewed + 1)
            files.write_text(path, _as_json(lease))
            if _newest_lease(path.parent)[0] > int(path.name):
                lost.set()
                _interrupt()
                return


def _interrupt() -> None:
    """Interrupt the main thread by a signal that this process handles."""
    handled = callable(signal.getsignal(signal.SIGTERM))  # a background job ignores Ctrl-C
    number = signal.SIGTERM if handled else signal.SIGINT
    signal.pthread_kill(threading.main_thread().ident or 0, number)


def _newest_lease(folder: Path) -> tuple[int, Lease | None]:
    """Return the highest number and its lease; 0 and None where the folder holds no lease."""
    names = [name for name in files.list_files(folder) if name.isdecimal()]
    if not names:
        return 0, None
    try:
        lease = Lease(**documents.parse_json(files.read_text(folder / names[-1])))
    except (FileNotFoundError, ValueError, TypeError):
        return int(names[-1]), None
    except OSError as error:
        raise StorageError(
            f"cannot be read: {error.strerror or error}", path=folder, problem=Problem.UNREADABLE
        ) from error
    return int(names[-1]), lease


def _lease_path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}"


def _as_json(lease: Lease) -> str:
    return json.dumps(asdict(lease))


def _has_ended_here(lease: Lease) -> bool:
    """Return whether the holder was a process of this machine and has ended."""
    return _is_on_this_machine(lease) and _start_time(lease.pid) != lease.started


def _is_running_here(lease: Lease) -> bool:
    """Return whether the holder is a running process of this machine."""
    return _is_on_this_machine(lease) and _start_time(lease.pid) == lease.started


def _is_on_this_machine(lease: Lease) -> bool:
    return bool(lease.machine) and lease.machine == _machine_id()


def _machine_id() -> str:
    """Return the ids of this boot and of the process-id namespace; empty where they are unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start_time(pid: int) -> str:
    """Return when a process began, in clock ticks since the boot; empty where it has ended."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = line.rpartition(")")[2].split()  # the program's name before it may contain anything
    return "" if fields[0] in "ZX" else fields[19]
