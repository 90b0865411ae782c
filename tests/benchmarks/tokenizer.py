"""Upper bound of the tokenizer: quality of a clip with the true gains and with their tokens.

    python -m tests.benchmarks.tokenizer --speech heldout_speech.csv --noise heldout_noise.csv \
        [--clips 40] [--tokenizer DIR]

Clips and noise are those of the condition "noise" of `tests.benchmarks.generators`. The output is
the mean over clips of the noisy input, with the tokens of the clean clip's gains, and with the
gains.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from gensr_pref.aligning.pretrain.token_losses import SHIPPED_TOKENIZER
from gensr_pref.audio import pcm16
from gensr_pref.config import run_file
from gensr_pref.corpus import degrade
from gensr_pref.corpus.degradation_sources import Library
from gensr_pref.generators.tiny.bands import latent_of
from gensr_pref.generators.tiny.base import render
from gensr_pref.generators.tiny.carrier import carrier, stft
from gensr_pref.generators.tiny.checkpoint import load_network
from gensr_pref.generators.tiny.tokenizer import Tokenizer
from gensr_pref.identity import rng_for
from gensr_pref.metrics.panel import Panel
from tests.benchmarks.generators import RATE, SCORES, clean_clips, conditions, judged


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--noise", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--tokenizer", type=Path, default=SHIPPED_TOKENIZER)
    given = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = load_network(given.tokenizer, Tokenizer)
    noise = run_file.ManifestSource(path=str(given.noise.resolve()), root="/")
    settings = run_file.Degrade(**conditions(noise, None)["noise"])
    library = Library.from_settings(settings, Path())
    panel = Panel(["dnsmos", "speaker_similarity", "pesq", "stoi"])
    found = []
    for path, clean in clean_clips(given.speech, given.clips):
        made = degrade.degrade(clean, RATE, settings, library, rng_for(0, path, "noise"))
        wave = (pcm16(made.noisy) / 32768).astype(np.float32)
        heard = carrier(wave)
        gains = latent_of(stft(torch.from_numpy(made.clean)), heard)
        coded = tokenizer.decode(tokenizer.encode(gains[None]))[0]
        waves = [wave, *(render(latent, heard, len(wave)) for latent in (coded, gains))]
        found.append(judged(panel, waves, made.clean))
    print(f"| | {' | '.join(SCORES)} |\n|{'---|' * (len(SCORES) + 1)}")
    for name, row in zip(("noisy", "tokens", "gains"), np.mean(found, 0), strict=True):
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in row)} |")


if __name__ == "__main__":
    main()
