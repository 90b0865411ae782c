"""Can the word error rate find the cleaner of two versions, and what does it cost?

python -m tests.benchmarks.recogniser SHARED [CLIPS]

SHARED is a folder with ``speech.csv`` (path, text, speaker, duration_s) and ``noise.csv``. Each
clip is mixed with one noise at several SNRs. Of two versions, the one with less noise should have
the lower rate. Pocketsphinx is measured with its general language model and with one built from
the corpus's texts. Whisper is measured with random weights of tiny.en's size, one sound at a time
and all at once. Ratios are of CPU time in the same run.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import itertools
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from gensr_pref import audio
from gensr_pref.audio import Sound
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.wer.metric import WordErrorRate
from tests.metrics.sounds import read_csv

SNRS = (16, 12, 8, 4, 0)  # dB


def corpus_texts(shared):
    return sorted({row["text"] for row in read_csv(shared / "speech.csv")})


def short_clips(shared, count):
    """Rows of clips of 2 to 6 s, one of every speaker before a second of any."""
    rows = [r for r in read_csv(shared / "speech.csv") if 2 <= float(r["duration_s"]) <= 6]
    turns = {}
    for row in rows:
        turns.setdefault(row["speaker"], []).append(row)
    rounds = itertools.zip_longest(*(turns[speaker] for speaker in sorted(turns)))
    return [row for each_round in rounds for row in each_round if row][:count]


def mixed(clean, noise, snr):
    """`clean` with `noise` at an SNR in dB, turned down where it would clip."""
    tiled = np.resize(noise.wave, len(clean.wave))
    power = float(np.mean(clean.wave**2) / np.mean(tiled**2))
    wave = clean.wave + tiled * (power / 10 ** (snr / 10)) ** 0.5
    return Sound((wave / max(1.0, float(np.abs(wave).max()) / 0.9)).astype(np.float32), clean.rate)


def noisy_clips(shared, clips, snrs):
    """Clips whose candidates are the clean sound and then one version per SNR, as they come."""
    noises = [r for r in read_csv(shared / "noise.csv") if float(r["duration_s"]) >= 6]
    for index, row in enumerate(short_clips(shared, clips)):
        clean = audio.read(shared / row["path"])
        noise = audio.read(shared / noises[index % len(noises)]["path"])
        versions = [clean, *(mixed(clean, noise, snr) for snr in snrs)]
        yield ClipSounds(versions, clean, text=row["text"], language="en")


def rates(metric, clips):
    """WER of every candidate [clips, candidates], and the CPU seconds it took."""
    start = time.process_time()
    found = [[answer["wer"] for answer in metric.score(clip)] for clip in clips]
    return np.array(found), time.process_time() - start


def outcome(wer, apart):
    """Shares (right, tie, wrong) among versions that are `apart` SNRs from each other."""
    worse = wer[:, 1 + apart :] - wer[:, 1:-apart]
    return (worse > 0).mean(), (worse == 0).mean(), (worse < 0).mean()


def pocketsphinx(shared, clips):
    measured = list(noisy_clips(shared, clips, SNRS))
    seconds = {}
    for name, texts in (("general", []), ("corpus", corpus_texts(shared))):
        metric = WordErrorRate()
        metric.study(texts)
        metric.load("cpu")
        wer, seconds[name] = rates(metric, measured)
        means = "  ".join(f"{mean:.2f}" for mean in wer.mean(axis=0))
        print(f"{name}: mean WER, clean and at {SNRS} dB: {means}")
        for apart in (1, 2, 3):
            right, tie, wrong = outcome(wer, apart)
            print(f"  {apart * 4:2d} dB apart: right {right:.2f}  tie {tie:.2f}  wrong {wrong:.2f}")
    print(f"general takes {seconds['general'] / seconds['corpus']:.1f} times as long as corpus")


def whisper(shared):
    import torch
    from whisper.model import ModelDimensions, Whisper

    from gensr_pref.metrics.wer import whisper as ours
    from tests.metrics.wer.whisper_files import save

    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = Whisper(ModelDimensions(80, 1500, 384, 6, 4, 51864, 448, 384, 6, 4))
    torch.nn.init.normal_(network.decoder.positional_embedding)
    sounds = [audio.read(shared / row["path"]) for row in short_clips(shared, 4)]
    with tempfile.TemporaryDirectory() as folder:
        recogniser = ours.Whisper(save(network, Path(folder) / "tiny.en.pt"))
        recogniser.load("cpu")
    start = time.process_time()
    alone = recogniser.transcribe(sounds, "en")
    between = time.process_time()
    together = list(recogniser._decode(sounds, "en"))
    ratio = (between - start) / (time.process_time() - between)
    same = sum(a == b for a, b in zip(alone, together, strict=True))
    print(f"Whisper tiny.en, random weights: one by one takes {ratio:.1f} times as long as "
          f"{len(sounds)} at once; {same} of {len(sounds)} transcripts are the same")  # fmt: skip


def main(shared, clips=40):
    pocketsphinx(shared, clips)
    whisper(shared)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
