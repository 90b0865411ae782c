"""Makes the sample next to this file: clean speech clips, noise clips and two tables.

The speech is taken from the prompts of Debian's `asterisk-core-sounds-*-g722` packages, decoded
by `ffmpeg -f g722 -i NAME.g722 -ar 16000 -ac 1 PROMPTS/LANGUAGE/NAME.flac`. The babble is made
of other prompts; the rest of the noise is synthetic. The same prompts give the same bytes with
the same versions of numpy and libsndfile.

    python make_sample.py PROMPTS core-sounds-en.txt.gz --out FOLDER

PROMPTS has one folder per language. The text file is part of the package
`asterisk-core-sounds-en`, under /usr/share/doc.
"""

import argparse
import csv
import gzip
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from gensr_pref.audio import read, read_header

Audio = NDArray[np.float64]

RATE = 16_000
NOISE_SAMPLES = 8 * RATE
SILENCE_KEPT = RATE // 5
RELEASE = "1.6.1-1"
LICENCES = {
    "en": "CC-BY-SA-3.0",
    "es": "CC-BY-SA-3.0",
    "fr": "CC-BY-SA-3.0",
    "it": "CC-BY-3.0",
    "ru": "CC-BY-3.0",
}
SPEECH = {
    "en": [
        "conf-waitforleader", "confbridge-only-participant", "confbridge-pin-bad", "demo-nomatch",
        "dir-nomatch", "followme/pls-hold-while-try", "followme/sorry", "pbx-invalidpark",
        "priv-introsaved", "privacy-unident", "queue-youarenext", "speed-dial-empty",
        "ss-noservice", "tt-weasels", "vm-mailboxfull", "vm-nobox", "vm-savefolder", "vm-sorry",
        "vm-tmpexists", "vm-whichbox",
    ],
    "es": ["conf-userwilljoin", "followme/sorry", "priv-callpending"],
    "fr": ["pls-hold-while-try", "vm-starmain", "vm-whichbox"],
    "it": ["conf-invalid", "confbridge-only-one", "demo-nomatch"],
    "ru": ["conf-invalid", "followme/pls-hold-while-try", "vm-invalidpassword"],
}  # fmt: skip
BABBLE = {"babble-crowd": 16, "babble-table": 8, "babble-room": 8}
"""Number of voices in each babble clip."""


def read_texts(path: Path) -> dict[str, str]:
    """Return the texts of the English prompts by name, in lower case and without punctuation."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        pairs = [line.split(":", 1) for line in lines if ":" in line and line[0] != ";"]
    return {name: " ".join(re.findall(r"[a-z']+", text.lower())) for name, text in pairs}


def read_prompt(prompts: Path, name: str) -> Audio:
    """Return the samples of prompt LANGUAGE/NAME, in [-1, 1].

    Raises:
        ValueError: the prompt is not 16 kHz mono.
    """
    path = prompts / f"{name}.flac"
    header = read_header(path)
    if header.rate != RATE or header.channels != 1:
        raise ValueError(
            f"{name}: {header.rate} Hz, {header.channels} channels; 16000 Hz mono is needed"
        )
    return read(path).wave.astype(np.float64)


def trim(audio: Audio) -> Audio:
    """Cut the silence at both ends to 0.2 s; silence is 50 dB under the loudest 10 ms."""
    frames = audio[: len(audio) // 160 * 160].reshape(-1, 160)
    power = np.mean(frames**2, axis=1)
    loud = np.flatnonzero(power > 1e-5 * power.max())
    start, stop = loud[0] * 160 - SILENCE_KEPT, (loud[-1] + 1) * 160 + SILENCE_KEPT
    kept: Audio = audio[max(0, start) : stop]
    return kept


def babble_prompts(prompts: Path) -> dict[str, list[str]]:
    """Choose the prompts of each babble clip; no prompt is used twice.

    The prompts are 6 to 12 s long, are not speech clips, and are taken from each language in turn.
    """
    rng = np.random.default_rng(1)
    pools = []
    for language, chosen in SPEECH.items():
        names = sorted(p.relative_to(prompts).with_suffix("").as_posix()
                       for p in (prompts / language).rglob("*.flac")
                       if 6 <= sf.info(p).duration <= 12)  # fmt: skip
        pool = [name for name in names if name.split("/", 1)[1] not in chosen]
        pools.append(iter(rng.permutation(pool).tolist()))
    turns = [next(pools[turn % len(pools)]) for turn in range(sum(BABBLE.values()))]
    return {kind: [turns.pop() for _ in range(voices)] for kind, voices in BABBLE.items()}


def voices(prompts: Path, names: Iterable[str], rng: np.random.Generator) -> list[Audio]:
    """Return one 8 s voice per prompt, at equal power ±4 dB and from a random starting point."""
    result = []
    for name in names:
        voice = np.resize(trim(read_prompt(prompts, name)), NOISE_SAMPLES)
        gain = 10 ** (rng.uniform(-4, 4) / 20) / np.std(voice)
        result.append(gain * np.roll(voice, int(rng.integers(NOISE_SAMPLES))))
    return result


def shape_noise(rng: np.random.Generator, gain: Audio) -> Audio:
    """Return white noise with the magnitude response `gain` at the frequencies of `bins`."""
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(NOISE_SAMPLES)) * gain, NOISE_SAMPLES)


def bins() -> Audio:
    """Return the frequencies of an 8 s clip's Fourier bins, in Hz, the first one raised to 1/8."""
    frequencies = np.fft.rfftfreq(NOISE_SAMPLES, 1 / RATE)
    return np.asarray(np.maximum(frequencies, 0.125), dtype=np.float64)


