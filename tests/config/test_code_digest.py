"""Tests of code digests: which edits change them, and which do not."""

import sys

import pytest

from gensr_pref.config.code_digest import digest_code, identity_of


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "judge_one.py").write_text("import os\nfrom judge_two import f\nclass A: pass\n")
    (tmp_path / "judge_two.py").write_text("from judges import three\ndef f(): pass\n")
    (tmp_path / "beside.py").write_text("pass\n")
    (tmp_path / "judges").mkdir()
    (tmp_path / "judges" / "__init__.py").write_text("")
    (tmp_path / "judges" / "three.py").write_text("from . import four\nclass B: pass\n")
    (tmp_path / "judges" / "four.py").write_text("import judge_one\n")
    yield tmp_path
    sys.modules.pop("judges", None)  # find_spec runs the __init__ of a package


@pytest.mark.parametrize("name", ["judge_one:A", "judges.three:B"])
@pytest.mark.parametrize(
    "edited",
    ["judge_one.py", "judge_two.py", "judges/__init__.py", "judges/three.py", "judges/four.py"],
)
def test_an_edit_of_an_imported_file_changes_the_digest(package, name, edited):
    before = digest_code(name)
    assert before is not None
    with (package / edited).open("a") as file:
        file.write("# edited\n")
    assert digest_code(name) != before


def test_an_edit_of_another_file_does_not_change_it(package):
    before = digest_code("judge_one:A")
    (package / "beside.py").write_text("pass  # edited\n")
    assert digest_code("judge_one:A") == before


@pytest.mark.parametrize("name", ["dnsmos", 3, None, "no_such_module:A", "sys:A", "a b:C"])
def test_a_value_that_names_no_code_has_no_digest(name):
    assert digest_code(name) is None


class Reader:
    paths = ("model", "folder", "absent", "number")


def test_the_identity_has_digests_of_code_and_of_files(package):
    (package / "weights.bin").write_bytes(b"1")
    (package / "parts").mkdir()
    (package / "parts" / "a.bin").write_bytes(b"2")
    files = {"model": "weights.bin", "folder": "parts", "absent": "no.bin", "number": 3}
    options = {**files, "text": "weights.bin", "other": "judges.three:B"}
    identity = identity_of("judge_one:A", options, Reader(), package)
    assert identity["sources"] == [digest_code("judge_one:A"), digest_code("judges.three:B")]
    assert set(identity["files"]) == {"model", "folder"}
    (package / "parts" / "a.bin").write_bytes(b"3")
    edited = identity_of("judge_one:A", options, Reader(), package)
    assert edited["files"]["model"] == identity["files"]["model"]
    assert edited["files"]["folder"] != identity["files"]["folder"]


def test_a_plugin_of_this_package_has_no_identity_of_files(package):
    (package / "weights.bin").write_bytes(b"1")
    assert identity_of("fm-tiny", {"model": "weights.bin"}, Reader(), package) == {}
