"""Real speech for the metrics, short enough for the original packages."""

from dataclasses import replace
from pathlib import Path

import pytest

import gensr_pref
from gensr_pref import audio
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.dnsmos.metric import Dnsmos
from tests.metrics.sounds import cut, noisy, read_csv

SAMPLE = Path(gensr_pref.__file__).parent / "sample"
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared():
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} does not exist: published values and real enhancers are not checked")
    return SHARED


@pytest.fixture(scope="session")
def prompts():
    """English prompts of the bundled sample: [(sound, text)]."""
    table = SAMPLE / "speech.csv"
    if not table.is_file():
        pytest.skip(f"{table} does not exist: real speech is needed")
    rows = [row for row in read_csv(table) if row["language"] == "en"]
    return [(audio.read(SAMPLE / row["path"]), row["text"]) for row in rows]


@pytest.fixture(scope="session")
def clip(prompts):
    """One prompt of 2.7 s and three noisy versions of it."""
    clean, text = prompts[0]
    versions = [noisy(clean, level, seed) for seed, level in enumerate((0.003, 0.01, 0.03))]
    return ClipSounds(versions, clean, noisy(clean, 0.1), text, "en")


@pytest.fixture(scope="session")
def brief(clip):
    """The first 1.2 s of `clip`, for slow networks."""
    shorter = [cut(sound, 1.2) for sound in (clip.clean, clip.noisy, *clip.candidates)]
    return replace(clip, clean=shorter[0], noisy=shorter[1], candidates=shorter[2:])


@pytest.fixture(scope="session")
def dnsmos():
    """The loaded metric; on a machine's first use its kernels are compiled."""
    metric = Dnsmos()
    metric.load("cpu")
    return metric
