"""Tests of fetching weights, from a correct server and from faulty ones."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import namedtuple

import pytest

from gensr_pref.errors import FetchError, InputError, MissingWeightsError, StorageError
from gensr_pref.weights import catalogue, download, fetch
from gensr_pref.weights.catalogue import CATALOGUE, Checkpoint
from tests.file_server import FileServer
from tests.refusals import raises, require_absent

BODY = random.Random(0).randbytes(500_000)
OTHER = random.Random(1).randbytes(500_000)
DIGEST = hashlib.sha256(BODY).hexdigest()
OTHER_DIGEST = hashlib.sha256(OTHER).hexdigest()
SECRET = "hf_sEcReT"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in (catalogue.OFFLINE, catalogue.MIRROR):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(catalogue.CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(download, "WAIT_S", 0.0)
    return tmp_path / "cache"


@pytest.fixture
def server():
    with FileServer(BODY) as running:
        yield running


@pytest.fixture
def thing(server, monkeypatch):
    """A checkpoint whose size and digest are published."""
    one = Checkpoint("thing", f"{server.url}/a/thing.bin", "MIT", "1", len(BODY), DIGEST, "Mind.")
    monkeypatch.setitem(CATALOGUE, "thing", one)
    return one


@pytest.fixture
def plain(server, monkeypatch):
    """A checkpoint of which neither is known."""
    one = Checkpoint("plain", f"{server.url}/plain.bin", "MIT", "1")
    monkeypatch.setitem(CATALOGUE, "plain", one)
    return one


def left(cache):
    """What is in the cache besides locks."""
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith(".lock"))


def fetch_cut(server, name, *cuts):
    """A fetch that is cut off so many times that it gives up."""
    server.cuts = [*cuts, *[0] * download.TRIES]
    with pytest.raises(FetchError):
        fetch.fetch([name])
    server.cuts = []
    server.asked.clear()


def test_fetched_file_is_complete_and_has_its_digest(cache, thing):
    (row,) = fetch.fetch(["thing"])
    assert row == {
        "name": "thing",
        "path": f"{cache}/thing.bin",
        "sha256": DIGEST,
        "digest": "as published",
        "licence": "MIT",
        "notice": "Mind.",
    }
    assert catalogue.find_weights("thing").read_bytes() == BODY
    assert left(cache) == ["thing.bin", "thing.bin.sha256"]


def test_cached_file_is_not_fetched_again(server, thing):
    fetch.fetch(["thing", "thing"])
    fetch.fetch(["thing"])
    assert len(server.asked) == 1


def test_file_copied_by_hand_is_accepted(cache, server, thing):
    cache.mkdir()
    (cache / "thing.bin").write_bytes(BODY)
    assert fetch.fetch(["thing"])[0]["sha256"] == DIGEST
    assert server.asked == []


def test_damaged_file_in_the_cache_is_refused_and_not_deleted(cache, thing):
    cache.mkdir()
    (cache / "thing.bin").write_bytes(OTHER)
    assert {row["here"] for row in fetch.list_checkpoints() if row["name"] == "thing"} == {"yes"}
    with raises(MissingWeightsError, path="thing.bin", problem="damaged"):
        fetch.fetch(["thing"])
    (cache / "thing.bin").write_bytes(OTHER[:-1])
    assert {row["here"] for row in fetch.list_checkpoints() if row["name"] == "thing"} == {
        "damaged"
    }


def test_unknown_name_is_refused_before_any_download(server, thing):
    with raises(InputError, value="thin", problem="unknown"):
        fetch.fetch(["thing", "thin"])
    assert server.asked == []


def test_failed_checkpoint_does_not_stop_the_others(cache, server, thing, plain, monkeypatch):
    gone = Checkpoint("gone", f"{server.url}/gone.bin", "MIT", "1", 7)
    spoilt = Checkpoint("spoilt", f"{server.url}/spoilt.bin", "MIT", "1", 7)
    monkeypatch.setitem(CATALOGUE, "gone", gone)
    monkeypatch.setitem(CATALOGUE, "spoilt", spoilt)
    cache.mkdir()
    (cache / "spoilt.bin").write_bytes(b"other")
    server.answers = [404]
    with pytest.raises(fetch.PartlyFetchedError) as caught:
        fetch.fetch(["gone", "thing", "spoilt", "plain"])
    assert [row["name"] for row in caught.value.rows] == ["thing", "plain"]
    facts = {name: (error.value, error.problem) for name, error in caught.value.failed.items()}
    assert facts == {"gone": (404, "refused"), "spoilt": (5, "damaged")}
    _, *reasons = str(caught.value).splitlines()
    assert reasons == [f"  {name}: {error}" for name, error in caught.value.failed.items()]
    assert catalogue.find_weights("plain").read_bytes() == BODY
    assert not isinstance(caught.value, InputError)  # which would end with 2, as a bad name does


# Cut off and continued.


def test_interrupted_download_resumes(server, thing):
    server.cuts = [100_000, 0, 0, 50_000, 0, 0, 0]
    fetch.fetch(["thing"])
    assert catalogue.find_weights("thing").read_bytes() == BODY
    assert server.spans == [
        None,
        *["bytes=100000-"] * 3,
        *["bytes=150000-"] * 4,
    ]
    assert {headers["If-Range"] for _, headers in server.asked[1:]} == {'"one"'}


def test_next_command_resumes(server, thing):
    fetch_cut(server, "thing", 123_456)
    fetch.fetch(["thing"])
    assert server.spans == ["bytes=123456-"]
    assert catalogue.find_weights("thing").read_bytes() == BODY


def test_date_is_a_validator_for_resuming(server, thing):
    server.etag, server.modified = 'W/"weak"', "Wed, 21 Oct 2015 07:28:00 GMT"
    fetch_cut(server, "thing", 1000)
    fetch.fetch(["thing"])
    ((_, headers),) = server.asked
    assert (headers["Range"], headers["If-Range"]) == ("bytes=1000-", server.modified)


def test_download_without_validator_restarts(server, plain):
    server.etag = None
    fetch_cut(server, "plain", 1000)
    fetch.fetch(["plain"])
    assert server.spans == [None]
    assert catalogue.find_weights("plain").read_bytes() == BODY


@pytest.mark.parametrize("later", [None, '"two"'])
def test_download_without_validator_resumes_if_the_digest_is_known(server, thing, later):
    server.etag = None
    fetch_cut(server, "thing", 1000)
    server.etag = later
    fetch.fetch(["thing"])
    ((_, headers),) = server.asked
    assert headers["Range"] == "bytes=1000-"
    assert "If-Range" not in headers
    assert catalogue.find_weights("thing").read_bytes() == BODY


def test_pieces_of_two_files_are_deleted(cache, server, thing):
    server.etag = None
    fetch_cut(server, "thing", 1000)
    server.body = OTHER
    with raises(FetchError, path="thing.bin", problem="damaged"):
        fetch.fetch(["thing"])
    assert left(cache) == []
    server.body = BODY
    fetch.fetch(["thing"])
    assert server.spans == ["bytes=1000-", None]


def test_message_does_not_promise_to_resume_what_would_restart(server, plain):
    server.etag, server.cuts = None, [1000] * 9
    with raises(FetchError, path="plain.bin", value=1000, problem="offline") as caught:
        fetch.fetch(["plain"])
    assert caught.value.__cause__.__cause__ is None  # the body was cut, and nothing else
    assert "1000 bytes" not in str(caught.value)


@pytest.mark.parametrize("if_range", [True, False])
def test_changed_file_restarts(server, plain, if_range):
    fetch_cut(server, "plain", 1000)
    server.body, server.etag, server.if_range = OTHER, '"two"', if_range
    fetch.fetch(["plain"])
    assert catalogue.find_weights("plain").read_bytes() == OTHER
    assert server.spans == (["bytes=1000-"] if if_range else ["bytes=1000-", None])


def test_server_without_ranges_restarts(server, thing):
    fetch_cut(server, "thing", 1000)
    server.ranges = False
    fetch.fetch(["thing"])
    assert catalogue.find_weights("thing").read_bytes() == BODY


def test_complete_part_file_is_used(cache, server, plain):
    fetch_cut(server, "plain", 1000)
    (cache / "plain.bin.part").write_bytes(BODY)
    fetch.fetch(["plain"])
    assert server.spans == [f"bytes={len(BODY)}-"]


def test_part_file_that_is_too_long_is_deleted(cache, server, plain):
    fetch_cut(server, "plain", 1000)
    (cache / "plain.bin.part").write_bytes(BODY + b"more")
    fetch.fetch(["plain"])
    assert catalogue.find_weights("plain").read_bytes() == BODY


def test_download_without_progress_fails(server, thing):
    server.cuts = [1000] + [0] * 100
    with raises(FetchError, path="thing.bin", value=1000, problem="offline") as caught:
        fetch.fetch(["thing"])
    assert caught.value.__cause__.__cause__ is None
    assert "1000 bytes" in str(caught.value)
    assert len(server.asked) == 1 + download.TRIES


def test_restarting_download_without_progress_fails(server, thing):
    server.ranges = False
    server.cuts = [1000, 500] * 100
    with raises(FetchError, path="thing.bin", value=1000, problem="offline") as caught:
        fetch.fetch(["thing"])
    assert caught.value.__cause__.__cause__ is None
    assert len(server.asked) == 1 + download.TRIES


def test_killed_fetch_resumes(cache, server, monkeypatch):
    body = random.Random(2).randbytes(CATALOGUE["nisqa"].size)
    server.body, server.pause = body, 0.1
    program = "from gensr_pref.weights import fetch; fetch.fetch(['nisqa'])"
    setting = {**os.environ, catalogue.MIRROR: server.url}
    part = cache / "nisqa.tar.part"
    with subprocess.Popen([sys.executable, "-c", program], env=setting) as child:
        while not (part.is_file() and part.stat().st_size):
            assert child.poll() is None
            time.sleep(0.01)
        child.kill()
    here = part.stat().st_size
    server.asked.clear()
    one = Checkpoint("nisqa", f"{server.url}/nisqa.tar", "MIT", "1", len(body))
    monkeypatch.setitem(CATALOGUE, "nisqa", one)
    fetch.fetch(["nisqa"])
    assert server.spans == [f"bytes={here}-"]
    assert catalogue.find_weights("nisqa").read_bytes() == body


# Not the file, or not at all.


def test_file_with_another_digest_is_refused_and_deleted(cache, server, thing):
    server.body = OTHER
    found = hashlib.sha256(OTHER).hexdigest()
    with raises(FetchError, path="a/thing.bin", value=found, problem="damaged"):
        fetch.fetch(["thing"])
    assert left(cache) == []


def test_file_with_another_size_is_refused_at_once(cache, server, thing):
    server.body = BODY + b"more"
    with raises(FetchError, value=500004, path="thing.bin", problem="damaged"):
        fetch.fetch(["thing"])
    assert left(cache) == []
    assert len(server.asked) == 1


def test_login_page_is_refused(cache, server, plain):
    server.kind = "text/html; charset=utf-8"
    with raises(FetchError, path="plain.bin", problem="refused"):
        fetch.fetch(["plain"])
    assert left(cache) == []


def test_endless_response_is_refused(cache, server, thing):
    server.body, server.length = BODY + b"more", 0
    with raises(FetchError, path="thing", value=500000, problem="damaged"):
        fetch.fetch(["thing"])
    assert left(cache) == []


def test_response_of_unknown_length_may_be_cut_off(server, thing):
    server.length, server.cuts = 0, [1000]
    fetch.fetch(["thing"])
    assert server.spans == [None, "bytes=1000-"]


@pytest.mark.parametrize(
    ("code", "advice"), [(404, "Copy the file"), (403, "Is a login"), (418, "")]
)
def test_refusal_is_reported_at_once(server, thing, code, advice):
    server.answers = [code] * 9
    with raises(FetchError, path="thing.bin", value=code, problem="refused") as caught:
        fetch.fetch(["thing"])
    assert advice in str(caught.value)
    assert len(server.asked) == 1


def test_busy_server_is_tried_again(server, thing):
    server.answers = [503, 429, 500]
    fetch.fetch(["thing"])
    assert len(server.asked) == 4


def test_server_that_stays_busy_is_an_error(server, thing):
    server.answers = [503] * 99
    with raises(FetchError, path="thing.bin", value=0, problem="offline") as caught:
        fetch.fetch(["thing"])
    assert caught.value.__cause__.__cause__.code == 503
    assert len(server.asked) == download.TRIES


def test_unreachable_server_is_an_error(server, thing, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # not listening
        monkeypatch.setenv(catalogue.MIRROR, f"http://127.0.0.1:{free.getsockname()[1]}")
        with raises(FetchError, path="thing.bin", value=0, problem="offline") as caught:
            fetch.fetch(["thing"])
        assert isinstance(caught.value.__cause__.__cause__.reason, ConnectionRefusedError)


def test_server_that_never_answers_is_an_error(thing, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT_S", 0.05)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        monkeypatch.setenv(catalogue.MIRROR, f"http://127.0.0.1:{deaf.getsockname()[1]}")
        with raises(FetchError, path="thing.bin", value=0, problem="offline") as caught:
            fetch.fetch(["thing"])
        assert isinstance(caught.value.__cause__.__cause__, TimeoutError)


def test_download_that_stalls_repeatedly_completes(server, thing, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT_S", 0.05)
    server.pause = 0.3
    fetch.fetch(["thing"])
    assert len(server.asked) > download.TRIES
    assert catalogue.find_weights("thing").read_bytes() == BODY


# Where from.


def test_redirect_is_followed(server, thing):
    server.redirects = {"/a/thing.bin": "/b/elsewhere"}
    fetch.fetch(["thing"])
    assert [path for path, _ in server.asked] == ["/a/thing.bin", "/b/elsewhere"]


def test_redirect_away_from_https_is_refused(server, thing):
    server.redirects = {"/a/thing.bin": f"http://files.example/x?sig={SECRET}"}
    with raises(
        FetchError, value="http://files.example/x", path="thing.bin", problem="unsafe"
    ) as caught:
        fetch.fetch(["thing"])
    require_absent(caught.value, SECRET)


@pytest.mark.parametrize("there", ["http://127.0.0.1/x", "http://h/x", "ftp://h/x", "file:///x"])
def test_https_redirects_to_https_only(there):
    request = urllib.request.Request("https://host/file")
    with raises(FetchError, path="https://host/file", value=there, problem="unsafe"):
        download._Redirects().redirect_request(request, io.BytesIO(), 302, "", {}, there)


@pytest.mark.parametrize(
    "mirror",
    [
        f"http://{SECRET}@files.example/x",
        "ftp://127.0.0.1/x",
        "file:///x",
        "http://127.0.0.2.nip.io",
    ],
)
def test_mirror_must_be_https_or_local(server, thing, mirror, monkeypatch):
    monkeypatch.setenv(catalogue.MIRROR, mirror)
    with raises(InputError, field=catalogue.MIRROR) as caught:
        fetch.fetch(["thing"])
    require_absent(caught.value, SECRET)


@pytest.mark.parametrize("mirror", ["https://", "https://h:x/", "https://h/a b", "https://hö/"])
def test_malformed_mirror_is_refused(thing, mirror, monkeypatch):
    monkeypatch.setenv(catalogue.MIRROR, mirror)
    with raises(InputError, field=catalogue.MIRROR, problem="invalid"):
        fetch.fetch(["thing"])


def test_secrets_of_a_mirror_are_sent_but_not_printed(server, thing, monkeypatch):
    here = server.url.replace("//", f"//me:{SECRET}%21@")
    monkeypatch.setenv(catalogue.MIRROR, f"{here}/m/?token={SECRET}")
    server.redirects = {f"/m/thing.bin?token={SECRET}": "/b"}
    server.answers = [404]
    with raises(FetchError, path=f"{server.url}/m/thing.bin", value=404) as caught:
        fetch.fetch(["thing"])
    (path, first), (_, second) = server.asked
    assert path == f"/m/thing.bin?token={SECRET}"
    assert first["Authorization"] == "Basic bWU6aGZfc0VjUmVUIQ=="  # me:hf_sEcReT!
    assert "Authorization" not in second
    require_absent(caught.value, SECRET)


def test_proxy_of_the_environment_is_used(server, thing, monkeypatch):
    monkeypatch.setenv(catalogue.MIRROR, "http://localhost:9")  # nothing listens there
    monkeypatch.setenv("http_proxy", server.url)
    fetch.fetch(["thing"])
    assert [path for path, _ in server.asked] == ["http://localhost:9/thing.bin"]


def test_folder_is_a_valid_mirror(cache, tmp_path, server, thing, monkeypatch):
    monkeypatch.setenv(catalogue.MIRROR, str(tmp_path))
    with raises(FetchError, path="thing.bin", problem="missing"):
        fetch.fetch(["thing"])
    (tmp_path / "thing.bin").write_bytes(OTHER)
    with raises(FetchError, path="thing.bin", value=OTHER_DIGEST, problem="damaged"):
        fetch.fetch(["thing"])
    (tmp_path / "thing.bin").write_bytes(BODY)
    fetch.fetch(["thing"])
    assert left(cache) == ["thing.bin", "thing.bin.sha256"]
    assert (tmp_path / "thing.bin").is_file()
    assert server.asked == []


def test_offline_opens_no_connection(cache, tmp_path, thing, plain, monkeypatch):
    fetch.fetch(["thing"])
    monkeypatch.setenv(catalogue.OFFLINE, "1")
    monkeypatch.setattr(socket, "socket", None)
    assert fetch.fetch(["thing"])[0]["sha256"] == DIGEST
    with raises(MissingWeightsError, value=["plain", "utmos"], problem="offline"):
        fetch.fetch(["thing", "plain", "utmos"])
    fetch.list_checkpoints()
    monkeypatch.setenv(catalogue.MIRROR, str(tmp_path))
    (tmp_path / "plain.bin").write_bytes(BODY)
    fetch.fetch(["plain"])


# The disk.


def test_full_disk_is_reported_before_the_download(server, thing, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    with raises(StorageError, path="thing.bin.part", problem="unwritable") as caught:
        fetch.fetch(["thing"])
    assert caught.value.__cause__ is None  # nothing was tried
    assert server.spans == [None]


def test_disk_that_fills_up_keeps_the_received_bytes(server, thing):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with raises(StorageError, path="thing.bin.part", problem="unwritable") as caught:
            fetch.fetch(["thing"])
        assert caught.value.__cause__.errno == errno.EFBIG
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    fetch.fetch(["thing"])
    assert server.spans[-1] is not None
    assert catalogue.find_weights("thing").read_bytes() == BODY


def test_cache_that_cannot_be_created_is_an_error(tmp_path, thing, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv(catalogue.CACHE, str(tmp_path / "file" / "cache"))
    with raises(StorageError, path="file/cache/thing.bin", problem="unwritable"):
        fetch.fetch(["thing"])


def test_two_processes_share_one_download(server, thing, capsys):
    server.pause = 0.05
    rows = []
    both = [threading.Thread(target=lambda: rows.extend(fetch.fetch(["thing"]))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert rows[0] == rows[1]
    assert len(server.asked) == 1
    assert "another process is fetching it" in capsys.readouterr().err


# Digests.


def test_first_digest_is_stored_where_none_is_published(cache, server, plain):
    (row,) = fetch.fetch(["plain"])
    assert (row["sha256"], row["digest"]) == (DIGEST, "of the first fetch")
    (cache / "plain.bin").unlink()
    server.body = OTHER
    with raises(FetchError, path="plain.bin", value=OTHER_DIGEST, problem="damaged") as caught:
        fetch.fetch(["plain"])
    assert "plain.bin.sha256" in str(caught.value)
    (cache / "plain.bin.sha256").unlink()
    fetch.fetch(["plain"])


def test_required_digest_is_checked(cache, server, plain):
    with raises(FetchError, path="plain.bin", value=DIGEST, problem="damaged"):
        fetch.fetch(["plain"], "0" * 64)
    assert left(cache) == []
    assert fetch.fetch(["plain"], DIGEST.upper())[0]["digest"] == "as given"
    with raises(MissingWeightsError, path="plain.bin", value=DIGEST, problem="damaged"):
        fetch.fetch(["plain"], "0" * 64)


@pytest.mark.parametrize(
    ("names", "digest", "problem"),
    [
        (["plain", "thing"], DIGEST, "duplicate"),
        (["plain"], "abc", "invalid"),
        (["thing"], "0" * 64, "conflict"),
    ],
)
def test_invalid_digest_is_refused(server, thing, plain, names, digest, problem):
    with raises(InputError, field="sha256", value=digest, problem=problem):
        fetch.fetch(names, digest)
    assert server.asked == []


def test_verify_hashes_every_file_again(cache, thing, plain):
    fetch.fetch(["thing", "plain"])
    assert {row["name"] for row in fetch.verify()} == {"plain", "thing"}
    file = cache / "plain.bin"
    facts = file.stat()
    file.write_bytes(OTHER)
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # as a failing disk would
    assert [row["name"] for row in fetch.verify(["thing"])] == ["thing"]
    with raises(MissingWeightsError, path=file, value=OTHER_DIGEST, problem="damaged"):
        fetch.verify()
    with raises(MissingWeightsError, value=["utmos"], problem="missing"):
        fetch.verify(["utmos"])


def test_list_contains_every_checkpoint(thing):
    assert [row["name"] for row in fetch.list_checkpoints()] == list(CATALOGUE)
    fetch.fetch(["thing"])
    assert {row["name"] for row in fetch.list_checkpoints() if row["here"] == "yes"} == {"thing"}


def test_socks_proxy_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("https_proxy", "socks5://user:secret@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with raises(FetchError, value="HTTPS_PROXY", problem="unsupported") as refused:
        download.download("https://gensr-pref.invalid/file", tmp_path / "file.part", None, "file")
    require_absent(refused.value, "secret")
