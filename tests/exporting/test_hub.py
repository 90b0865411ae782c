"""Tests of pushing an export to a local Hub server."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from huggingface_hub import constants

import gensr_pref
from gensr_pref.errors import InputError, PublishError, UnreachableError
from gensr_pref.exporting import hub
from gensr_pref.exporting.hub import HubTarget
from tests.commands import finish, require_failure, start
from tests.refusals import raises
from tests.upload_server import READ_ONLY, TOKEN, Repository

SMALL = HubTarget("us/small")
# huggingface_hub 2.4 sends files by a parameter of httpx that is going to be renamed.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two large files and a card."""
    (tmp_path / "up" / "data").mkdir(parents=True)
    (tmp_path / "up" / "data" / "train-00000-of-00002.parquet").write_bytes(b"one" * 1000)
    (tmp_path / "up" / "data" / "train-00001-of-00002.parquet").write_bytes(b"two" * 1500)
    (tmp_path / "up" / "README.md").write_text("---\nlicense: mit\n---\n\n# Small\n")
    return tmp_path / "up"


def states(changes: list[hub.Change]) -> dict[str, str]:
    return {change.path: change.state for change in changes}


def test_all_files_of_a_real_export_arrive_in_one_private_commit(server, exported) -> None:
    result = hub.push(exported, SMALL)
    repository = server.repositories["us/small"]
    local = {p.relative_to(exported).as_posix(): p for p in exported.rglob("*") if p.is_file()}
    assert repository.private
    assert repository.branches["main"] == {name: p.read_bytes() for name, p in local.items()}
    assert len(repository.commits) == 1
    assert (result["sent"], result["same"]) == (len(local), 0)
    assert result["url"] == f"{server.url}/datasets/us/small"
    assert ("POST", "/api/validate-yaml") in server.asked


