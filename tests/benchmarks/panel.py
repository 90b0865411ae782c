"""The panel next to the original packages called one clip at a time, as in a plain script.

    python -m tests.benchmarks.panel [--clips 6] [--candidates 8] [--seconds 2 10]

Both versions score the same clips in one run and take turns, so that other load on the machine
affects both. "stock" is one process with every default of the packages (ONNX Runtime and torch
then use all cores). "panel" is one process with one thread, and one such process per core. Models
are loaded before the timing starts. The speech is that of ../shared/data if it exists, else that
of the bundled sample.
"""

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from gensr_pref import audio, sample
from gensr_pref.audio import Sound
from gensr_pref.metrics.panel import Panel
from tests.metrics.sounds import noisy, read_csv

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
RATE = 16_000
METRICS = {
    "dnsmos": ["dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "dnsmos_p808"],
    "speaker_similarity": ["speaker_similarity"],
    "pesq": ["pesq_wb"],
    "stoi": ["stoi", "estoi"],
}


# The clips


def speech():
    """Waveforms [T] at 16 kHz."""
    shared = (SHARED / "speech.csv").is_file()
    folder = SHARED if shared else Path(sample.__file__).parent
    rows = read_csv(folder / "speech.csv")
    for row in rows[:: max(1, len(rows) // 60)]:
        yield audio.read(folder / row["path"]).at(RATE).wave


def clips(count, candidates, seconds, multiple):
    """Clean speech of drawn lengths, and candidates of it: noise of several levels on top.

    Args:
        multiple: of samples that each length is, or 0 for lengths that are no multiple of 320.
    """
    rng = np.random.default_rng(0)
    found = []
    for wave in speech():
        length = min(len(wave), int(rng.uniform(*seconds) * RATE))
        length = length // multiple * multiple if multiple else length // 320 * 320 - 77
        if length < seconds[0] * RATE - 320 or len(found) == count:
            continue
        clean = Sound(np.ascontiguousarray(wave[:length]), RATE)
        found.append((clean, [noisy(clean, 0.002 * 2 ** (k / 2), k) for k in range(candidates)]))
    return found


# The stock side


def stock_metrics():
    """Each metric as its package's page says, one candidate at a time."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pesq import pesq
        from pystoi import stoi
        from resemblyzer import VoiceEncoder, preprocess_wav
        from speechmos import dnsmos
    encoder = VoiceEncoder("cpu", verbose=False)

    def dnsmos_of(clean, wave):
        found = dnsmos.run(np.clip(wave, -1, 1), RATE)
        return [found[key] for key in ("sig_mos", "bak_mos", "ovrl_mos", "p808_mos")]

    def similarity_of(clean, wave):
        one, other = (encoder.embed_utterance(preprocess_wav(w)) for w in (clean, wave))
        return [one @ other]

    return {
        "dnsmos": dnsmos_of,
        "speaker_similarity": similarity_of,
        "pesq": lambda clean, wave: [pesq(RATE, clean, wave, "wb")],
        "stoi": lambda clean, wave: [stoi(clean, wave, RATE), stoi(clean, wave, RATE, True)],
    }


def stock(measure, clip):
    clean, candidates = clip
    return [measure(clean.wave, sound.wave) for sound in candidates]


# The panel's side

_PANELS = {}


def panel_of(name):
    if name not in _PANELS:
        _PANELS[name] = Panel(list(METRICS) if name == "all" else [name])
        _PANELS[name].load()
    return _PANELS[name]


def ours(name, clip):
    clean, candidates = clip
    names = [n for of in METRICS.values() for n in of] if name == "all" else METRICS[name]
    results = panel_of(name).score(candidates, clean=clean)
    return [[result.values[score] for score in names] for result in results]


def timed(function, *arguments):
    begun = time.perf_counter()
    return function(*arguments), time.perf_counter() - begun


def compare(name, found, measure):
    """Wall seconds of stock and of one panel process, in turns, and the largest difference."""
    spent, apart = np.zeros(2), 0.0
    for clip in found:
        theirs, first = timed(stock, measure, clip)
        own, second = timed(ours, name, clip)
        spent += first, second
        differences = np.abs(np.array(theirs, float) - np.array(own, float))
        apart = max(apart, float(np.nanmax(differences)))
    return spent, apart


def on_all_cores(pool, cores, found):
    """Wall seconds of the whole panel with one process per core."""
    list(pool.map(ours, ["all"] * cores * 2, [found[0]] * cores * 2))  # load, and warm up
    _, spent = timed(lambda: list(pool.map(ours, ["all"] * len(found), found)))
    return spent


def report(title, found, cores, pool):
    seconds = sum(sound.seconds for _, candidates in found for sound in candidates)
    each = len(found[0][1])
    print(f"\n{title}: {len(found)} clips x {each} candidates, {seconds:.0f} s of audio")
    print(f"{'seconds per second':20s}{'stock':>9}{'panel':>9}{'ratio':>8}{'difference':>13}")
    total = np.zeros(2)
    for name, measure in stock_metrics().items():
        stock(measure, found[0])
        ours(name, found[0])
        spent, apart = compare(name, found, measure)
        total += spent
        line(name, *spent / seconds, f"{apart:13.1e}")
    line("all, one process", *total / seconds)
    line(f"all, {cores} processes", total[0] / seconds, on_all_cores(pool, cores, found) / seconds)


def line(name, stock_cost, our_cost, more=""):
    print(f"{name:20s}{stock_cost:9.4f}{our_cost:9.4f}{stock_cost / our_cost:8.2f}{more}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--seconds", type=float, nargs=2, default=(2.0, 10.0))
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        for title, multiple in (("multiples of 320 samples", 320), ("arbitrary lengths", 0)):
            found = clips(options.clips, options.candidates, options.seconds, multiple)
            report(title, found, cores, pool)


if __name__ == "__main__":
    main()
