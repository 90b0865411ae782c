"""Tests of the location and verification of weights."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gensr_pref.errors import InputError, MissingWeightsError
from gensr_pref.weights import catalogue
from gensr_pref.weights.catalogue import CATALOGUE, Checkpoint
from tests.refusals import raises

SHARED = Path(__file__).parents[3] / "shared" / "data" / "models" / "nisqa" / "nisqa.tar"
BODY = b"weights " * 1000
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    for name in (catalogue.OFFLINE, catalogue.MIRROR):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(catalogue.CACHE, str(tmp_path))
    return tmp_path


@pytest.fixture
def thing(monkeypatch):
    """A checkpoint whose size and digest are published."""
    one = Checkpoint("thing", "https://host/thing.bin", "MIT", "1", len(BODY), DIGEST)
    monkeypatch.setitem(CATALOGUE, "thing", one)
    return one


@pytest.fixture
def plain(monkeypatch):
    """A checkpoint of which neither is known."""
    one = Checkpoint("plain", "https://host/plain.bin", "MIT", "1")
    monkeypatch.setitem(CATALOGUE, "plain", one)
    return one


@pytest.fixture
def hashed(monkeypatch):
    """The files that were read through."""
    files = []
    real = catalogue.sha256_of
    monkeypatch.setattr(catalogue, "sha256_of", lambda path: files.append(path.name) or real(path))
    return files


def test_a_path_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.pt").write_bytes(b"anything")
    assert catalogue.find("utmos", "~/mine.pt") == tmp_path / "mine.pt"
    assert catalogue.find("no such name", tmp_path / "mine.pt") == tmp_path / "mine.pt"


def test_a_path_that_is_not_there_is_named(tmp_path):
    with raises(MissingWeightsError, value="utmos", path="~/nowhere.pt", problem="missing"):
        catalogue.find("utmos", "~/nowhere.pt")
    with raises(MissingWeightsError, path=tmp_path, value="utmos", problem="missing"):
        catalogue.find("utmos", tmp_path)  # a folder


def test_missing_weights_name_the_command(cache, monkeypatch):
    with raises(MissingWeightsError, value="utmos", problem="missing") as caught:
        catalogue.find("utmos")
    assert str(cache) in str(caught.value)
    monkeypatch.setenv(catalogue.OFFLINE, "1")
    with raises(MissingWeightsError, value="utmos", problem="missing") as caught:
        catalogue.find("utmos")
    assert catalogue.OFFLINE in str(caught.value)


def test_an_unknown_name_gets_the_nearest():
    with raises(InputError, value="utmoss", problem="unknown"):
        catalogue.find("utmoss")


def test_good_weights_are_hashed_once(cache, thing, hashed):
    (cache / thing.file).write_bytes(BODY)
    assert [catalogue.find("thing") for _ in range(3)] == [cache / "thing.bin"] * 3
    assert hashed == ["thing.bin"]
    assert (cache / "thing.bin.sha256").read_text() == f"{DIGEST}  thing.bin\n"


def test_weights_written_again_are_hashed_again(cache, thing, hashed):
    file = cache / thing.file
    file.write_bytes(BODY)
    catalogue.find("thing")
    file.write_bytes(BODY.swapcase())
    os.utime(file, ns=(1, 1))  # older than the digest: not newer is not enough
    other = hashlib.sha256(BODY.swapcase()).hexdigest()
    with raises(MissingWeightsError, path="thing.bin", value=other, problem="damaged"):
        catalogue.find("thing")
    file.write_bytes(BODY)
    assert catalogue.find("thing") == file
    assert len(hashed) == 3


def test_weights_that_are_cut_off_are_refused_unread(cache, thing, hashed):
    (cache / thing.file).write_bytes(BODY[:-1])
    with raises(MissingWeightsError, path="thing.bin", value=len(BODY) - 1, problem="damaged"):
        catalogue.find("thing")
    assert hashed == []


def test_a_digest_that_was_published_later_is_what_counts(cache, thing):
    (cache / thing.file).write_bytes(BODY.swapcase())
    other = catalogue.sha256_of(cache / thing.file)
    catalogue.record(cache / thing.file, other, (cache / thing.file).stat().st_mtime_ns)
    with raises(MissingWeightsError, path="thing.bin", value=other, problem="damaged"):
        catalogue.find("thing")


def test_unpublished_weights_must_stay_what_they_were(cache, plain):
    file = cache / plain.file
    file.write_bytes(BODY)
    assert catalogue.find("plain") == file
    file.write_bytes(BODY + b"more")
    with pytest.raises(MissingWeightsError, match=f"not {DIGEST}"):
        catalogue.find("plain")


def test_the_digest_file_is_what_sha256sum_reads(cache, thing):
    (cache / thing.file).write_bytes(BODY)
    catalogue.find("thing")
    command = ["sha256sum", "--check", "--strict", "thing.bin.sha256"]
    assert subprocess.run(command, cwd=cache, capture_output=True, check=False).returncode == 0


def test_a_cache_that_cannot_be_written_serves(cache, thing, hashed, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(catalogue, "record", refuse)
    (cache / thing.file).write_bytes(BODY)
    assert catalogue.find("thing") == catalogue.find("thing")
    assert len(hashed) == 2


def test_finding_opens_no_connection(cache, thing, monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    (cache / thing.file).write_bytes(BODY)
    catalogue.find("thing")
    with pytest.raises(MissingWeightsError):
        catalogue.find("utmos")


@pytest.mark.parametrize(
    ("own", "shared", "folder"),
    [
        ("/own", "/xdg", "/own"),
        ("~/own", None, "HOME/own"),
        (None, "/xdg", "/xdg/gensr_pref"),
        (None, "relative", "HOME/.cache/gensr_pref"),
        ("", "", "HOME/.cache/gensr_pref"),
        (None, None, "HOME/.cache/gensr_pref"),
    ],
)
def test_where_the_cache_is(own, shared, folder, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in ((catalogue.CACHE, own), ("XDG_CACHE_HOME", shared)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert catalogue.cache_folder() == Path(folder.replace("HOME", str(tmp_path)))


@pytest.mark.parametrize(
    ("value", "forbidden"), [("1", True), ("true", True), ("0", False), ("", False), ("no", False)]
)
def test_what_offline_means(value, forbidden, monkeypatch):
    monkeypatch.setenv(catalogue.OFFLINE, value)
    assert catalogue.offline() is forbidden


@pytest.mark.parametrize("one", CATALOGUE.values(), ids=list(CATALOGUE))
def test_an_entry_is_well_formed(one):
    assert urlsplit(one.url).scheme == "https"
    assert re.fullmatch(r"[\w.-]+\.(pt|pth|tar)", one.file)
    assert one.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", one.sha256)
    assert (one.size is None) == (one.sha256 is None)
    assert one.licence
    assert one.revision
    assert bool(one.notice) == (one.licence != "MIT" or one.name.startswith("wavlm"))


def test_names_and_files_are_unique():
    assert len({one.file for one in CATALOGUE.values()}) == len(CATALOGUE)
    assert all(one.name == name for name, one in CATALOGUE.items())


def test_whisper_is_what_the_installed_package_downloads():
    import whisper

    ours = {one.url for name, one in CATALOGUE.items() if name.startswith("whisper-")}
    assert ours == set(whisper._MODELS.values())
    for name, url in whisper._MODELS.items():
        one = CATALOGUE.get(f"whisper-{name}")  # `large` and `turbo` are other names of two
        assert one is None or (one.url, one.sha256) == (url, url.split("/")[-2])


def test_torchaudio_names_the_same_files():
    from torchaudio import pipelines

    for name in ("wavlm-large", "hubert-base"):
        bundle = getattr(pipelines, name.upper().replace("-", "_"))
        assert CATALOGUE[name].file == bundle._path


@pytest.mark.corpus
def test_nisqa_is_the_published_file(cache):
    if not SHARED.is_file():
        pytest.skip(f"{SHARED} is not here: NISQA's size and digest go unchecked")
    shutil.copyfile(SHARED, cache / "nisqa.tar")
    assert catalogue.find("nisqa") == cache / "nisqa.tar"


def test_importing_is_light():
    program = (
        "import sys, gensr_pref.weights.catalogue\n"
        "heavy = {'torch', 'numpy', 'pyarrow', 'urllib.request', 'ssl'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr
