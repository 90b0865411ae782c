"""DNSMOS against speechmos on the same sounds, one thread each, and against the CPU's limit.

python -m tests.benchmarks.dnsmos [FOLDER [SOUNDS]]

FOLDER has a speech.csv with a column `path`; the default is the bundled sample, with its prompts
concatenated. Each sound is used at a length that is a multiple of 320 samples and at one that is
not. Times are CPU times of the process, so that other load on the machine matters less.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import sys
import time
from importlib.resources import files
from pathlib import Path

import numpy as np

from gensr_pref import audio, sample
from gensr_pref.audio import Sound
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.dnsmos import cpu, kernels
from gensr_pref.metrics.dnsmos.metric import Dnsmos, split_windows
from gensr_pref.metrics.dnsmos.networks import FRAMES, Network, read_p835
from tests.metrics.sounds import read_csv

NAMES = ("sig", "bak", "ovrl", "p808")


def stock():
    """speechmos with sessions of one thread; otherwise it takes every core for one window."""
    import onnxruntime
    from speechmos.dnsmos import DNSMOS

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    folder = files("speechmos") / "dnsmos_models"
    paths = [str(folder / name) for name in ("sig_bak_ovr.onnx", "model_v8.onnx")]
    model = DNSMOS(*paths)
    model.onnx_sess, model.p808_onnx_sess = (
        onnxruntime.InferenceSession(path, options) for path in paths
    )
    return model


def sounds(folder, count):
    """Pairs: at a multiple of 320 samples, and at most 319 samples shorter."""
    rows = read_csv(folder / "speech.csv")
    waves = [audio.read(folder / row["path"]).at(16_000).wave for row in rows]
    if folder == Path(sample.__file__).parent:
        joined = np.concatenate(waves)
        waves = [joined[at * 160_000 :][: 40_000 + 20_000 * (at % 6)] for at in range(count)]
    rng = np.random.default_rng(0)
    for wave in waves[:: max(1, len(waves) // count)][:count]:
        aligned = len(wave) // 320 * 320
        yield tuple(Sound(wave[:n], 16_000) for n in (aligned, aligned - rng.integers(1, 320)))


def seconds(function):
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def compare(model, metric, measured):
    """CPU seconds of both, and the largest difference."""
    spent, largest = np.zeros(2), 0.0
    for sound in measured:
        theirs, expected = seconds(lambda: model(sound.wave, 16_000, False))  # noqa: B023
        ours, [answer] = seconds(lambda: metric.score(ClipSounds([sound])))  # noqa: B023
        spent += theirs, ours
        differences = [abs(answer[f"dnsmos_{name}"] - expected[f"{name}_mos"]) for name in NAMES]
        largest = max(largest, *differences)
    return *spent, largest


def multiplications(window):
    """Of P.835's convolutions: all, and those by a value that is not zero."""
    layers = [[Network(((layer,),), ()) for layer in stage] for stage in read_p835().network.stages]
    x, dense, needed = cpu.CpuP835()._spectrum(window), 0, 0
    for stage in layers:
        x = x if stage is layers[0] else pooled(x)
        for network in stage:
            [[layer]] = network.stages
            dense += x.size * 9 * len(layer.bias)
            needed += np.count_nonzero(x) * 9 * len(layer.bias)
            [convolution] = kernels.make_stages(network)
            x = convolution(x)
    return dense, needed


def pooled(x):
    """2x2 maxima [T // 2, F // 2, C]."""
    time, bins = len(x) // 2, x.shape[1] // 2
    return x[: 2 * time, : 2 * bins].reshape(time, 2, bins, 2, -1).max(axis=(1, 3))


def peak(session, window):
    """GFLOP/s of one thread: the better of a matrix product and the stock graph's convolutions."""
    matrix = np.ones((1_024, 1_024), np.float32)
    product = min(seconds(lambda: matrix @ matrix)[0] for _ in range(20))
    graph = min(seconds(lambda: session.run(None, {"input_1": window[None]}))[0] for _ in range(5))
    dense, _ = multiplications(window)
    return max(2 * 1_024**3 / product, 2 * dense / graph) / 1e9


def main(folder=Path(sample.__file__).parent, count=12):
    model, metric = stock(), Dnsmos()
    metric.load("cpu")
    pairs = list(sounds(Path(folder), count))
    compare(model, metric, pairs[0])
    kinds = dict(zip(("multiple of 320", "any length"), zip(*pairs, strict=True), strict=True))
    for kind, measured in kinds.items():
        theirs, ours, largest = compare(model, metric, measured)
        total = sum(sound.seconds for sound in measured)
        print(f"{kind:16s} {len(measured)} sounds, {total:.0f} s: stock {theirs / total:.4f}, "
              f"ours {ours / total:.4f} s per s, ratio {theirs / ours:.2f}, "
              f"largest difference {largest:.1e}")  # fmt: skip
    floor(metric, model.onnx_sess, next(split_windows(pairs[0][0].wave)))


def floor(metric, session, window):
    """One window alone, where nothing is shared."""
    dense, needed = multiplications(window)
    rate = peak(session, window)
    clip = ClipSounds([Sound(window, 16_000)])
    ours = min(seconds(lambda: metric.score(clip))[0] for _ in range(5))
    print(f"a window of {FRAMES} frames: {ours * 1e3:.0f} ms; at the {rate:.0f} GFLOP/s of a "
          f"thread here, P.835's dense convolutions ({2 * dense / 1e9:.1f} GFLOP) take "
          f"{2 * dense / rate / 1e6:.0f} ms, those by nonzero values "
          f"({2 * needed / 1e9:.1f} GFLOP) {2 * needed / rate / 1e6:.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
