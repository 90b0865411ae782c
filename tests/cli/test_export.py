"""Tests of the command `gensr-pref export`."""

import pytest

from gensr_pref.cli.arguments import flags
from gensr_pref.cli.main import main, parse
from gensr_pref.errors import InputError, RunMismatchError
from tests.commands import run_json
from tests.refusals import refusal, refuses, require_facts


def test_the_command_prints_what_was_written(built, tmp_path, capsys) -> None:
    assert main(["export", str(built), str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "NOT for commercial use, because of babble, pretended:Roughness" in said
    assert f'datasets.load_dataset("{tmp_path / "out"}")' in said


def test_the_result_can_be_printed_as_json(built, tmp_path) -> None:
    told = run_json("export", built, tmp_path / "out", "--candidates", "none")
    assert [row["config"] for row in told["tables"]] == ["default", "default"]


@pytest.mark.parametrize(
    ("words", "field", "flag", "problem"),
    [
        (["--dry-run"], "repository", "--push-to-hub", "missing"),
        (["--public"], "repository", "--push-to-hub", "missing"),
        (["--others", "keep"], "repository", "--push-to-hub", "missing"),
        (["--shard-mb", "0"], "shard_bytes", "--shard-mb", "invalid"),
        (["--secret", "key"], "secret", "--secret", "conflict"),
        (["--secret", "key", "--anonymise", "drop"], "secret", "--secret", "conflict"),
        (["--format", "trl", "--clean"], "clean", "--clean", "conflict"),
        (["--push-to-hub", "nameonly"], "repository", "--push-to-hub", "invalid"),
        (["--push-to-hub", "us/x", "--format", "wav-jsonl"], "form", "--format", "conflict"),
        (["--push-to-hub", "us/x"], "repository", "--push-to-hub", "refused"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_any_work(
    built, tmp_path, monkeypatch, words, field, flag, problem
) -> None:
    monkeypatch.delenv("GENSR_PREF_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    command = ["export", built, tmp_path / "out", *words]
    error = refusal(*command)
    require_facts(error, InputError, field=field, problem=problem)
    assert flags(parse(list(map(str, command))))[error.parameters[0]] == flag
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_a_run_is_refused(tmp_path, capsys) -> None:
    words = ["export", tmp_path, tmp_path / "out"]
    refuses(words, RunMismatchError, path=tmp_path, problem="missing")


def test_a_dry_run_lists_what_would_be_pushed(built, tmp_path, monkeypatch) -> None:
    from huggingface_hub import constants

    from tests.upload_server import UploadServer

    with UploadServer() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.delenv("GENSR_PREF_OFFLINE", raising=False)
        told = run_json("export", built, tmp_path / "out", "--push-to-hub", "us/x", "--dry-run")
        assert all(method == "GET" for method, _ in server.asked)
    assert "push" not in told
    assert {row["path"]: row["state"] for row in told["would_push"]}["README.md"] == "new"


def test_a_dry_run_without_a_network_lists_the_local_files(
    built, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.delenv("GENSR_PREF_OFFLINE", raising=False)
    words = ["export", str(built), str(tmp_path / "out"), "--push-to-hub", "us/x", "--dry-run"]
    assert main(words) == 0
    told = capsys.readouterr()
    assert "Nothing was pushed" in told.out
    assert "README.md" in told.out
    assert "It is unknown what the repository has already: us/x: the Hub does not" in told.out
    assert "Retrying" not in told.err


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_an_anonymised_push_removes_files_of_an_earlier_format(
    run_folder, tmp_path, monkeypatch
) -> None:
    from huggingface_hub import constants

    from gensr_pref.exporting import hub
    from gensr_pref.exporting.dataset import ExportOptions
    from gensr_pref.exporting.export_run import export
    from tests.upload_server import TOKEN, UploadServer

    with UploadServer() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.delenv("GENSR_PREF_OFFLINE", raising=False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        export(run_folder, tmp_path / "plain", ExportOptions("wav-jsonl"))
        hub.push(tmp_path / "plain", hub.HubTarget("us/x"))
        there = server.repositories["us/x"].branches["main"]
        assert any(name.startswith("wav/") for name in there)
        there["notes.txt"] = b"who is who"
        words = ["export", run_folder, tmp_path / "out", "--push-to-hub", "us/x",
                 "--anonymise", "hash"]  # fmt: skip
        refuses(words, InputError, path="us/x", value=["notes.txt"], problem="exists")
        push = run_json(*words, "--others", "delete")["push"]
        local = {p.relative_to(tmp_path / "out").as_posix(): p.read_bytes()
                 for p in (tmp_path / "out").rglob("*") if p.is_file()}  # fmt: skip
        assert there == local
    assert "notes.txt" in push["gone"]
    assert push["earlier_commits"]
