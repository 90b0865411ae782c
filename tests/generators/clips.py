"""Makes noisy clips from the sample, for the tests of all generators."""

from pathlib import Path

import numpy as np

import gensr_pref
from gensr_pref import audio
from gensr_pref.config import run_file
from gensr_pref.corpus import degrade
from gensr_pref.corpus.degradation_sources import Library
from gensr_pref.identity import rng_for

SAMPLE = Path(gensr_pref.__file__).parent / "sample"


def noisy_clip(number: int = 0, samples: int = 32000, snr_db: float = 5.0):
    """Mix a prompt and a noise of the sample; return the noisy and the clean waveform."""
    path = sorted((SAMPLE / "speech").rglob("*.flac"))[number]
    clean = np.resize(audio.read(path).at(16000).wave, samples)
    noise = run_file.Noise(
        probability=1,
        source=run_file.FolderSource(path=str(SAMPLE / "noise")),
        snr_db=(snr_db, snr_db),
    )
    settings = run_file.Degrade(noise=noise)
    library = Library.from_settings(settings, Path())
    made = degrade.degrade(clean, 16000, settings, library, rng_for(0, path.name))
    return made.noisy, made.clean


def sample_padded(model, waves, seeds):
    """Sample clips of different lengths, padded into one batch."""
    rows = np.zeros((len(waves), max(map(len, waves))), np.float32)
    for row, wave in zip(rows, waves, strict=True):
        row[: len(wave)] = wave
    return model.sample(rows, [len(wave) for wave in waves], seeds)
