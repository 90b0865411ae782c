"""Tests of word and character error rates."""

from dataclasses import replace

import jiwer
import numpy as np
import pytest

from gensr_pref.audio import Sound
from gensr_pref.errors import InputError, Unusable
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.wer.metric import WordErrorRate, character_error_rate, word_error_rate
from gensr_pref.metrics.wer.normalise import normalise
from gensr_pref.metrics.wer.pocketsphinx import Pocketsphinx
from gensr_pref.schema import Reason
from gensr_pref.weights import catalogue
from tests.benchmarks.recogniser import corpus_texts, noisy_clips, outcome, rates
from tests.metrics.sounds import cut
from tests.refusals import raises, refuses_option

SILENT = Sound(np.zeros(100, np.float32), 16000)


class Scripted:
    """Recogniser that returns given transcripts, one per sound, and records its calls."""

    model, licence, sample_rate, longest_seconds = "scripted", "none", 16000, 9.0

    def __init__(self, model="yes"):
        self.transcripts = [model]
        self.asked = []

    def load(self, device):
        self.device = device

    def language_of(self, sound):
        self.asked.append("language")
        return "de"

    def transcribe(self, sounds, language, text=None):
        self.texts = [*getattr(self, "texts", []), text]
        self.asked.append((len(sounds), language))
        return (self.transcripts * len(sounds))[: len(sounds)]


def scripted_metric(*transcripts, **options):
    metric = WordErrorRate(recogniser=f"{__name__}:Scripted", **options)
    metric._recogniser.transcripts = list(transcripts)
    return metric


def clip_with_text(text, language="en", candidates=1):
    return ClipSounds([SILENT] * candidates, text=text, language=language)


@pytest.fixture(scope="module")
def wer():
    made = WordErrorRate()
    made.load("cpu")
    return made


@pytest.mark.parametrize(
    ("reference", "hypothesis", "words", "characters"),
    [
        ("a b c d", "a b c d", 0.0, 0.0),
        ("a b c d", "a x c", 0.5, 3 / 7),
        ("a b", "", 1.0, 1.0),
        ("a", "x y z", 3.0, 5.0),
        ("ten mice", "ten mine", 0.5, 1 / 8),
    ],
)
def test_rates_follow_their_equations(reference, hypothesis, words, characters):
    assert word_error_rate(reference, hypothesis) == pytest.approx(words)
    assert character_error_rate(reference, hypothesis) == pytest.approx(characters)


def test_rates_equal_jiwers_of_the_transcripts(wer, clip):
    recogniser = Pocketsphinx()
    recogniser.load("cpu")
    short = replace(clip, candidates=[cut(clip.clean, 1.5), cut(clip.noisy, 0.8)])
    transcripts = recogniser.transcribe(short.candidates, "en")
    answers = wer.score(short)
    assert [answer["transcript"] for answer in answers] == transcripts
    for answer, text in zip(answers, transcripts, strict=True):
        assert answer["wer"] == jiwer.wer(normalise(clip.text), normalise(text))
        assert answer["cer"] == jiwer.cer(normalise(clip.text), normalise(text))


@pytest.mark.slow
def test_a_candidates_score_does_not_depend_on_the_others(wer, brief):
    together = wer.score(brief)
    alone = [wer.score(replace(brief, candidates=[c]))[0] for c in brief.candidates[::-1]]
    assert together == alone[::-1]


@pytest.mark.corpus
@pytest.mark.slow
def test_after_study_the_cleaner_of_two_versions_has_the_lower_rate(shared):
    metric = WordErrorRate()
    metric.study(corpus_texts(shared))
    metric.load("cpu")
    wer, _ = rates(metric, noisy_clips(shared, 8, (16, 4)))
    right, _, wrong = outcome(wer, 1)
    assert wer[:, 0].mean() < 0.25
    assert right >= 0.5
    assert wrong <= 0.125