def test_a_push_is_refused_if_the_writer_of_the_files_is_unknown(
    server, folder, monkeypatch
) -> None:
    """A file called as an export's files are may be another's: only the commits tell."""
    hub.push(folder, SMALL)
    before = dict(server.repositories["us/small"].branches["main"])
    (folder / "data" / "train-00001-of-00002.parquet").unlink()

    def fail(*_, **__):
        raise OSError("the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr("huggingface_hub.HfApi.list_repo_commits", fail)
        with raises(PublishError, path="us/small", problem="offline"):
            hub.push(folder, SMALL)
    assert server.repositories["us/small"].branches["main"] == before


def test_files_on_the_hub_are_not_uploaded_again(server, folder) -> None:
    hub.push(folder, SMALL)
    before = server.put
    (folder / "README.md").write_text("---\nlicense: mit\n---\n\n# Small, and better\n")
    assert states(hub.plan_push(folder, SMALL))["README.md"] == "changed"
    result = hub.push(folder, SMALL)
    assert (result["sent"], result["same"]) == (1, 2)
    assert server.put == before
    assert server.repositories["us/small"].commits[-1]["lines"] == ["header", "file"]


def test_an_unchanged_export_makes_no_commit(server, folder) -> None:
    hub.push(folder, SMALL)
    result = hub.push(folder, SMALL)
    assert (result["sent"], result["same"], result["commit"]) == (0, 3, None)
    assert len(server.repositories["us/small"].commits) == 1


OF_AN_EARLIER_FORMAT = {
    "train.jsonl": b'{"text": "hello"}',
    "validation.jsonl": b"{}",
    "wav/anna-1[a]/noisy.wav": b"RIFF",
    "wav/anna-1[a]/fm-tiny-0.wav": b"RIFF",
    "candidates/train-00000-of-00001.parquet": b"PAR1",
    "agreement.png": b"png",
    "audit.json": b"{}",
}
OTHERS = {"notes.txt": b"mine", "data/extra.csv": b"x", "audio/anna.wav": b"RIFF"}


def main_of(server) -> dict[str, bytes]:
    return server.repositories["us/small"].branches["main"]


def test_files_of_an_earlier_export_are_deleted_in_the_same_commit(server, folder) -> None:
    hub.push(folder, SMALL)
    main_of(server).update(OF_AN_EARLIER_FORMAT)
    (folder / "data" / "train-00001-of-00002.parquet").unlink()
    planned = states(hub.plan_push(folder, SMALL))
    gone = {*OF_AN_EARLIER_FORMAT, "data/train-00001-of-00002.parquet"}
    assert {name for name, state in planned.items() if state == "gone"} == gone
    result = hub.push(folder, SMALL)
    assert set(result["gone"]) == gone
    assert result["earlier_commits"]
    assert sorted(main_of(server)) == ["README.md", "data/train-00000-of-00002.parquet"]
    assert len(server.repositories["us/small"].commits) == 2


def test_files_that_no_export_wrote_need_a_decision(server, folder) -> None:
    hub.push(folder, SMALL)
    main_of(server).update(OTHERS)
    before = dict(main_of(server))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n\n# Another\n")
    planned = states(hub.plan_push(folder, SMALL))
    assert {name for name, state in planned.items() if state == "undecided"} == set(OTHERS)
    with raises(InputError, path="us/small", value=sorted(OTHERS), problem="exists"):
        hub.push(folder, SMALL)
    assert main_of(server) == before
    result = hub.push(folder, HubTarget("us/small", others="keep"))
    assert (result["kept"], result["gone"]) == (sorted(OTHERS), [])
    assert OTHERS.items() <= main_of(server).items()
    result = hub.push(folder, HubTarget("us/small", others="delete"))
    assert (result["kept"], result["gone"]) == ([], sorted(OTHERS))
    assert not OTHERS.keys() & main_of(server).keys()


def test_a_licence_that_was_added_on_the_hub_is_kept(server, folder) -> None:
    hub.push(folder, SMALL)
    main_of(server).update({"LICENSE": b"mine", ".gitattributes": b"*.parquet filter=lfs"})
    (folder / "README.md").write_text("---\nlicense: mit\n---\n\n# Another\n")
    result = hub.push(folder, SMALL)
    assert (result["kept"], result["gone"], result["sent"]) == ([], [], 1)
    assert main_of(server)["LICENSE"] == b"mine"


def test_a_dataset_of_another_origin_is_neither_replaced_nor_deleted(server, folder) -> None:
    """Its files have the names that an export's have."""
    theirs = {"README.md": b"theirs", "data/train-00000-of-00001.parquet": b"theirs"}
    server.repositories["us/small"] = Repository(True, {"main": dict(theirs)})
    with raises(
        InputError, value=["data/train-00000-of-00001.parquet"], path="us/small", problem="exists"
    ):
        hub.push(folder, SMALL)
    assert main_of(server) == theirs
    hub.push(folder, HubTarget("us/small", others="delete"))
    assert "data/train-00000-of-00001.parquet" not in main_of(server)


def test_a_new_branch_omits_files_of_an_earlier_format(server, folder) -> None:
    hub.push(folder, SMALL)
    main_of(server).update(OF_AN_EARLIER_FORMAT)
    target = HubTarget("us/small", revision="v2")
    assert states(hub.plan_push(folder, target))["train.jsonl"] == "gone"
    hub.push(folder, target)
    assert not OF_AN_EARLIER_FORMAT.keys() & server.repositories["us/small"].branches["v2"].keys()
    assert OF_AN_EARLIER_FORMAT.items() <= main_of(server).items()


def test_a_file_that_was_not_deleted_is_an_error(server, folder, monkeypatch) -> None:
    hub.push(folder, SMALL)
    main_of(server).update(OF_AN_EARLIER_FORMAT)
    monkeypatch.setattr(hub, "escape", lambda name: f"nothing like {name}")
    with raises(PublishError, path="us/small", problem="exists"):
        hub.push(folder, SMALL)


def test_a_plan_writes_nothing(server, folder) -> None:
    assert set(states(hub.plan_push(folder, SMALL)).values()) == {"new"}
    assert server.repositories == {}
    assert {method for method, _ in server.asked} == {"GET"}


def test_after_an_interruption_only_the_rest_is_uploaded(server, folder) -> None:
    server.room = 4000  # the first large file; the second breaks off
    with raises(PublishError, value=410, path="us/small", problem="refused"):
        hub.push(folder, SMALL)
    assert server.repositories["us/small"].commits == []
    arrived = server.put
    assert arrived in (3000, 0)
    server.room = float("inf")
    hub.push(folder, SMALL)
    assert server.put == 3000 + 4500
    assert len(server.repositories["us/small"].branches["main"]) == 3


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_command_is_continued_by_the_same_command(server, built, tmp_path, how) -> None:
    settings = {"HF_ENDPOINT": server.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1",
                "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0",
                "PYTHONPATH": str(Path(gensr_pref.__file__).parents[1])}  # fmt: skip
    words = [sys.executable, "-m", "gensr_pref.cli", "export", str(built), str(tmp_path / "out"),
             "--push-to-hub", "us/small", "--shard-mb", "1", "--json"]  # fmt: skip
    server.stall = True
    environment = {**os.environ, **settings}
    running = start(words, env=environment)
    for _ in range(6000):
        if server.stalled.is_set() or running.poll() is not None:
            break
        time.sleep(0.05)
    running.send_signal(how)
    server.stall = False
    require_failure(running, timeout=120, secrets=[TOKEN])
    assert server.repositories["us/small"].commits == []
    arrived = dict(server.stored)
    asked = len(server.asked)
    result = json.loads(finish(words, env=environment, secrets=[TOKEN]))["push"]
    sent = [path for method, path in server.asked[asked:] if method == "PUT"]
    assert result["same"] == 0
    assert not {path.rpartition("/")[2] for path in sent} & arrived.keys()
    assert len(server.repositories["us/small"].commits) == 1


def test_a_repository_is_public_only_on_request(server, folder) -> None:
    hub.push(folder, HubTarget("us/open", public=True))
    assert not server.repositories["us/open"].private


def test_a_push_to_a_public_repository_needs_consent(server, folder) -> None:
    server.repositories["us/small"] = Repository(private=False)
    with raises(InputError, path="us/small", problem="unsafe"):
        hub.push(folder, SMALL)
    assert server.repositories["us/small"].commits == []
    hub.push(folder, HubTarget("us/small", public=True))


def test_a_branch_is_created_and_pushed_to(server, folder) -> None:
    hub.push(folder, HubTarget("us/small", revision="v2"))
    branches = server.repositories["us/small"].branches
    assert (len(branches["v2"]), len(branches["main"])) == (3, 0)
    assert hub.push(folder, HubTarget("us/small", revision="v2"))["sent"] == 0


def test_a_pull_request_is_opened(server, folder) -> None:
    result = hub.push(folder, HubTarget("us/small", create_pr=True))
    assert result["pull_request"].endswith("/datasets/us/small/discussions/1")
    assert server.repositories["us/small"].branches["main"] == {}
    assert len(server.repositories["us/small"].branches["refs/pr/1"]) == 3


def test_a_push_without_a_token_is_refused(server, folder, monkeypatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with raises(InputError, field="repository", problem="refused"):
        hub.push(folder, SMALL)
    assert server.asked == []


def refused(folder: Path, target: HubTarget = SMALL) -> tuple[int | None, str | None]:
    """What the Hub answered to a push, and what that is to us."""
    with raises(PublishError, path=target.repository) as caught:
        hub.push(folder, target)
    assert "hf_" not in str(caught.value)
    assert "http" not in str(caught.value)
    return caught.value.value, caught.value.problem


def test_a_wrong_token_is_refused(server, folder, monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "w" * 34)
    assert refused(folder) == (401, "refused")


def test_a_read_only_token_is_refused(server, folder, monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", READ_ONLY)
    assert refused(folder) == (403, "refused")


def test_a_name_of_somebody_else_is_refused(server, folder) -> None:
    server.repositories["them/small"] = Repository(private=False)
    assert refused(folder, HubTarget("them/small", public=True)) == (403, "refused")
    assert server.repositories["them/small"].commits == []


@pytest.mark.parametrize("where", ["repos/create", "objects/batch", "commit/main"])
@pytest.mark.parametrize(
    "answer", [(402, "Payment required"), (403, "Private repository storage limit reached")]
)
def test_a_full_account_is_an_error(server, folder, where, answer) -> None:
    server.refusals[where] = answer
    assert refused(folder) == (answer[0], "unwritable")


def test_a_card_that_the_hub_refuses_is_an_error(server, folder) -> None:
    (folder / "README.md").write_text("# No head\n")
    assert refused(folder) == (400, "refused")
    assert server.repositories["us/small"].commits == []


def test_an_unreachable_hub_is_an_error(folder, monkeypatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with raises(UnreachableError, path="us/small", problem="offline"):
        hub.push(folder, SMALL)


def test_an_unreachable_hub_is_asked_once_and_quietly(folder, monkeypatch, caplog) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    waits: list[float] = []
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", waits.append)
    with pytest.raises(UnreachableError):
        hub.plan_push(folder, SMALL)
    assert waits == []
    assert caplog.text == ""


def test_the_clients_retries_are_not_shown(server, folder, monkeypatch, console) -> None:
    server.refusals["tree/main"] = (503, "busy")
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    with raises(PublishError, value=503, path="us/small", problem="refused"):
        hub.plan_push(folder, SMALL)
    console.require_nothing()


@pytest.mark.parametrize(
    ("target", "field", "value", "problem"),
    [
        (HubTarget("small"), "repository", "small", "invalid"),
        (HubTarget("us/a name"), "repository", "us/a name", "invalid"),
        (HubTarget("us/small", revision="v2", create_pr=True), "create_pr", None, "conflict"),
    ],
)
def test_an_invalid_target_is_refused_early(target, field, value, problem, monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with raises(InputError, field=field, value=value, problem=problem):
        hub.check_target(target)


def test_offline_is_refused_early(monkeypatch) -> None:
    monkeypatch.setenv("GENSR_PREF_OFFLINE", "1")
    with raises(InputError, field="repository", problem="offline"):
        hub.check_target(SMALL)


def test_a_dry_run_needs_a_target(tmp_path) -> None:
    with raises(InputError, field="target", problem="missing"):
        gensr_pref.publish(tmp_path, tmp_path / "out", dry_run=True)
