"""A small run on real speech with plugins that take no time."""

import shutil
from pathlib import Path

import pytest
import yaml

from gensr_pref import sample
from gensr_pref.building import ray_cluster
from gensr_pref.building.build import build
from gensr_pref.config import run_file
from gensr_pref.config.run_file import Engine
from gensr_pref.rundir import part_files
from tests.cheap import IMMEDIATE

TABLES = ("clips", "candidates", "scores", "pairs", "failures")


@pytest.fixture(scope="session")
def base(tmp_path_factory) -> Path:
    """A folder with a few clips, a noise and the cheap plugins, as a user's project would be."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "speech").mkdir()
    (folder / "noise").mkdir()
    for path in sorted((sample.FOLDER / "speech").glob("*.flac"))[:7]:
        shutil.copy(path, folder / "speech")
    shutil.copy(sorted((sample.FOLDER / "noise").glob("*.flac"))[0], folder / "noise")
    shutil.copy(Path(__file__).parent / "cheap.py", folder)
    (folder / "run.yaml").write_text(yaml.safe_dump(RUN), encoding="utf-8")
    return folder


RUN = {
    "name": "cheap",
    "corpus": {
        "source": {"kind": "folder", "path": "speech"},
        "degrade": {"noise": {"source": {"kind": "folder", "path": "noise"}}},
    },
    "generators": [{"use": "cheap:Hiss", "candidates": 3}],
    "panel": [{"metric": "cheap:Roughness"}],
    "engine": {"kind": "serial", "shard_clips": 2},
}


@pytest.fixture
def run(base):
    """Makes a checked run file from overrides."""

    def made(*overrides: str) -> run_file.Run:
        return run_file.load(base / "run.yaml", list(overrides))

    return made


@pytest.fixture(scope="module")
def one_ray():
    """Ray, started once for the builds of a module, as each of them would start it."""
    with ray_cluster.running_ray(Engine(kind="ray", workers=2)):
        yield


def tables(out: Path) -> dict[str, bytes]:
    """Every part file of a run directory, by name."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for table in TABLES
        for path in part_files.parts(out, table)
    }


def undisturbed_tables(base: Path, out: Path, *overrides: str) -> dict[str, bytes]:
    """The part files of a run with the same settings that nothing stops and that never sleeps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(IMMEDIATE, "1")
        build(run_file.load(base / "run.yaml", list(overrides)), out, base=base)
    return tables(out)


def rows(out: Path, table: part_files.Table) -> list[dict]:
    """All rows of a table; none where there is no part."""
    return [
        row for path in part_files.parts(out, table) for row in part_files.read(path).to_pylist()
    ]
