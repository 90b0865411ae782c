"""Real speech and noise of the bundled sample, and small generated files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import gensr_pref
from gensr_pref import audio
from gensr_pref.audio import Wave
from gensr_pref.config.run_file import Corpus
from tests.corpus.sections import corpus, everything

RATE = 16000
SAMPLE = Path(gensr_pref.__file__).parent / "sample"
DATA = Path(__file__).parents[2].parent / "shared" / "data"

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def sample() -> Path:
    if not (SAMPLE / "speech.csv").is_file():
        pytest.skip(f"no bundled sample at {SAMPLE}")
    return SAMPLE


@pytest.fixture(scope="session")
def data() -> Path:
    if not (DATA / "speech.csv").is_file():
        pytest.skip(f"no real audio at {DATA}")
    return DATA


@pytest.fixture(scope="session")
def speech(sample: Path) -> Wave:
    """5 s of a prompt at 16 kHz."""
    return audio.read(sample / "speech" / "en-queue-youarenext.flac").wave


@pytest.fixture(scope="session")
def utterances(sample: Path) -> list[Wave]:
    return [audio.read(path).wave for path in sorted((sample / "speech").glob("*.flac"))[:12]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a waveform (noise of `seconds` by default) to a file below tmp_path."""

    def write(
        name: str,
        wave: np.ndarray | None = None,
        rate: int = RATE,
        seconds: float = 1.5,
        subtype: str | None = None,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if wave is None:
            rng = np.random.default_rng(len(name))
            wave = rng.normal(0, 0.1, round(seconds * rate)).astype(np.float32)
        soundfile.write(path, wave, rate, subtype=subtype)
        return path

    return write


@pytest.fixture(scope="module")
def prompts(sample: Path) -> Corpus:
    columns = {"audio": "path", "text": "text", "speaker": "speaker", "language": "language"}
    source = {"kind": "manifest", "path": str(sample / "speech.csv"), "columns": columns}
    return corpus(source=source, limit=10, segment_seconds=(1, 4), degrade=everything(sample))
