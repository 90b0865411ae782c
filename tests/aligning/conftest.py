"""A run of the three shipped models on real speech, with a metric that takes no time."""

import shutil
from pathlib import Path

import pytest

from gensr_pref import sample
from gensr_pref.building.build import build
from gensr_pref.config import run_file

CHEAP = Path(__file__).parents[1] / "cheap.py"
GENERATORS = ("fm-tiny", "ar-tiny", "mgm-tiny")
DATA = {
    "corpus": {
        "source": {"kind": "folder", "path": "speech"},
        "segment_seconds": [0.4, 0.8],
        "limit": 8,
        "degrade": {"noise": {"source": {"kind": "folder", "path": "noise"}}},
        "validation": {"share": 0.4, "by": "clip"},
    },
    "generators": [{"use": use, "candidates": 3} for use in GENERATORS],
    "panel": [{"metric": "cheap:Roughness"}],
    "pairing": {"pairs_per_clip": 9},
    "engine": {"kind": "serial", "shard_clips": 3},
}


def furnish(folder: Path) -> None:
    """Put what `DATA` names into a folder; an absolute path would be part of clips' identity."""
    shutil.copy(CHEAP, folder)
    for part in ("speech", "noise"):
        shutil.copytree(sample.FOLDER / part, folder / part)


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """A run directory with pairs of each generator; nobody may write into it."""
    folder = tmp_path_factory.mktemp("aligned")
    furnish(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        build(run_file.parse(DATA, run_file.Run, "test"), folder / "run", base=folder)
    return folder / "run"
