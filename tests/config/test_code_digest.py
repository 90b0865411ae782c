"""Tests of code digests: which edits change them and which do not."""

import sys

import pytest

from gensr_pref.config.code_digest import digest_of


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
    sys.modules.pop("judges", None)  # its __init__ runs where a module of it is looked for


@pytest.mark.parametrize("name", ["judge_one:A", "judges.three:B"])
@pytest.mark.parametrize(
    "edited",
    ["judge_one.py", "judge_two.py", "judges/__init__.py", "judges/three.py", "judges/four.py"],
)
def test_an_edit_of_what_is_imported_changes_it(package, name, edited):
    before = digest_of(name)
    assert before is not None
    with (package / edited).open("a") as file:
        file.write("# edited\n")
    assert digest_of(name) != before


def test_an_edit_of_another_file_does_not(package):
    before = digest_of("judge_one:A")
    (package / "beside.py").write_text("pass  # edited\n")
    assert digest_of("judge_one:A") == before


@pytest.mark.parametrize("name", ["dnsmos", 3, None, "no_such_module:A", "sys:A", "a b:C"])
def test_what_is_no_code_has_none(name):
    assert digest_of(name) is None
