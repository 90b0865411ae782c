"""Tests of pocketsphinx with its general language model and with the corpus's."""

import subprocess
import sys
import time

import jiwer
import numpy as np
import pytest

from gensr_pref.audio import Sound
from gensr_pref.errors import Unusable
from gensr_pref.metrics.wer import pocketsphinx
from gensr_pref.metrics.wer.normalise import normalise
from gensr_pref.metrics.wer.pocketsphinx import Pocketsphinx
from tests.metrics.sounds import cut, noisy
from tests.refusals import raises


@pytest.fixture(scope="module")
def recogniser():
    made = Pocketsphinx()
    made.load("cpu")
    return made


@pytest.fixture(scope="module")
def student(prompts):
    return study_texts([text for _, text in prompts])


def study_texts(texts):
    made = Pocketsphinx()
    made.study(texts)
    made.load("cpu")
    return made


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["recogniser", "student"])
def test_a_transcript_does_not_depend_on_earlier_sounds(kind, request, prompts):
    """A decoder without `reinit_feat` fails this, because it keeps its noise estimate."""
    texts = [text for _, text in prompts] if kind == "student" else []
    meant = texts[0] if texts else None
    loud = noisy(cut(prompts[1][0], 1.0), 0.2)
    sounds = [loud, *(noisy(cut(sound, 1.5), 0.02) for sound, _ in prompts[5:7])]
    alone = []
    for sound in sounds:
        alone += study_texts(texts).transcribe([sound], "en", meant)
    assert all(alone[1:])
    assert request.getfixturevalue(kind).transcribe(sounds, "en", meant) == alone


@pytest.mark.slow
def test_study_lowers_the_error_rate(recogniser, student, prompts):
    references = [normalise(text) for _, text in prompts[:4]]
    sounds = [noisy(sound, 0.01) for sound, _ in prompts[:4]]

    def error(transcripts):
        return jiwer.wer(references, [normalise(text) for text in transcripts])

    general, corpus = (
        error(r.transcribe(sounds, "en", prompts[0][1])) for r in (recogniser, student)
    )
    assert corpus < 0.7 * general


def test_study_does_not_slow_down_loading():
    """Opening takes seconds if a small language model is combined with the whole dictionary."""
    start = time.process_time()
    study_texts(["one two three"])
    assert time.process_time() - start < 2


def test_study_adds_no_words_to_noise(student, prompts):
    """Noise and other sentences are not transcribed as the studied text."""
    (said, _), (_, other) = prompts[0], prompts[3]
    hiss = noisy(Sound(np.zeros_like(said.wave), said.rate), 0.05)
    for text in student.transcribe([said, hiss], "en", other):
        assert jiwer.wer(normalise(other), normalise(text)) > 0.8


@pytest.mark.slow
def test_the_order_of_the_texts_does_not_matter(student, prompts):
    again = study_texts([text for _, text in reversed(prompts)])
    sounds = [noisy(cut(sound, 1.5), 0.02) for sound, _ in prompts[:3]]
    meant = prompts[0][1]
    transcripts = student.transcribe(sounds, "en", meant)
    assert again.transcribe(sounds, "en", meant) == transcripts
    assert student.transcribe(sounds, "en") != transcripts


@pytest.mark.parametrize("text", [None, "a sentence that was not studied"])
def test_another_text_is_decoded_with_the_general_model(text, recogniser, student, prompts):
    sounds = [prompts[0][0]]
    assert student.transcribe(sounds, "en", text) == recogniser.transcribe(sounds, "en")


def test_words_that_the_dictionary_lacks_are_named():
    made = study_texts(["the fnordling and the zzyzxian", "une maison"])
    assert made.unknown_words == {"fnordling", "zzyzxian", "une"}
    [remark] = made.remarks()
    assert "lacks 3 of the 6 different words" in remark
    assert remark.endswith(": fnordling, une, zzyzxian")


def test_ten_of_many_missing_words_are_named():
    [remark] = study_texts([f"the zz{letter}" for letter in "abcdefghijkl"]).remarks()
    assert "lacks 12 of the 13" in remark
    assert remark.endswith(": " + ", ".join(f"zz{letter}" for letter in "abcdefghij") + ", …")


def test_no_remark_if_every_word_is_known(recogniser):
    assert recogniser.remarks() == study_texts(["the cat"]).remarks() == []


@pytest.mark.parametrize("texts", [["zzyzxian"], ["?!"], []])
def test_texts_without_a_known_word_use_the_general_model(texts, recogniser, prompts):
    sounds = [cut(prompts[0][0], 1.5)]
    transcripts = study_texts(texts).transcribe(sounds, "en", texts[0] if texts else None)
    assert transcripts == recogniser.transcribe(sounds, "en")


def test_hiss_gives_a_text(recogniser):
    hiss = np.random.default_rng(0).normal(size=8000).astype(np.float32) * 1e-3
    [text] = recogniser.transcribe([Sound(hiss, 16000)], "en")
    assert isinstance(text, str)
    assert recogniser.transcribe([], "en") == []


def test_a_failure_on_one_sound_does_not_affect_the_others(recogniser, prompts, monkeypatch):
    sound = prompts[0][0]
    [alone] = recogniser.transcribe([sound], "en")
    text = pocketsphinx._text

    def broken(decoder, transcripts):
        if transcripts.seconds < 1:
            raise RuntimeError("Failed to start utterance processing")
        return text(decoder, transcripts)

    monkeypatch.setattr(pocketsphinx, "_text", broken)
    error, rest = recogniser.transcribe([cut(sound, 0.5), sound], "en")
    assert isinstance(error, RuntimeError)
    assert rest == alone


def test_an_unknown_language_is_refused(recogniser, clip):
    with raises(Unusable, reason="unknown_language"):
        recogniser.transcribe(clip.candidates, "fr")


def test_the_decoder_prints_nothing(console):
    script = (
        "import numpy as np\n"
        "from gensr_pref.audio import Sound\n"
        "from gensr_pref.metrics.wer.pocketsphinx import Pocketsphinx\n"
        "p = Pocketsphinx(); p.study(['one zzyzxian']); p.load('cpu')\n"
        "p.transcribe([Sound(np.zeros(1, np.float32), 16000)], 'en', 'one zzyzxian')"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    console.require_nothing()
