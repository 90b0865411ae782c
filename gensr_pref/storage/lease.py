"""One process at a time: a lock of the file system or, where that has none, a lease.

On a disk a process holds a file by ``flock``, which ends with the process. A store of objects has
no locks, and some file systems refuse them (Lustre mounted without ``flock``, NFS without a lock
daemon, some of FUSE). There a process holds a folder of numbered leases, which it must renew:
``PATH/NNNNNN`` on a store, ``PATH.lease/NNNNNN`` on a disk.

A lease is a file that can be created once (the store or the file system sees to that) and that its
holder writes anew every `RENEWED_SECONDS`. The highest number counts. Whoever finds it unchanged
for `STALE_SECONDS` of its own clock, or its holder's process gone from this machine, creates the
next number; a holder that sees a higher number than its own stops. No clock of one machine is ever
compared with another's. (The idea: Gray & Cheriton, "Leases", SOSP 1989.)
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
from gensr_pref.storage import files, jsonl
from gensr_pref.storage.location import is_remote
from gensr_pref.untrusted import documents

RENEWED_SECONDS = 15.0
STALE_SECONDS = 60.0  # four renewals that did not come
_LOOKED_SECONDS = 1.0  # between two looks at a lease that may be stale
_TURN_SECONDS = 0.2  # between two tries of a process that waits for its turn
# How a file system says that it has no locks: flock(2), and what Lustre, NFS and FUSE answer.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


@dataclass(frozen=True)
class Lease:
    """Who holds a run directory.

    Attributes:
        owner: a name that is drawn for every holder.
        host: its machine's name, for a person.
        machine: of which boot of which machine; empty where that cannot be known.
        pid: its process there.
        started: when the process began, as its machine counts.
        renewed: how often.
        released: whether it is over.
    """

    owner: str
    host: str
    machine: str
    pid: int
    started: str
    renewed: int = 0
    released: bool = False


@contextmanager
def held(path: Path, busy: GensrPrefError, discard: bool = False) -> Iterator[None]:
    """Keep every other process out of a file, which is made where it does not exist.

    Args:
        busy: raised where another process holds it.
        discard: remove the file at the end, by the process that holds it.

    Raises:
        StorageError: the file cannot be written or locked, or a lease was lost.
    """
    if is_remote(path):
        with _leased(path, busy):
            jsonl.forget()
            yield
        return
    with _file_to_lock(path) as lock:
        if not _is_locked_by_us(path, lock, busy):
            with _leased(_lease_folder(path), busy):
                yield
            return
        try:
            yield
        finally:
            if discard:
                path.unlink(missing_ok=True)


@contextmanager
def in_turn(path: Path, notice: str) -> Iterator[None]:
    """Hold a file as `held` does, but wait while another process holds it.

    Args:
        notice: printed once on standard error where there is something to wait for.

    Raises:
        StorageError: as `held`.
    """
    busy = GensrPrefError(notice, problem=Problem.BUSY)
    while True:
        with ExitStack() as stack:
            try:
                stack.enter_context(held(path, busy))
            except GensrPrefError as error:
                if error is not busy:
                    raise
            else:
                yield
                return
        if notice:
            print(notice, file=sys.stderr)
            notice = ""
        time.sleep(_TURN_SECONDS)
        process.check()


def is_held(path: Path) -> bool:
    """Whether a process holds a file as `held` does, as far as one look can tell."""
    if is_remote(path):
        return _is_leased(path)
    try:
        with path.open("rb") as lock:  # NFS locks for reading only what is open for reading
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        return error.errno in _NO_LOCKS and _is_leased(_lease_folder(path))
    return False


def _file_to_lock(path: Path) -> IO[bytes]:
    """A file that is open for writing, which NFS wants of what it locks."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")
    except OSError as error:
        raise files.storage_error(path, error) from error