def drifting_gain(rng: np.random.Generator, fastest_hz: float, depth_db: float) -> Audio:
    """Return a random gain without changes faster than `fastest_hz`; one sigma is `depth_db`."""
    slow = shape_noise(rng, (bins() <= fastest_hz).astype(np.float64))
    return np.asarray(10 ** (depth_db * slow / np.std(slow) / 20), dtype=np.float64)


def add_reverberation(voice: Audio, rng: np.random.Generator, rt60_s: float = 0.8) -> Audio:
    """Convolve with exponentially decaying noise (60 dB in `rt60_s`), the direct sound first."""
    time = np.arange(int(rt60_s * RATE)) / RATE
    response = 0.05 * rng.standard_normal(len(time)) * 10 ** (-3 * time / rt60_s)
    response[0] = 1
    spectrum = np.fft.rfft(voice) * np.fft.rfft(response, NOISE_SAMPLES)
    return np.fft.irfft(spectrum, NOISE_SAMPLES)


def hum(rng: np.random.Generator) -> Audio:
    """Return mains hum: 50 Hz and its harmonics up to 1.5 kHz, with a little hiss."""
    time = np.arange(NOISE_SAMPLES) / RATE
    result = 0.01 * shape_noise(rng, bins() ** -0.2)
    for k in range(1, 31):
        level = rng.uniform(0.3, 1) * (1.0 if k % 2 == 0 else 0.5) * k**-0.8
        result += level * np.sin(2 * np.pi * 50 * k * time + rng.uniform(0, 2 * np.pi))
    return result * drifting_gain(rng, 1.0, 1.0)


def pink(rng: np.random.Generator) -> Audio:
    """Return noise whose power falls as 1/f above 40 Hz and whose level drifts."""
    return shape_noise(rng, np.maximum(bins(), 40) ** -0.5) * drifting_gain(rng, 2.0, 2.0)


def fan(rng: np.random.Generator) -> Audio:
    """Return noise from 60 Hz to 2 kHz that swells at 0.4 Hz, with the tones of the blades."""
    time = np.arange(NOISE_SAMPLES) / RATE
    f = bins()
    air = shape_noise(rng, f**-0.4 / np.sqrt((1 + (60 / f) ** 4) * (1 + (f / 2000) ** 4)))
    blades = sum(np.sin(2 * np.pi * 118 * k * time) / k for k in range(1, 6))
    swell = 1 + 0.3 * np.sin(2 * np.pi * 0.4 * time)
    return np.asarray((air / np.std(air) + 0.35 * blades) * swell, dtype=np.float64)


def ring(rng: np.random.Generator, low_hz: float, high_hz: float, decay_s: float) -> Audio:
    """Return one struck sound of 60 ms: a decaying resonance in the range, with noise."""
    time = np.arange(int(0.06 * RATE)) / RATE
    tone = np.sin(2 * np.pi * rng.uniform(low_hz, high_hz) * time)
    noise = 0.5 * rng.standard_normal(len(time))
    return np.asarray((tone + noise) * np.exp(-time / decay_s), dtype=np.float64)


