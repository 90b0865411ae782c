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
from tests.commands import finish
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
    """A checkpoint whose size and digest are not published."""
    one = Checkpoint("plain", "https://host/plain.bin", "MIT", "1")
    monkeypatch.setitem(CATALOGUE, "plain", one)
    return one


@pytest.fixture
def hashed(monkeypatch):
    """Names of the files that were hashed."""
    files = []
    real = catalogue.sha256_of
    monkeypatch.setattr(catalogue, "sha256_of", lambda path: files.append(path.name) or real(path))
    return files


def test_given_path_is_not_verified(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.pt").write_bytes(b"anything")
    assert catalogue.find_weights("utmos", "~/mine.pt") == tmp_path / "mine.pt"
    assert catalogue.find_weights("no such name", tmp_path / "mine.pt") == tmp_path / "mine.pt"


def test_given_path_that_does_not_exist_is_named(tmp_path):
    with raises(MissingWeightsError, value="utmos", path="~/nowhere.pt", problem="missing"):
        catalogue.find_weights("utmos", "~/nowhere.pt")
    with raises(MissingWeightsError, path=tmp_path, value="utmos", problem="missing"):
        catalogue.find_weights("utmos", tmp_path)  # a folder


def test_missing_weights_name_the_command_that_fetches_them(cache, monkeypatch):
    with raises(MissingWeightsError, value="utmos", problem="missing") as caught:
        catalogue.find_weights("utmos")
    assert str(cache) in str(caught.value)
    monkeypatch.setenv(catalogue.OFFLINE, "1")
    with raises(MissingWeightsError, value="utmos", problem="missing") as caught:
        catalogue.find_weights("utmos")
    assert catalogue.OFFLINE in str(caught.value)


def test_unknown_name_is_refused():
    with raises(InputError, value="utmoss", problem="unknown"):
        catalogue.find_weights("utmoss")


def test_valid_weights_are_hashed_once(cache, thing, hashed):
    (cache / thing.file).write_bytes(BODY)
    assert [catalogue.find_weights("thing") for _ in range(3)] == [cache / "thing.bin"] * 3
    assert hashed == ["thing.bin"]
    assert (cache / "thing.bin.sha256").read_text() == f"{DIGEST}  thing.bin\n"


def test_changed_weights_are_hashed_again(cache, thing, hashed):
    file = cache / thing.file
    file.write_bytes(BODY)
    catalogue.find_weights("thing")
    file.write_bytes(BODY.swapcase())
    os.utime(file, ns=(1, 1))  # older than the digest: not newer is not enough
    other = hashlib.sha256(BODY.swapcase()).hexdigest()
    with raises(MissingWeightsError, path="thing.bin", value=other, problem="damaged"):
        catalogue.find_weights("thing")
    file.write_bytes(BODY)
    assert catalogue.find_weights("thing") == file
    assert len(hashed) == 3


def test_truncated_weights_are_refused_without_hashing(cache, thing, hashed):
    (cache / thing.file).write_bytes(BODY[:-1])
    with raises(MissingWeightsError, path="thing.bin", value=len(BODY) - 1, problem="damaged"):
        catalogue.find_weights("thing")
    assert hashed == []


def test_published_digest_overrides_the_stored_one(cache, thing):
    (cache / thing.file).write_bytes(BODY.swapcase())
    other = catalogue.sha256_of(cache / thing.file)
    catalogue.write_digest(cache / thing.file, other, (cache / thing.file).stat().st_mtime_ns)
    with raises(MissingWeightsError, path="thing.bin", value=other, problem="damaged"):
        catalogue.find_weights("thing")


def test_weights_without_published_digest_must_not_change(cache, plain):
    file = cache / plain.file
    file.write_bytes(BODY)
    assert catalogue.find_weights("plain") == file
    file.write_bytes(BODY + b"more")
    other = hashlib.sha256(BODY + b"more").hexdigest()
    with raises(MissingWeightsError, path=file, value=other, problem="damaged"):
        catalogue.find_weights("plain")


def test_sha256sum_reads_the_digest_file(cache, thing):
    (cache / thing.file).write_bytes(BODY)
    catalogue.find_weights("thing")
    command = ["sha256sum", "--check", "--strict", "thing.bin.sha256"]
    assert subprocess.run(command, cwd=cache, capture_output=True, check=False).returncode == 0


def test_read_only_cache_can_be_used(cache, thing, hashed, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(catalogue, "write_digest", refuse)
    (cache / thing.file).write_bytes(BODY)
    assert catalogue.find_weights("thing") == catalogue.find_weights("thing")
    assert len(hashed) == 2


def test_finding_opens_no_connection(cache, thing, monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    (cache / thing.file).write_bytes(BODY)
    catalogue.find_weights("thing")
    with pytest.raises(MissingWeightsError):
        catalogue.find_weights("utmos")


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
def test_cache_folder_follows_the_environment(own, shared, folder, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in ((catalogue.CACHE, own), ("XDG_CACHE_HOME", shared)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert catalogue.cache_folder() == Path(folder.replace("HOME", f"{tmp_path}"))


@pytest.mark.parametrize(
    ("value", "forbidden"), [("1", True), ("true", True), ("0", False), ("", False), ("no", False)]
)
def test_values_of_the_offline_variable(value, forbidden, monkeypatch):
    monkeypatch.setenv(catalogue.OFFLINE, value)
    assert catalogue.is_offline() is forbidden


@pytest.mark.parametrize("one", CATALOGUE.values(), ids=list(CATALOGUE))
def test_catalogue_entry_is_well_formed(one):
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


def test_whisper_entries_match_the_installed_package():
    import whisper

    ours = {one.url for name, one in CATALOGUE.items() if name.startswith("whisper-")}
    assert ours == set(whisper._MODELS.values())
    for name, url in whisper._MODELS.items():
        one = CATALOGUE.get(f"whisper-{name}")  # `large` and `turbo` are other names of two
        assert one is None or (one.url, one.sha256) == (url, url.split("/")[-2])


def test_torchaudio_entries_match_the_installed_package():
    from torchaudio import pipelines

    for name in ("wavlm-large", "hubert-base"):
        bundle = getattr(pipelines, name.upper().replace("-", "_"))
        assert CATALOGUE[name].file == bundle._path


@pytest.mark.corpus
def test_nisqa_file_matches_the_catalogue(cache):
    if not SHARED.is_file():
        pytest.skip(f"{SHARED} is not here: NISQA's size and digest go unchecked")
    shutil.copyfile(SHARED, cache / "nisqa.tar")
    assert catalogue.find_weights("nisqa") == cache / "nisqa.tar"


def test_import_loads_no_heavy_modules():
    program = (
        "import sys, gensr_pref.weights.catalogue\n"
        "heavy = {'torch', 'numpy', 'pyarrow', 'urllib.request', 'ssl'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    assert finish([sys.executable, "-c", program]) == "[]\n"
