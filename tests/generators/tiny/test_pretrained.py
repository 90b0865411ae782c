"""Tests of checkpoints by folder and by Hub id, with the Hub's own client."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants

import gensr_pref
from gensr_pref.config import plugins
from gensr_pref.errors import ConfigError, FetchError, InputError, MissingWeightsError
from gensr_pref.generators.tiny.autoregressive import Autoregressive
from gensr_pref.generators.tiny.checkpoint import revision_of, save_network
from gensr_pref.generators.tiny.flow import Flow, FlowConfig
from gensr_pref.generators.tiny.fm_tiny import FlowMatchingTiny
from gensr_pref.generators.tiny.masked import Masked
from gensr_pref.generators.tiny.pretrained import from_pretrained
from gensr_pref.generators.tiny.token_model import TokenModelConfig
from gensr_pref.generators.tiny.tokenizer import Tokenizer, TokenizerConfig
from gensr_pref.weights import fetch, hub
from tests.commands import finish
from tests.hub_server import HubServer
from tests.refusals import raises, refuses_option, require_absent

ID = "someone/restorer"
FLOW = FlowConfig(
    encoder_width=8, encoder_dilations=(1,), velocity_width=8, velocity_dilations=(1,)
)
TOKENS = TokenModelConfig(
    encoder_width=8, encoder_dilations=(1,), decoder_width=8, decoder_dilations=(1,), head_width=4
)


def write_checkpoint(folder: Path, paradigm: str = "fm", seed: int = 0, rate: int = 16000) -> Path:
    """Write the checkpoint of a small network with random weights."""
    torch.manual_seed(seed)
    if paradigm == "fm":
        save_network(Flow(replace(FLOW, sample_rate=rate)), folder)
        return folder
    tokenizer = Tokenizer(TokenizerConfig(8, 64, sample_rate=rate))
    tokenizer.codebook.normal_()
    shape = replace(TOKENS, sample_rate=rate, tokenizer=tokenizer.digest)
    save_network({"ar": Autoregressive, "mgm": Masked}[paradigm](shape, tokenizer), folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in hub.FILES}


def write_hub_cache(
    home: Path, files: dict[str, bytes], commit: str = "a" * 40, ref: str = "main"
) -> Path:
    """Write a repository to the Hub's cache: blobs, a ref, and a snapshot of links."""
    repository = home / f"models--{ID.replace('/', '--')}"
    snapshot = repository / "snapshots" / commit
    for folder in (repository / "blobs", repository / "refs", snapshot):
        folder.mkdir(parents=True, exist_ok=True)
    (repository / "refs" / ref).write_text(commit)
    for name, body in files.items():
        blob = repository / "blobs" / f"{commit}-{name}"
        blob.write_bytes(body)
        (snapshot / name).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """The empty cache of the Hub, which is unreachable; no token is stored."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("GENSR_PREF_OFFLINE", raising=False)
    monkeypatch.chdir(tmp_path)
    serve(monkeypatch, "http://127.0.0.1:9")
    return tmp_path / "hub"


def serve(monkeypatch, url: str) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def server(monkeypatch):
    with HubServer() as running:
        serve(monkeypatch, running.url)
        yield running


@pytest.mark.parametrize("paradigm", ["fm", "ar", "mgm"])
def test_a_folder_of_any_paradigm_gives_its_generator(paradigm, tmp_path) -> None:
    generator = from_pretrained(
        write_checkpoint(tmp_path / "x", paradigm, rate=24000), temperature=0.5
    )
    assert (generator.paradigm, generator.sample_rate) == (paradigm, 24000)
    assert generator.revision == revision_of(tmp_path / "x")
    (made,) = generator.sample(np.full((1, 6000), 0.01, np.float32), [6000], [1])
    assert made.audio.shape == (6000,)
    assert made.sampling["temperature"] == 0.5


def test_a_checkpoint_of_no_generator_is_refused(tmp_path) -> None:
    save_network(Tokenizer(TokenizerConfig()), tmp_path / "tokens")
    with raises(ConfigError, value="tokenizer", path="config.json", problem="unknown"):
        from_pretrained(tmp_path / "tokens")


@pytest.mark.parametrize("how", ["GENSR_PREF_OFFLINE", "HF_HUB_OFFLINE", "unreachable"])
def test_a_cached_checkpoint_is_used_without_a_connection(how, home, tmp_path, monkeypatch) -> None:
    folder = write_checkpoint(tmp_path / "x")
    write_hub_cache(home, contents(folder))
    if how == "GENSR_PREF_OFFLINE":
        monkeypatch.setenv(how, "1")
    elif how == "HF_HUB_OFFLINE":
        monkeypatch.setattr(constants, how, True)
    generator = from_pretrained(ID)
    assert generator.revision == f"{ID}@{'a' * 40} {revision_of(folder)}"
    assert from_pretrained(ID, "a" * 40).revision == generator.revision


@pytest.mark.parametrize("how", ["GENSR_PREF_OFFLINE", "HF_HUB_OFFLINE"])
def test_nothing_is_requested_offline(how, server, tmp_path, monkeypatch):
    server.push(ID, contents(write_checkpoint(tmp_path / "x")))
    if how == "GENSR_PREF_OFFLINE":
        monkeypatch.setenv(how, "1")
    else:
        monkeypatch.setattr(constants, how, True)
    with raises(MissingWeightsError, path=f"{ID}@v2", problem="missing"):
        FlowMatchingTiny(checkpoint=ID, revision="v2")
    with raises(MissingWeightsError, path=ID, problem="missing"):
        fetch.fetch([ID])
    assert server.asked == []


def test_a_partly_cached_repository_is_not_used(home, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GENSR_PREF_OFFLINE", "1")
    write_hub_cache(
        home, {"config.json": contents(write_checkpoint(tmp_path / "x"))["config.json"]}
    )
    with raises(MissingWeightsError, path=ID, problem="missing"):
        from_pretrained(ID)


def test_only_the_checkpoint_of_a_repository_is_downloaded_once(server, tmp_path) -> None:
    folder = write_checkpoint(tmp_path / "x")
    extra = {"pytorch_model.bin": b"\x80pickle", "README.md": b"hello", "run.py": b"1/0"}
    commit = server.push(ID, contents(folder) | extra)
    generator = FlowMatchingTiny(checkpoint=ID)
    assert generator.revision == f"{ID}@{commit} {revision_of(folder)}"
    assert sorted(path.name for path in generator.checkpoint.iterdir()) == sorted(hub.FILES)
    before = len(server.asked)
    FlowMatchingTiny(checkpoint=ID).load("cpu")
    assert len(server.asked) == before


def test_fetch_updates_a_branch_that_advanced(server, tmp_path, capsys) -> None:
    """Until then, a resumed build and other workers use the commit that was cached first."""
    first = server.push(ID, contents(write_checkpoint(tmp_path / "a")), "main", "v1")
    assert f"@{first} " in FlowMatchingTiny(checkpoint=ID).revision
    second = server.push(ID, contents(write_checkpoint(tmp_path / "b", seed=1)), "main")
    assert f"@{first} " in FlowMatchingTiny(checkpoint=ID).revision
    [row] = fetch.fetch([ID])
    assert row["name"] == f"{ID}@{second}"
    assert f"@{second} " in FlowMatchingTiny(checkpoint=ID).revision
    assert f"@{first} " in FlowMatchingTiny(checkpoint=ID, revision="v1").revision
    assert f"@{first} " in FlowMatchingTiny(checkpoint=ID, revision=first).revision


def test_a_folder_of_that_name_has_priority(server, tmp_path) -> None:
    folder = write_checkpoint(tmp_path / "someone" / "restorer")
    assert from_pretrained(ID).revision == revision_of(folder)
    assert server.asked == []
    refuses_option(from_pretrained, "revision", checkpoint=ID, revision="v1")


@pytest.mark.parametrize("name", ["restorer", "a/b/c", "/nowhere", "./a/b", "a/..", "some one/x"])
def test_a_name_that_is_neither_folder_nor_id_is_missing(name, server) -> None:
    with raises(MissingWeightsError, path=Path(name), problem="missing"):
        from_pretrained(name)
    assert server.asked == []


@pytest.mark.parametrize("name", ["a--b/c", "a/b.git", "a/b..c"])
def test_an_id_that_the_hub_does_not_allow_is_refused(name, server) -> None:
    with raises(MissingWeightsError, path=name, problem="invalid"):
        from_pretrained(name)
    assert server.asked == []


def test_a_repository_revision_or_file_that_the_hub_lacks_is_named(server, tmp_path) -> None:
    with raises(MissingWeightsError, path=ID, problem="refused"):
        from_pretrained(ID)
    server.push(ID, contents(write_checkpoint(tmp_path / "x")))
    with raises(MissingWeightsError, path="someone/restorer@v9", problem="unknown"):
        from_pretrained(ID, "v9")
    server.push("someone/else", {"README.md": b"a data set"})
    with raises(
        MissingWeightsError,
        value=["config.json", "model.safetensors"],
        path="someone/else",
        problem="missing",
    ):
        from_pretrained("someone/else")


def test_an_unreachable_hub_is_reported(server, monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server.broken = True
    with raises(FetchError, path=ID, problem="offline") as caught:
        from_pretrained(ID)
    require_absent(caught.value, "hf_secret")
    serve(monkeypatch, "http://user:hf_secret@127.0.0.1:9")
    with raises(FetchError, path=ID, problem="offline") as caught:
        from_pretrained(ID)
    require_absent(caught.value, "hf_secret")


def test_a_run_file_can_name_a_checkpoint_on_the_hub(home, tmp_path) -> None:
    write_hub_cache(home, contents(write_checkpoint(tmp_path / "x", "mgm")), ref="v1")
    options = {"checkpoint": ID, "revision": "v1"}
    made = plugins.create("generator", "mgm-tiny", options, "generators.0.options", tmp_path)
    assert made.revision.startswith(f"{ID}@{'a' * 40} ")
    facts = {"value": "mgm-tiny", "problem": "failed"}
    with raises(ConfigError, field="generators.0.options", **facts):
        plugins.create("generator", "mgm-tiny", {"revision": "v1"}, "generators.0.options")


def test_a_digest_for_a_checkpoint_on_the_hub_is_refused(server) -> None:
    with raises(InputError, field="sha256", problem="conflict"):
        fetch.fetch([ID], sha256="0" * 64)
    assert server.asked == []


@pytest.mark.slow
def test_the_command_fetches_a_checkpoint_for_an_offline_run(server, tmp_path) -> None:
    """Separate processes run in the environment that a user would set."""
    commit = server.push(ID, contents(write_checkpoint(tmp_path / "x")))
    settings = {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": server.url}
    package = Path(gensr_pref.__file__).parents[1]
    environment = {**os.environ, **settings, "PYTHONPATH": str(package), "HF_HUB_OFFLINE": "0"}

    def run_python(*words: str, **more: str) -> str:
        return finish([sys.executable, *words], env={**environment, **more})

    [row] = json.loads(run_python("-m", "gensr_pref.cli", "fetch", ID, "--json"))
    assert row["name"] == f"{ID}@{commit}"
    before = len(server.asked)
    code = f"from gensr_pref.generators.tiny import pretrained as p; p.from_pretrained('{ID}')"
    run_python("-c", code, GENSR_PREF_OFFLINE="1")
    assert len(server.asked) == before