def keyboard(rng: np.random.Generator) -> Audio:
    """Return typing: a click and a thump per key, in bursts with pauses, over faint noise."""
    result = 0.004 * shape_noise(rng, np.maximum(bins(), 100) ** -0.3)
    at = 0.1
    while at < 7.8:
        key = ring(rng, 1500, 5000, 0.004) + 0.8 * ring(rng, 150, 350, 0.012)
        start = int(at * RATE)
        result[start : start + len(key)] += rng.uniform(0.4, 1.0) * key
        at += rng.uniform(0.08, 0.22) if rng.random() < 0.9 else rng.uniform(0.5, 0.9)
    return result


def rain(rng: np.random.Generator) -> Audio:
    """Return rain: a hiss above 500 Hz and 120 drops per second of very different loudness."""
    result = 0.25 * shape_noise(rng, 1 / (1 + (500 / bins()) ** 2))
    for _ in range(120 * 8):
        drop = ring(rng, 900, 6000, rng.uniform(0.001, 0.005))
        start = int(rng.integers(NOISE_SAMPLES - len(drop)))
        result[start : start + len(drop)] += 0.4 * rng.lognormal(-0.5, 0.7) * drop
    return result


def make_noises(prompts: Path) -> dict[str, Audio]:
    """Return the eight noise clips by kind, each with a peak of 0.5."""
    noises = {}
    for seed, (kind, names) in enumerate(babble_prompts(prompts).items(), start=2):
        rng = np.random.default_rng(seed)
        talk = voices(prompts, names, rng)
        talk = [add_reverberation(voice, rng) for voice in talk] if kind == "babble-room" else talk
        noises[kind] = np.sum(talk, axis=0)
    for seed, make in enumerate((hum, pink, keyboard, fan, rain), start=10):
        noises[make.__name__] = make(np.random.default_rng(seed))
    return {kind: 0.5 * noise / np.max(np.abs(noise)) for kind, noise in noises.items()}


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    """Write the rows as CSV with the first row's keys as its header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_speech(prompts: Path, texts: dict[str, str], out: Path) -> None:
    """Write speech/*.flac and speech.csv."""
    rows = []
    for language, names in SPEECH.items():
        for name in names:
            path = f"speech/{language}-{name.replace('/', '-')}.flac"
            clip = trim(read_prompt(prompts, f"{language}/{name}"))
            sf.write(out / path, clip, RATE, subtype="PCM_16", compression_level=1.0)
            rows.append({
                "path": path,
                "text": texts[name] if language == "en" else "",
                "speaker": f"prompt-{language}",
                "language": language,
                "licence": LICENCES[language],
                "source": f"asterisk-core-sounds-{language}-g722 {RELEASE}: {name}",
            })  # fmt: skip
    write_csv(out / "speech.csv", rows)


def write_noise(prompts: Path, out: Path) -> None:
    """Write noise/*.flac and noise.csv; babble is share-alike because its prompts are."""
    rows = []
    for kind, noise in make_noises(prompts).items():
        path = f"noise/{kind}.flac"
        sf.write(out / path, noise, RATE, subtype="PCM_16", compression_level=1.0)
        licence = "CC-BY-SA-3.0" if kind in BABBLE else "Apache-2.0"
        rows.append({"path": path, "kind": kind, "licence": licence})
    write_csv(out / "noise.csv", rows)


def main() -> None:
    """Read the command line and write the sample."""
    parser = argparse.ArgumentParser(description="Makes the sample of speech and noise.")
    parser.add_argument("prompts", type=Path, help="folder LANGUAGE/NAME.flac of decoded prompts")
    parser.add_argument("texts", type=Path, help="core-sounds-en.txt.gz")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to write")
    arguments = parser.parse_args()
    for folder in ("speech", "noise"):
        (arguments.out / folder).mkdir(parents=True, exist_ok=True)
    write_speech(arguments.prompts, read_texts(arguments.texts), arguments.out)
    write_noise(arguments.prompts, arguments.out)


if __name__ == "__main__":
    main()
