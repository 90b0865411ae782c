"""A small run with pairs in both splits, and candidates with tokens or latents."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import constants

from gensr_pref import sample
from gensr_pref.building.build import build
from gensr_pref.config import plugins, run_file
from gensr_pref.exporting.dataset import ExportOptions
from gensr_pref.exporting.export_run import PublishingOptions, export
from tests.upload_server import TOKEN, UploadServer

RUN = {
    "name": "small",
    "credits": [
        {"of": "speech", "name": "Asterisk core sounds", "licence": "CC-BY-SA-3.0",
         "by": "Allison Smith", "url": "https://www.asterisk.org"},
        {"of": "noise", "name": "babble", "licence": "CC-BY-NC-4.0"},
    ],
    "corpus": {
        "source": {"kind": "manifest", "path": "speech.csv",
                   "columns": {"audio": "path", "text": "text", "speaker": "speaker",
                               "language": "language"}},
        "degrade": {"noise": {"probability": 1, "source": {"kind": "folder", "path": "noise"}}},
        "validation": {"share": 0.4, "by": "clip"},
    },
    "generators": [
        {"use": "pretended:Tokens", "candidates": 3},
        {"use": "pretended:Hiss", "candidates": 3},
    ],
    "panel": [{"metric": "pretended:Roughness"}, {"metric": "si_sdr", "vote": False}],
    "pairing": {"pairs_per_clip": 2},
    "engine": {"kind": "serial", "shard_clips": 3},
}  # fmt: skip


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    """A folder with some of the bundled clips, and plugins."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "noise").mkdir()
    shutil.copytree(sample.FOLDER / "speech", folder / "speech")
    lines = (sample.FOLDER / "speech.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    lines[2] = lines[2].replace("you are currently the only participant in the conference", "")
    (folder / "speech.csv").write_text("".join(lines[:9]), encoding="utf-8")
    shutil.copy(sorted((sample.FOLDER / "noise").glob("*.flac"))[0], folder / "noise")
    shutil.copy(Path(__file__).parent / "pretended.py", folder)
    (folder / "run.yaml").write_text(yaml.safe_dump(RUN), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def built(project, tmp_path_factory) -> Path:
    """The run directory; tests that change it take a copy."""
    out = tmp_path_factory.mktemp("runs") / "built"
    plugins.search(project)
    build(run_file.load(project / "run.yaml"), out, base=project)
    return out


@pytest.fixture
def run_folder(built, tmp_path) -> Path:
    """A copy of the run directory, for tests that change it."""
    return Path(shutil.copytree(built, tmp_path / "run-copy"))


@pytest.fixture(scope="session")
def exported(built, tmp_path_factory) -> Path:
    """The run as it is exported by default."""
    out = tmp_path_factory.mktemp("exports") / "small"
    export(built, out, ExportOptions(), PublishingOptions(repository="us/small"))
    return out


@pytest.fixture
def facts():
    """Reads the JSON of an export."""

    def read(out: Path, name: str) -> dict:
        return json.loads((out / name).read_text(encoding="utf-8"))

    return read


@pytest.fixture(autouse=True)
def no_token(monkeypatch) -> None:
    """The developer's own token, if there is one, is in no test."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", os.devnull)


@pytest.fixture
def server(monkeypatch):
    """A local Hub that accepts uploads over LFS; the protocol of Xet is not implemented."""
    with UploadServer() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", running.url)
        monkeypatch.delenv("GENSR_PREF_OFFLINE", raising=False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield running
