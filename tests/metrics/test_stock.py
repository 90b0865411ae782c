"""Tests that every value equals the original package's on real speech."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.audio import Sound
from gensr_pref.errors import Unusable
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.panel import Panel
from gensr_pref.metrics.pesq.metric import LONGEST, Pesq
from gensr_pref.metrics.speaker.metric import SpeakerSimilarity
from gensr_pref.metrics.stoi import Stoi
from gensr_pref.schema import Reason
from tests.metrics.sounds import cut, noisy, read_csv
from tests.refusals import raises


@pytest.fixture(scope="module")
def speaker():
    metric = SpeakerSimilarity()
    metric.load("cpu")
    return metric


def test_speaker_similarity_equals_resemblyzers(speaker, clip):
    from resemblyzer import VoiceEncoder, preprocess_wav

    encoder = VoiceEncoder("cpu", verbose=False)
    reference = encoder.embed_utterance(preprocess_wav(clip.clean.wave))
    expected = [
        reference @ encoder.embed_utterance(preprocess_wav(candidate.wave))
        for candidate in clip.candidates
    ]
    scores = [answer["speaker_similarity"] for answer in speaker.score(clip)]
    assert scores == pytest.approx(expected, abs=1e-5)
    assert scores == sorted(scores, reverse=True)


def test_speaker_similarity_of_a_sound_to_itself_is_1(speaker, clip):
    [answer] = speaker.score(replace(clip, candidates=[clip.clean]))
    assert answer["speaker_similarity"] == pytest.approx(1, abs=1e-6)


def test_speaker_similarity_uses_the_noisy_clip_if_there_is_no_clean_one(speaker, clip):
    without = replace(clip, clean=None)
    as_reference = replace(clip, clean=clip.noisy)
    for to_noisy, to_clean in zip(speaker.score(without), speaker.score(as_reference), strict=True):
        assert to_noisy["speaker_similarity"] == to_clean["speaker_similarity"]
        assert (to_noisy["speaker_reference"], to_clean["speaker_reference"]) == ("noisy", "clean")


def test_speaker_similarity_distinguishes_speakers(speaker, prompts, shared):
    other = audio.read(sorted((shared / "speech").rglob("*.flac"))[0])
    clean, same = prompts[0][0], prompts[1][0]
    same_voice, other_voice = speaker.score(ClipSounds([same, other], clean))
    assert same_voice["speaker_similarity"] > other_voice["speaker_similarity"] + 0.1


def test_a_sound_without_a_voice_has_no_speaker_similarity(speaker, clip):
    hiss = Sound(np.random.default_rng(0).normal(size=16000).astype(np.float32) * 1e-3, 16000)
    click = np.zeros(16000, np.float32)
    click[8000] = 1.0
    for silent in (hiss, Sound(click, 16000), cut(clip.clean, 0.003)):
        voiced, unvoiced = speaker.score(replace(clip, candidates=[clip.candidates[0], silent]))
        assert voiced["speaker_similarity"] > 0.5
        assert isinstance(unvoiced, Unusable)
        assert unvoiced.reason is Reason.NO_SPEECH
    with raises(Unusable, reason="no_speech"):
        speaker.score(replace(clip, clean=hiss))


def test_pesq_equals_the_packages(clip):
    from pesq import pesq

    expected = [pesq(16000, clip.clean.wave, c.wave, "wb") for c in clip.candidates]
    assert [answer["pesq_wb"] for answer in Pesq().score(clip)] == expected


def test_pesqs_error_codes_become_reasons(clip):
    wave = np.zeros(24000, np.float32)
    wave[8000:8800] = clip.clean.wave[8000:8800]
    wordless = Sound(wave, 16000)
    short = cut(clip.clean, 0.2)
    long = Sound(np.resize(clip.clean.wave, LONGEST + 1), 16000)
    reasons = []
    for sound in (wordless, short, long):
        [answer] = Pesq().score(replace(clip, candidates=[sound], clean=sound))
        assert isinstance(answer, Unusable)
        reasons.append(answer.reason)
    assert reasons == [Reason.NO_SPEECH, Reason.TOO_SHORT, Reason.TOO_LONG]


def test_stoi_and_estoi_equal_pystois(clip):
    from pystoi import stoi

    for candidate, answer in zip(clip.candidates, Stoi().score(clip), strict=True):
        plain = stoi(clip.clean.wave, candidate.wave, 16000)
        extended = stoi(clip.clean.wave, candidate.wave, 16000, extended=True)
        assert answer["stoi"] == pytest.approx(plain, abs=1e-9)
        assert answer["estoi"] == pytest.approx(extended, abs=1e-9)


@pytest.mark.parametrize("seconds", [0.003, 0.02, 0.1, 0.3, 0.4, 0.41, 0.42, 0.43, 0.5, 0.6])
def test_stoi_is_null_exactly_if_pystoi_warns(clip, seconds):
    """pystoi warns and returns 1e-5, or raises if there is less than one frame."""
    from pystoi import stoi

    clean, candidate = cut(clip.clean, seconds), cut(clip.candidates[2], seconds)
    short = replace(clip, candidates=[candidate], clean=clean)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            stock = stoi(clean.wave, candidate.wave, 16000)
        except (ValueError, RuntimeWarning):
            stock = None
    if stock is None:
        with raises(Unusable, reason="too_short"):
            Stoi().score(short)
    else:
        [answer] = Stoi().score(short)
        assert answer["stoi"] == pytest.approx(stock, abs=1e-9)


def test_stoi_of_digital_silence_within_a_clip_is_the_same_every_time(clip):
    """pystoi adds random noise there, so that its ESTOI changes from call to call."""
    wave = clip.candidates[0].wave.copy()
    wave[8000:24000] = 0
    holed = replace(clip, candidates=[Sound(wave, 16000)])
    assert Stoi().score(holed) == Stoi().score(holed)


def test_more_noise_lowers_dnsmos(clip, dnsmos):
    levels = [noisy(cut(clip.clean, 1.2), level) for level in (0.001, 0.1)]
    quiet, loud = dnsmos.score(replace(clip, candidates=levels))
    assert all(quiet[name] > loud[name] for name in ("dnsmos_bak", "dnsmos_ovrl", "dnsmos_p808"))


def real_clips(shared, part):
    """A tenth of 110 clips of 0.5 to 18 s: clean speech, and two noisy versions in random order."""
    rng = np.random.default_rng(part)
    rows = read_csv(shared / "speech.csv")
    noises = read_csv(shared / "noise.csv")
    for row in rows[part * 11 : part * 11 + 11]:
        whole = audio.read(shared / row["path"])
        clean = cut(whole, rng.uniform(0.5, min(18, whole.seconds)))
        noise = audio.read(shared / noises[rng.integers(len(noises))]["path"]).wave
        noise = np.resize(noise, len(clean.wave))
        versions = [clean.wave + level * noise for level in rng.uniform(0.05, 1, 2)]
        sounds = [Sound(np.clip(w, -1, 1).astype(np.float32), 16000) for w in versions]
        yield clean, sounds


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.parametrize("part", range(10))
@pytest.mark.usefixtures("speaker")  # its loading silences the warnings of importing resemblyzer
def test_scores_of_a_hundred_real_clips_equal_the_packages(shared, part):
    """A panel's similarity agrees to 1e-5, PESQ exactly and STOI to 1e-9."""
    from pesq import pesq
    from pystoi import stoi
    from resemblyzer import VoiceEncoder, preprocess_wav

    encoder = VoiceEncoder("cpu", verbose=False)

    def embed(wave):
        return encoder.embed_utterance(preprocess_wav(wave))

    packages = {
        "speaker_similarity": (lambda *pair: np.dot(*map(embed, pair)), 1e-5),
        "pesq_wb": (lambda *pair: pesq(16000, *pair, "wb"), 0),
        "stoi": (lambda *pair: stoi(*pair, 16000), 1e-9),
        "estoi": (lambda *pair: stoi(*pair, 16000, extended=True), 1e-9),
    }
    panel = Panel(["speaker_similarity", "pesq", "stoi"])
    for clean, sounds in real_clips(shared, part):
        for sound, result in zip(sounds, panel.score(sounds, clean=clean), strict=True):
            assert Reason.METRIC_ERROR not in result.failures.values()
            for score, (stock, allowed) in packages.items():
                if score not in result.failures:
                    expected = stock(clean.wave, sound.wave)
                    assert abs(result.values[score] - expected) <= allowed, score