def _is_locked_by_us(path: Path, lock: IO[bytes], busy: GensrPrefError) -> bool:
    """Lock a file that is open; false where its file system has no locks."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(lock.fileno()), path.stat()):
            raise busy  # its holder discarded it after we opened it
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
def _leased(folder: Path, busy: GensrPrefError) -> Iterator[None]:
    """Hold the lease of a folder of leases.

    Raises:
        GensrPrefError: `busy`: another process holds it.
        StorageError: the store cannot be asked, or the lease was lost to another process while
            this one could not renew it.
    """
    place, mine = _taken(folder, busy)
    over, lost = threading.Event(), threading.Event()
    beat = threading.Thread(target=_renew, args=(place, mine, over, lost), daemon=True)
    beat.start()
    try:
        yield
    except KeyboardInterrupt:
        if not lost.is_set():
            raise
        raise StorageError(
            "another process took it over while this one could not say that it "
            "still works on it. What is finished is kept; the other process continues.",
            path=folder.parent,
            problem=Problem.CHANGED,
        ) from None
    finally:
        over.set()
        beat.join()
        with suppress(StorageError, InputError):  # then it goes stale
            if not lost.is_set():
                files.write_text(place, _text(replace(mine, released=True)))


def _is_leased(folder: Path) -> bool:
    """Whether a process holds the lease, as far as one look can tell."""
    number, there = _newest(folder)
    seen = files.entry(_place(folder, number))
    if there is None or seen is None or there.released or _is_gone(there):
        return False
    return time.time() - seen.time / 1e9 < STALE_SECONDS or _is_here(there)


def _taken(folder: Path, busy: GensrPrefError) -> tuple[Path, Lease]:
    number, there = _newest(folder)
    if there is not None and _is_alive(folder, number, there):
        raise busy
    pid = os.getpid()
    mine = Lease(uuid.uuid4().hex, socket.gethostname(), _machine(), pid, _started(pid))
    place = _place(folder, number + 1)
    if not files.create(place, _text(mine)):
        raise busy
    for older in files.listed(folder):
        if older.isdecimal() and older < place.name:
            files.remove(folder / older)
    return place, mine


def _is_alive(folder: Path, number: int, there: Lease) -> bool:
    """Whether a holder is at work; where it is on another machine that takes some watching."""
    if there.released or _is_gone(there):
        return False
    if _is_here(there):
        return True
    print(
        f"{folder.parent}: process {there.pid} on {there.host} worked on it. Waiting "
        f"{STALE_SECONDS:.0f} s to see whether it still does",
        file=sys.stderr,
    )
    until = time.monotonic() + STALE_SECONDS
    while time.monotonic() < until:
        time.sleep(_LOOKED_SECONDS)
        now = _newest(folder)
        if now != (number, there):
            return now[0] != number or not (now[1] is None or now[1].released)
    return False


def _renew(place: Path, mine: Lease, over: threading.Event, lost: threading.Event) -> None:
    """Renew a lease until it is over; end the main thread's work where it is another's now."""
    while not over.wait(RENEWED_SECONDS):
        with suppress(StorageError, InputError):  # tried again; the work itself will meet it too
            mine = replace(mine, renewed=mine.renewed + 1)
            files.write_text(place, _text(mine))
            if _newest(place.parent)[0] > int(place.name):
                lost.set()
                _interrupt()
                return


def _interrupt() -> None:
    """End what the main thread does, by a signal that this process heeds."""
    heeds = callable(signal.getsignal(signal.SIGTERM))  # a job in the background ignores Ctrl-C
    number = signal.SIGTERM if heeds else signal.SIGINT
    signal.pthread_kill(threading.main_thread().ident or 0, number)


def _newest(folder: Path) -> tuple[int, Lease | None]:
    """The number and the lease that count; 0 and None where there is none."""
    names = [name for name in files.listed(folder) if name.isdecimal()]
    if not names:
        return 0, None
    try:
        found = Lease(**documents.json_of(files.read_text(folder / names[-1])))
    except (FileNotFoundError, ValueError, TypeError):
        return int(names[-1]), None
    except OSError as error:
        raise StorageError(
            f"cannot be read: {error.strerror or error}", path=folder, problem=Problem.UNREADABLE
        ) from error
    return int(names[-1]), found


def _place(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}"


def _text(lease: Lease) -> str:
    return json.dumps(asdict(lease))


def _is_gone(there: Lease) -> bool:
    """Whether the holder was a process of this machine that has ended."""
    return _is_ours(there) and _started(there.pid) != there.started


def _is_here(there: Lease) -> bool:
    """Whether the holder is a process of this machine that runs."""
    return _is_ours(there) and _started(there.pid) == there.started


def _is_ours(there: Lease) -> bool:
    return bool(there.machine) and there.machine == _machine()


def _machine() -> str:
    """This boot of this machine, and which of its spaces of process ids; empty if not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began, in ticks since the boot; empty where it has ended."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = told.rpartition(")")[2].split()  # the name before it may hold anything
    return "" if fields[0] in "ZX" else fields[19]
