"""Recogniser and word error rate."""

import subprocess
import sys
from dataclasses import replace

import jiwer
import numpy as np
import pytest

from gensr_pref.audio import Sound
from gensr_pref.errors import Unusable
from gensr_pref.metrics.recogniser import Pocketsphinx, recogniser_named
from gensr_pref.metrics.text import normalise
from gensr_pref.metrics.wer import WordErrorRate, word_error_rate
from gensr_pref.schema import Reason

from .sounds import cut, noisy


@pytest.fixture(scope="module")
def recogniser():
    made = Pocketsphinx()
    made.load()
    return made


@pytest.fixture(scope="module")
def wer():
    made = WordErrorRate()
    made.load()
    return made


def test_text_does_not_depend_on_what_was_heard_before(recogniser, prompts):
    """A decoder without `reinit_feat` fails this: its estimate of the noise stays."""
    loud = noisy(cut(prompts[1][0], 1.0), 0.2)
    sounds = [loud, *(noisy(cut(sound, 1.5), 0.02) for sound, _ in prompts[5:7])]
    alone = []
    for sound in sounds:
        fresh = Pocketsphinx()
        fresh.load()
        alone += fresh.transcribe([sound], "en")
    assert all(alone[1:])
    assert recogniser.transcribe(sounds, "en") == alone


def test_clean_prompts_are_heard_in_part(recogniser, prompts):
    sounds, texts = zip(*prompts[:2], strict=True)
    heard = [normalise(text) for text in recogniser.transcribe(sounds, "en-US")]
    assert jiwer.wer([normalise(text) for text in texts], heard) < 0.6


def test_hiss_is_no_error(recogniser):
    hiss = np.random.default_rng(0).normal(size=8000).astype(np.float32) * 1e-3
    [text] = recogniser.transcribe([Sound(hiss, 16000)], "en")
    assert isinstance(text, str)
    assert recogniser.transcribe([], "en") == []


def test_an_unknown_language_is_refused(recogniser, clip):
    with pytest.raises(Unusable, match="unknown_language: pocketsphinx knows English, not 'fr'"):
        recogniser.transcribe(clip.candidates, "fr")


def test_an_unknown_recogniser_is_named():
    with pytest.raises(ValueError, match=r"Known: pocketsphinx\. Did you mean 'pocketsphinx'"):
        recogniser_named("pocketsphynx")


def test_the_decoder_says_nothing():
    script = (
        "import numpy as np\n"
        "from gensr_pref.audio import Sound\n"
        "from gensr_pref.metrics.recogniser import Pocketsphinx\n"
        "p = Pocketsphinx(); p.load()\n"
        "p.transcribe([Sound(np.zeros(1, np.float32), 16000)], 'en')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("a b c d", "a b c d", 0.0),
        ("a b c d", "a x c", 0.5),
        ("a b", "", 1.0),
        ("a", "x y z", 3.0),
    ],
)
def test_word_error_rate(reference, hypothesis, expected):
    assert word_error_rate(reference, hypothesis) == expected


def test_wer_is_jiwers_of_the_transcripts(wer, recogniser, clip):
    short = replace(clip, candidates=[cut(clip.clean, 1.5), cut(clip.noisy, 0.8)])
    heard = recogniser.transcribe(short.candidates, "en")
    expected = [jiwer.wer(normalise(clip.text), normalise(text)) for text in heard]
    assert [answer["wer"] for answer in wer.score(short)] == expected


def test_without_text_the_clean_clip_is_transcribed_once(clip):
    class Counting:
        name, model, licence, sample_rate = "counting", "", "", 16000
        heard: list

        def load(self):
            self.heard = []

        def transcribe(self, sounds, language):
            self.heard.append(len(sounds))
            return ["A word, or two!"] * len(sounds)

    metric = WordErrorRate()
    metric._recogniser = Counting()
    metric.load()
    answers = metric.score(replace(clip, text=None))
    assert [answer["wer"] for answer in answers] == [0.0] * 3
    assert metric._recogniser.heard == [1, 3]


@pytest.mark.parametrize(
    ("text", "detail"), [("", "the clip's text holds no word"), ("?!", "the clip's text")]
)
def test_text_without_words_is_no_text(wer, clip, text, detail):
    with pytest.raises(Unusable, match=detail) as caught:
        wer.score(replace(clip, text=text))
    assert caught.value.reason is Reason.NO_TEXT


def test_neither_text_nor_clean_is_no_text(wer, clip):
    with pytest.raises(Unusable, match="neither a text nor a clean clip") as caught:
        wer.score(replace(clip, text=None, clean=None))
    assert caught.value.reason is Reason.NO_TEXT


def test_a_clean_clip_in_which_nothing_is_heard_is_no_text(wer, clip):
    click = np.zeros(4000, np.float32)
    click[0] = 0.5
    with pytest.raises(Unusable, match="the clean clip's transcript holds no word"):
        wer.score(replace(clip, text=None, clean=Sound(click, 16000)))