def test_each_candidate_has_its_own_rate():
    answers = scripted_metric("ten mice", "ten", "").score(
        clip_with_text("Ten mice!", candidates=3)
    )
    assert [answer["wer"] for answer in answers] == [0.0, 0.5, 1.0]
    assert [answer["transcript"] for answer in answers] == ["ten mice", "ten", ""]
    assert [answer["wer_reference"] for answer in answers] == ["text"] * 3


def test_reference_and_transcript_are_normalised():
    [answer] = scripted_metric("I can not see the 2 gray mice.").score(
        clip_with_text("I can\u2019t see the TWO grey mice")
    )
    assert (answer["wer"], answer["cer"]) == (0.0, 0.0)
    assert answer["transcript"] == "I can not see the 2 gray mice."


def test_a_failure_on_one_candidate_is_its_answer():
    broken = RuntimeError("decoder")
    first, second = scripted_metric(broken, "yes").score(clip_with_text("yes", candidates=2))
    assert first is broken
    assert second["wer"] == 0.0


@pytest.mark.parametrize("text", ["", "?!", "...", "um"])
def test_a_text_without_words_is_no_text(text):
    [answer] = scripted_metric("a transcript").score(clip_with_text(text))
    for score in ("wer", "cer"):
        assert answer[score].reason is Reason.NO_TEXT
        assert answer[score].detail == "the clip's text holds no word"
    assert answer["transcript"] == "a transcript"


def test_without_text_and_clean_clip_there_are_no_rates():
    [answer] = scripted_metric("a transcript").score(clip_with_text(None))
    assert answer["wer"].reason is Reason.NO_TEXT
    assert "wer_reference" not in answer
    assert answer["transcript"] == "a transcript"


def test_without_text_the_clean_clip_is_transcribed_once():
    metric = scripted_metric("A word, or two!")
    answers = metric.score(ClipSounds([SILENT] * 3, clean=SILENT, language="en"))
    assert [answer["wer_reference"] for answer in answers] == ["clean"] * 3
    assert [answer["wer"] for answer in answers] == [0.0] * 3
    assert sorted(metric._recogniser.asked) == [(1, "en"), (3, "en")]
    assert metric._recogniser.texts == [None, None]


def test_the_recogniser_receives_the_reference_text():
    metric = scripted_metric("yes")
    metric.score(clip_with_text("Yes!"))
    assert metric._recogniser.texts == ["Yes!"]


@pytest.mark.parametrize(
    ("transcripts", "detail"),
    [
        ("", "the clean clip's transcript holds no word"),
        (RuntimeError("decoder"), "the clean clip cannot be transcribed: decoder"),
    ],
)
def test_a_clean_clip_without_a_transcript_is_no_text(transcripts, detail):
    metric = scripted_metric(transcripts)
    metric._recogniser.transcribe = lambda sounds, language, text=None: (
        [transcripts] if sounds[0] is not SILENT else ["yes"] * len(sounds)
    )
    clean = Sound(np.ones(9, np.float32), 16000)
    [answer] = metric.score(ClipSounds([SILENT], clean=clean, language="en"))
    assert (answer["wer"].reason, answer["wer"].detail) == (Reason.NO_TEXT, detail)
    assert answer["transcript"] == "yes"


def test_a_language_without_spaces_has_a_cer_and_no_wer():
    [answer] = scripted_metric("\u4f60\u597d \u4e16\u754c").score(
        clip_with_text("\u4f60\u597d\uff0c\u4e16\u8ba1\u3002", "zh-CN")
    )
    assert answer["wer"].reason is Reason.NO_WORDS
    assert "written without spaces" in answer["wer"].detail
    assert answer["cer"] == 0.25


@pytest.mark.parametrize(
    ("option", "given", "expected"),
    [(None, "en-US", "en"), (None, "FR", "fr"), ("es", "fr", "es"), ("pt_BR", None, "pt")],
)
def test_the_language_is_the_options_or_the_clips(option, given, expected):
    metric = scripted_metric("yes", language=option)
    metric.score(clip_with_text("yes", given))
    assert metric._recogniser.asked == [(1, expected)]


def test_an_unknown_language_is_detected_once_on_the_clip():
    metric = scripted_metric("ja")
    metric.score(ClipSounds([SILENT] * 3, noisy=SILENT, text="ja"))
    assert metric._recogniser.asked == ["language", (3, "de")]


def test_an_unknown_language_without_a_clip_is_a_failure():
    metric = scripted_metric("yes")
    with raises(Unusable, reason=Reason.UNKNOWN_LANGUAGE):
        metric.score(clip_with_text("yes", None))


def test_a_clip_in_a_language_that_the_recogniser_lacks_is_a_failure(wer, clip):
    with pytest.raises(Unusable) as caught:
        wer.score(replace(clip, language="fr"))
    assert caught.value.reason is Reason.UNKNOWN_LANGUAGE


def test_without_any_hint_the_only_known_language_is_used():
    metric = scripted_metric("yes")
    metric._recogniser.languages = ("sw",)
    [answer] = metric.score(clip_with_text("yes", None))
    assert answer["wer"] == 0.0
    assert metric._recogniser.asked == [(1, "sw")]


@pytest.mark.parametrize("languages", [None, ("de", "en")])
def test_without_a_reference_the_reason_is_no_text_in_any_language(languages):
    metric = scripted_metric("yes")
    metric._recogniser.languages = languages
    with raises(Unusable, reason=Reason.NO_TEXT):
        metric.score(clip_with_text(None, None))


def test_a_clip_with_an_invalid_language_code_is_a_failure():
    with raises(Unusable, reason=Reason.UNKNOWN_LANGUAGE) as caught:
        scripted_metric("yes").score(clip_with_text("yes", "german"))
    assert isinstance(caught.value.__cause__, ValueError)  # of the code, not of the recogniser


@pytest.mark.parametrize("language", ["english", "", "e1", "-en"])
def test_an_invalid_language_code_is_refused(language):
    refuses_option(WordErrorRate, "language", language=language)


@pytest.mark.parametrize(
    ("options", "code"), [({}, "zh"), ({"recogniser": "whisper", "model": "tiny.en"}, "fr")]
)
def test_a_language_that_the_recogniser_is_known_to_lack_is_refused(
    options, code, tmp_path, monkeypatch
):
    monkeypatch.setattr(catalogue, "find_weights", lambda name, path=None: tmp_path)
    monkeypatch.setattr(catalogue, "describe_weights", lambda name, path=None: name)
    refuses_option(WordErrorRate, "language", **options, language=code)
    WordErrorRate(**options, language="en-GB")


def test_a_language_that_the_checkpoint_lacks_is_refused_on_loading():
    metric = scripted_metric("yes", language="fra")
    metric._recogniser.languages = ("de", "en")
    with raises(InputError, value="fr", problem="invalid"):
        metric.load("cpu")


def test_remarks_come_from_the_recogniser():
    metric = scripted_metric("yes")
    assert metric.remarks() == []
    metric._recogniser.remarks = lambda: ["mind"]
    assert metric.remarks() == ["mind"]


def test_texts_are_passed_to_a_recogniser_that_can_study(wer):
    scripted_metric("yes").study(["a text"])  # has no study, and is left alone
    metric = WordErrorRate()
    metric.study(["a text"])
    assert metric._recogniser._studied == {"a text"}


def test_the_spec_comes_from_the_recogniser():
    spec = scripted_metric("yes", model="m").spec
    assert [(s.name, s.higher_is_better, s.votes, s.ties) for s in spec.scores] == [
        ("wer", False, True, True),
        ("cer", False, False, True),
    ]
    assert (spec.model, spec.longest_seconds) == ("scripted", 9.0)
    assert [note.name for note in spec.notes] == ["transcript", "wer_reference"]
